//! Cases of augmented batches: every option alone and all together, with tails.

use super::{Augment, AugmentBatch, FillMode, Flip, PaddingMode};
use crate::graph::{Case, Fill};
use crate::ops::batch::gather::GatherBatch;
use crate::ops::update::state::integer;
use crate::tensor::TensorType;

/// Sizes of a case.
#[derive(Clone)]
struct Layout {
    image: [usize; 3],
    examples: usize,
    batch: usize,
    shard_len: usize,
    step: u32,
    per_pixel: bool,
}

const SMALL: Layout =
    Layout { image: [7, 6, 3], examples: 9, batch: 4, shard_len: 9, step: 1, per_pixel: false };

fn everything() -> Augment {
    Augment {
        crop_padding: 3,
        crop_mode: PaddingMode::Reflect,
        flip: Flip::Random,
        rotation: 25.0,
        translation: 0.15,
        zoom: 0.2,
        shear: 15.0,
        fill: FillMode::Constant,
        cutout: 3,
        brightness: 0.4,
        contrast: 0.5,
    }
}

fn options() -> Vec<(&'static str, Augment)> {
    let none = Augment::default();
    vec![
        ("crop_zero", Augment { crop_padding: 4, ..none.clone() }),
        (
            "crop_reflect",
            Augment { crop_padding: 5, crop_mode: PaddingMode::Reflect, ..none.clone() },
        ),
        ("flip", Augment { flip: Flip::Random, ..none.clone() }),
        ("flip_alternating", Augment { flip: Flip::Alternating, ..none.clone() }),
        ("rotation", Augment { rotation: 21.6, ..none.clone() }),
        ("rotation_to_all_sides", Augment { rotation: 179.0, ..none.clone() }),
        ("translation", Augment { translation: 0.3, ..none.clone() }),
        ("zoom", Augment { zoom: 0.9, ..none.clone() }),
        ("shear", Augment { shear: 60.0, ..none.clone() }),
        ("cutout", Augment { cutout: 4, ..none.clone() }),
        ("cutout_all", Augment { cutout: 6, ..none.clone() }),
        ("brightness", Augment { brightness: 1.0, ..none.clone() }),
        ("contrast", Augment { contrast: 1.0, ..none.clone() }),
        ("none", none),
        ("everything", everything()),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        options().into_iter().map(|(name, augment)| case(name, augment, &SMALL)).collect();
    // Far beyond the border, where images come several times.
    let far = Augment { translation: 1.0, zoom: 0.9, ..everything() };
    for (name, fill) in
        [("reflect", FillMode::Reflect), ("nearest", FillMode::Nearest), ("wrap", FillMode::Wrap)]
    {
        let augment = Augment { fill, ..everything() };
        cases.push(case(&format!("fill_{name}"), augment, &SMALL));
        let augment = Augment { fill, cutout: 0, crop_padding: 0, ..far.clone() };
        for (kind, image) in [("row", [1, 9, 2]), ("pixel", [1, 1, 1]), ("image", [6, 5, 3])] {
            let layout = Layout { image, ..SMALL };
            cases.push(case(&format!("fill_{name}_far_{kind}"), augment.clone(), &layout));
        }
    }
    let layouts = [
        ("one_pixel", Layout { image: [1, 1, 1], ..SMALL }),
        ("one_row", Layout { image: [1, 11, 1], ..SMALL }),
        ("gray", Layout { image: [9, 8, 1], ..SMALL }),
        ("four_channels", Layout { image: [5, 5, 4], ..SMALL }),
        ("tail", Layout { step: 2, ..SMALL }),
        ("late_step", Layout { step: u32::MAX - 1, ..SMALL }),
        ("two_shards", Layout { shard_len: 7, image: [5, 3, 1], batch: 9, ..SMALL }),
        ("four_shards", Layout { shard_len: 3, examples: 10, batch: 10, ..SMALL }),
        ("per_pixel", Layout { per_pixel: true, ..SMALL }),
        ("per_pixel_four_shards", Layout { per_pixel: true, shard_len: 3, ..SMALL }),
        ("large", Layout { image: [160, 200, 3], batch: 2, examples: 3, shard_len: 3, ..SMALL }),
    ];
    for (name, layout) in layouts {
        let least = layout.image[0].min(layout.image[1]);
        let all = everything();
        let augment = Augment {
            crop_padding: all.crop_padding.min(least - 1),
            cutout: all.cutout.min(least),
            ..all
        };
        cases.push(case(name, augment, &layout));
    }
    let mut plain =
        case("per_pixel_none", Augment::default(), &Layout { per_pixel: true, ..SMALL });
    plain.gradient = false;
    cases.push(plain);
    cases.push(window());
    let many = Layout { image: [65, 65, 1], batch: 1000, examples: 3, shard_len: 3, ..SMALL };
    cases.push(case("many_workgroups", everything(), &many));

    let mnist = Augment { rotation: 10.0, translation: 0.06, zoom: 0.1, ..Augment::default() };
    let digits =
        Layout { image: [28, 28, 1], batch: 128, examples: 5000, shard_len: 5000, ..SMALL };
    cases.push(case("bench_mnist", mnist, &digits).bench());
    let cifar = Augment {
        crop_padding: 4,
        crop_mode: PaddingMode::Reflect,
        flip: Flip::Alternating,
        cutout: 8,
        ..Augment::default()
    };
    let images =
        Layout { image: [32, 32, 3], batch: 128, examples: 2000, shard_len: 2000, ..SMALL };
    cases.push(case("bench_cifar", cifar, &images).bench());
    cases
}

fn op(augment: Augment, layout: &Layout) -> AugmentBatch {
    let channels = layout.image[2];
    AugmentBatch {
        gather: GatherBatch {
            batch: layout.batch,
            steps_per_epoch: layout.examples.div_ceil(layout.batch),
            mean: [0.491_4, 0.482_2, 0.446_5, 0.5][..channels].to_vec(),
            std: [0.247, 0.243_5, 0.261_6, 1.0][..channels].to_vec(),
            shard_len: layout.shard_len,
            windowed: false,
        },
        augment,
        per_pixel: layout.per_pixel,
        seed: 77,
        steps_per_pass: 3,
    }
}

fn case(name: &str, augment: Augment, layout: &Layout) -> Case {
    with_inputs(name, op(augment, layout), layout, Fill::Permutation)
}

/// A window whose positions hold examples of large numbers, and one that holds none.
fn window() -> Case {
    let layout = Layout { examples: 8, step: 5, ..SMALL };
    let mut op = op(Augment { flip: Flip::Alternating, ..everything() }, &layout);
    op.gather.windowed = true;
    let order = Fill::Integers(vec![70_000, 1, 70_000, 5, 9, u32::MAX, 123_456_789, 0]);
    with_inputs("window", op, &layout, order)
}

fn with_inputs(name: &str, op: AugmentBatch, layout: &Layout, order: Fill) -> Case {
    let [h, w, c] = layout.image;
    let (shard_len, examples) = (layout.shard_len, layout.examples);
    let (step_type, step) = integer(layout.step);
    let mut case = Case::new(name, op)
        .input(TensorType::u32([examples]), Fill::Labels(10))
        .input(TensorType::u32([examples]), order)
        .input(step_type, step)
        .forward_only();
    if layout.per_pixel {
        case = case.input(TensorType::f32([2, h, w, c]), Fill::Uniform(0.001, 60_000.0));
    }
    (0..examples).step_by(shard_len).fold(case, |case, first| {
        let held = shard_len.min(examples - first);
        case.input(TensorType::u8([held, h, w, c]), Fill::Bytes)
    })
}
