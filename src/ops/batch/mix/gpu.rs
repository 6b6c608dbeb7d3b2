//! A mixed batch on a GPU: one invocation decides, then each computes an element, then each a row of
//! targets.

use super::MixBatch;
use super::beta::INTERVALS;
use super::decision::{KEY_HIGH, Tables};
use crate::graph::{Caps, Kernel, Lowering, Operand, Signature};
use crate::ops::IGNORED_LABEL;
use crate::tensor::Real;

/// Bytes of the decision.
const DECISION_BYTES: usize = 32;

pub(super) fn elements(op: &MixBatch, sig: &Signature, caps: &Caps) -> Lowering {
    let dims = sig.inputs[0].dims();
    let [batch, height, width, channels] =
        <[usize; 4]>::try_from(dims).expect("infer has checked the rank");
    let common = |name: &str| {
        Kernel::new(name)
            .constant("BATCH", batch)
            .constant("HEIGHT", height)
            .constant("WIDTH", width)
            .constant("CHANNELS", channels)
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .file(include_str!("../../../../shaders/common/mix_partner.wgsl"))
            .read(Operand::Scratch(0))
            .read(Operand::Input(1))
    };
    let images = common("mix_images")
        .flat(batch * height * width * channels, 64, caps)
        .file(include_str!("../../../../shaders/batch/mix_images.wgsl"))
        .read(Operand::Input(0))
        .write(Operand::Output(0));
    let smoothing = f64::from(op.label_smoothing);
    #[expect(clippy::cast_precision_loss, reason = "a count, far below 2^53")]
    let off_target = f32::from_f64(smoothing / op.classes as f64);
    let targets = common("mix_targets")
        .constant("CLASSES", op.classes)
        .constant_f32("ON_TARGET", f32::from_f64(1.0 - smoothing))
        .constant_f32("OFF_TARGET", off_target)
        .flat(batch, 64, caps)
        .file(include_str!("../../../../shaders/batch/mix_targets.wgsl"))
        .write(Operand::Output(1))
        .write(Operand::Output(2));
    Lowering {
        variant: "elements".to_owned(),
        scratch: vec![DECISION_BYTES],
        kernels: vec![decide(op, [batch, height, width]), images, targets],
    }
}

fn decide(op: &MixBatch, [batch, height, width]: [usize; 3]) -> Kernel {
    let tables = Tables::new(op);
    // Zeros where a table is not read.
    let table = |name: &str, table: &Option<Vec<u32>>| {
        let entries = table.iter().flatten().map(|entry| format!("{entry}u")).collect::<Vec<_>>();
        let length = INTERVALS + 1;
        format!("const {name} = array<u32, {length}>({});\n", entries.join(", "))
    };
    Kernel::new("mix_decide")
        .constant("BATCH", batch)
        .constant("HEIGHT", height)
        .constant("WIDTH", width)
        .constant("SEED", op.seed as usize)
        .constant("KEY_HIGH", KEY_HIGH as usize)
        .constant("MIXUP", usize::from(tables.weights.is_some()))
        .constant("CUTMIX", usize::from(tables.sides.is_some()))
        .file(&table("WEIGHTS", &tables.weights))
        .file(&table("SIDES", &tables.sides))
        .file(include_str!("../../../../shaders/common/philox.wgsl"))
        .file(include_str!("../../../../shaders/batch/mix_decide.wgsl"))
        .read(Operand::Input(2))
        .write(Operand::Scratch(0))
}
