//! An augmented batch on a GPU: one kernel decides for each image, one computes each pixel.

use std::fmt::Write as _;

use super::decision::KEY_HIGH;
use super::options::{FillMode, Flip, PaddingMode};
use super::{AugmentBatch, Layout};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::IGNORED_LABEL;
use crate::ops::batch::gather::{FIRST_SHARD, shard_bindings};

/// Bytes of the decisions for one image.
const DECISION_BYTES: usize = 64;

pub(super) fn pixels(op: &AugmentBatch, layout: &Layout, shards: usize, caps: &Caps) -> Lowering {
    Lowering {
        variant: "pixels".to_owned(),
        scratch: vec![op.gather.batch * DECISION_BYTES],
        kernels: vec![decide(op, layout, caps), pixels_kernel(op, layout, shards, caps)],
    }
}

fn decide(op: &AugmentBatch, layout: &Layout, caps: &Caps) -> Kernel {
    let augment = &op.augment;
    let ranges = augment.ranges([layout.height, layout.width]);
    let flip = |flip: Flip| match flip {
        Flip::None => 0,
        Flip::Random => 1,
        Flip::Alternating => 2,
    };
    op.gather
        .kernel("augment_decide", &layout.gather)
        .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
        .constant("SEED", op.seed as usize)
        .constant("KEY_HIGH", KEY_HIGH as usize)
        .constant("STEPS_PER_PASS", op.steps_per_pass)
        .constant("HEIGHT", layout.height)
        .constant("WIDTH", layout.width)
        .constant("CROP_PADDING", augment.crop_padding)
        .constant("FLIP", flip(augment.flip))
        .constant("RANDOM_FLIP", flip(Flip::Random))
        .constant("ALTERNATING_FLIP", flip(Flip::Alternating))
        .constant("ROTATION", ranges.rotation as usize)
        .constant("SHEAR", ranges.shear as usize)
        .constant("SHIFT_Y", ranges.shift[0] as usize)
        .constant("SHIFT_X", ranges.shift[1] as usize)
        .constant("ZOOM", ranges.zoom as usize)
        .constant("BRIGHTNESS", ranges.brightness as usize)
        .constant("CONTRAST", ranges.contrast as usize)
        .constant("CUTOUT", augment.cutout)
        .flat(op.gather.batch, 64, caps)
        .file(include_str!("../../../../shaders/common/philox.wgsl"))
        .file(include_str!("../../../../shaders/common/sine_cosine.wgsl"))
        .file(include_str!("../../../../shaders/batch/augment_decide.wgsl"))
        .read(Operand::Input(0))
        .write(Operand::Scratch(0))
        .write(Operand::Output(1))
}

fn pixels_kernel(op: &AugmentBatch, layout: &Layout, shards: usize, caps: &Caps) -> Kernel {
    let augment = &op.augment;
    let first_shard_binding = 2 + usize::from(op.per_pixel);
    let mut kernel = Kernel::new("augment_pixels")
        .constant("EXAMPLES", layout.gather.examples)
        .constant("SHARD_LENGTH", op.gather.shard_len)
        .constant("HEIGHT", layout.height)
        .constant("WIDTH", layout.width)
        .constant("CHANNELS", layout.channels)
        .constant("REFLECTS", usize::from(augment.crop_mode == PaddingMode::Reflect))
        .constant("AFFINE", usize::from(augment.is_affine()))
        .constant("BRIGHTNESS", usize::from(augment.brightness > 0.0))
        .constant("CONTRAST", usize::from(augment.contrast > 0.0))
        .constant("CUTOUT", augment.cutout)
        .file(fill_file(augment.fill))
        .file(&normalization(op, layout))
        .file(&shard_bindings(first_shard_binding, shards))
        .flat(op.gather.batch * layout.height * layout.width, 64, caps)
        .file(include_str!("../../../../shaders/batch/augment_pixels.wgsl"))
        .read(Operand::Scratch(0))
        .write(Operand::Output(0));
    if op.per_pixel {
        kernel = kernel.read(Operand::Input(FIRST_SHARD));
    }
    (0..shards).fold(kernel, |kernel, s| kernel.read(Operand::Input(layout.first_shard + s)))
}

/// WGSL of `filled`, where a row or column beside the image lies in it.
fn fill_file(fill: FillMode) -> &'static str {
    match fill {
        FillMode::Constant => include_str!("../../../../shaders/batch/fill/constant.wgsl"),
        FillMode::Reflect => include_str!("../../../../shaders/batch/fill/reflect.wgsl"),
        FillMode::Nearest => include_str!("../../../../shaders/batch/fill/nearest.wgsl"),
        FillMode::Wrap => include_str!("../../../../shaders/batch/fill/wrap.wgsl"),
    }
}

/// WGSL of `center_of` and `normalized`, with the numbers of this op.
fn normalization(op: &AugmentBatch, layout: &Layout) -> String {
    let channels = layout.channels;
    let list = |texts: Vec<String>| texts.join(", ");
    let centers = list(op.centers(channels).iter().map(ToString::to_string).collect());
    let mut text = format!(
        "const CENTERS = array<i32, {channels}>({centers});\n\
         fn center_of(channel: u32) -> i32 {{\n  var centers = CENTERS;\n  \
         return centers[channel];\n}}\n"
    );
    let signature = "fn normalized(level: f32, channel: u32, element: u32) -> f32";
    if op.per_pixel {
        let elements = layout.height * layout.width * channels;
        let _ = write!(
            text,
            "@group(0) @binding(2) var<storage, read> statistics: array<f32>;\n{signature} {{\n  \
             return (level - statistics[element]) * statistics[{elements}u + element];\n}}\n"
        );
    } else {
        let numbers = op.in_levels(channels);
        let [means, scales] = [0, 1]
            .map(|i| list(numbers.iter().map(|pair| format!("f32({:?})", pair[i])).collect()));
        let _ = write!(
            text,
            "const MEANS = array<f32, {channels}>({means});\n\
             const SCALES = array<f32, {channels}>({scales});\n{signature} {{\n  \
             var means = MEANS;\n  var scales = SCALES;\n  \
             return (level - means[channel]) * scales[channel];\n}}\n"
        );
    }
    text
}
