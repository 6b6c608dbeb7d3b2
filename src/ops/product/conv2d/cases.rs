//! Cases of the convolution family: one table of shapes for all three ops.

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::graph::{Activation, Case, Fill};
use crate::tensor::TensorType;

/// The shapes of one convolution.
struct ConvCase {
    name: &'static str,
    sizes: Sizes,
    geometry: ConvGeometry,
}

impl ConvCase {
    /// Whether finite differences are cheap.
    fn is_small(&self) -> bool {
        self.sizes.flop() < 1 << 15
    }
}

/// An input `[n, h, w, c]`, a kernel `[kh, kw]` and `oc` output channels.
fn conv(
    name: &'static str,
    x: [usize; 4],
    kernel: [usize; 2],
    oc: usize,
    geometry: ConvGeometry,
) -> ConvCase {
    let sizes = Sizes::new("conv2d", &geometry, x, kernel, oc).expect("cases have valid shapes");
    ConvCase { name, sizes, geometry }
}

/// Small shapes: every attribute on its own and in combination, sizes that divide nothing.
fn small() -> Vec<ConvCase> {
    let plain = ConvGeometry::default;
    let groups = |groups, padding| ConvGeometry { groups, ..ConvGeometry::new(1, padding) };
    vec![
        conv("one_element", [1, 1, 1, 1], [1, 1], 1, plain()),
        conv("pointwise", [2, 3, 3, 5], [1, 1], 7, plain()),
        conv("valid_3x3", [2, 5, 6, 3], [3, 3], 4, plain()),
        conv("whole_image", [3, 4, 3, 2], [4, 3], 5, plain()),
        conv("same_5x5", [1, 7, 5, 2], [5, 5], 3, ConvGeometry::new(1, 2)),
        conv(
            "asymmetric_padding",
            [2, 4, 5, 3],
            [2, 3],
            5,
            ConvGeometry { padding: [0, 1, 2, 0], ..plain() },
        ),
        conv("padding_beyond_kernel", [1, 2, 3, 2], [2, 2], 3, ConvGeometry::new(1, 3)),
        conv("stride_below_window", [2, 7, 8, 3], [3, 3], 4, ConvGeometry::new(2, 1)),
        conv(
            "stride_above_window",
            [2, 9, 8, 2],
            [2, 1],
            3,
            ConvGeometry { stride: [3, 4], ..plain() },
        ),
        conv(
            "dilated",
            [1, 8, 9, 2],
            [3, 2],
            3,
            ConvGeometry { dilation: [2, 3], padding: [2, 1, 0, 3], ..plain() },
        ),
        conv(
            "strided_dilated",
            [1, 9, 10, 3],
            [3, 3],
            2,
            ConvGeometry { stride: [2, 3], dilation: [2, 1], padding: [1, 2, 0, 1], ..plain() },
        ),
        conv("same_stride_2", [1, 6, 7, 2], [3, 3], 3, {
            ConvGeometry::new(2, 0).with_same_padding([6, 7], [3, 3])
        }),
        // What one direction has, the other has not.
        conv("dilated_columns", [1, 6, 9, 3], [2, 3], 4, {
            ConvGeometry { dilation: [1, 2], ..plain() }
        }),
        conv("pointwise_strided", [1, 5, 4, 5], [1, 1], 6, {
            ConvGeometry { stride: [2, 1], ..plain() }
        }),
        conv("pointwise_column_strided", [1, 5, 4, 5], [1, 1], 6, {
            ConvGeometry { stride: [1, 2], ..plain() }
        }),
        conv("pointwise_padded", [1, 4, 3, 5], [1, 1], 6, ConvGeometry::new(1, 1)),
        conv("groups_2", [2, 4, 4, 6], [3, 3], 4, groups(2, 1)),
        conv("depthwise", [1, 5, 5, 7], [3, 3], 7, groups(7, 1)),
        conv("depthwise_8_strided", [2, 6, 7, 8], [3, 3], 8, {
            ConvGeometry { groups: 8, ..ConvGeometry::new(2, 1) }
        }),
        conv("depthwise_multiplier", [1, 4, 5, 3], [2, 2], 6, groups(3, 0)),
        conv("depthwise_uneven", [2, 7, 9, 4], [2, 3], 4, {
            let (stride, padding, dilation) = ([1, 2], [0, 1, 2, 3], [3, 2]);
            ConvGeometry { stride, padding, dilation, groups: 4 }
        }),
        conv("groups_of_two", [1, 4, 5, 6], [3, 3], 6, groups(3, 1)),
    ]
}

/// Shapes that fill the tiles of the fast kernels, and leave tails: too large for a gradient
/// check by finite differences.
fn tiles() -> Vec<ConvCase> {
    let plain = ConvGeometry::default;
    let groups = |groups, padding| ConvGeometry { groups, ..ConvGeometry::new(1, padding) };
    vec![
        conv("first_layer_1", [3, 12, 11, 1], [3, 3], 32, plain()),
        conv("first_layer_3", [2, 9, 10, 3], [3, 3], 24, ConvGeometry::new(1, 1)),
        conv("first_layer_11x11", [1, 31, 29, 3], [11, 11], 16, ConvGeometry::new(4, 2)),
        conv("lenet_conv1", [2, 12, 11, 1], [5, 5], 6, ConvGeometry::new(1, 2)),
        conv("lenet_conv2", [2, 10, 9, 6], [5, 5], 16, plain()),
        conv("odd_groups", [2, 6, 7, 30], [3, 3], 18, groups(3, 1)),
        conv("tile_32_64", [4, 6, 10, 32], [3, 3], 64, plain()),
        conv("tile_64_32_padded", [3, 5, 7, 64], [3, 3], 32, ConvGeometry::new(1, 1)),
        conv(
            "tile_asymmetric_padding",
            [2, 6, 7, 32],
            [3, 3],
            48,
            ConvGeometry { padding: [0, 2, 2, 1], ..plain() },
        ),
        conv("tile_many_images", [60, 6, 5, 32], [3, 3], 32, ConvGeometry::new(1, 1)),
        conv("tail_36_68", [1, 7, 6, 36], [3, 3], 68, ConvGeometry::new(1, 1)),
        conv("tail_33_31", [2, 4, 5, 33], [2, 2], 31, plain()),
        conv("depthwise_shares", [2, 9, 11, 12], [3, 3], 12, groups(12, 1)),
        conv("winograd_17_18", [2, 5, 8, 17], [3, 3], 18, {
            ConvGeometry { padding: [2, 0, 1, 3], ..plain() }
        }),
        conv("winograd_one_pixel", [1, 3, 3, 16], [3, 3], 20, plain()),
        conv("winograd_padding_3", [1, 4, 5, 16], [3, 3], 24, ConvGeometry::new(1, 3)),
        // Almost what Winograd's algorithm is for.
        conv("no_winograd_stride", [1, 7, 8, 16], [3, 3], 24, {
            ConvGeometry { stride: [2, 1], ..ConvGeometry::new(1, 1) }
        }),
        conv("no_winograd_column_stride", [1, 7, 8, 16], [3, 3], 24, {
            ConvGeometry { stride: [1, 2], ..ConvGeometry::new(1, 1) }
        }),
        conv("no_winograd_dilation", [1, 7, 8, 16], [3, 3], 24, {
            ConvGeometry { dilation: [2, 1], ..ConvGeometry::new(1, 1) }
        }),
        conv("no_winograd_column_dilation", [1, 7, 8, 16], [3, 3], 24, {
            ConvGeometry { dilation: [1, 2], ..ConvGeometry::new(1, 1) }
        }),
        conv("no_winograd_2x3", [1, 6, 7, 16], [2, 3], 24, ConvGeometry::new(1, 1)),
        conv("no_winograd_3x2", [1, 6, 7, 16], [3, 2], 24, ConvGeometry::new(1, 1)),
        conv("no_winograd_4x3", [1, 6, 7, 16], [4, 3], 24, ConvGeometry::new(1, 1)),
        conv("no_winograd_3x4", [1, 6, 7, 16], [3, 4], 24, ConvGeometry::new(1, 1)),
        // More of one thing than a block of the host has room for.
        conv("many_channels", [1, 2, 3, 300], [2, 2], 4, plain()),
        conv("more_channels", [1, 2, 3, 600], [1, 2], 3, plain()),
        conv("many_pixels", [1, 26, 27, 2], [3, 3], 3, plain()),
        conv("winograd_many_pixels", [1, 50, 46, 8], [3, 3], 8, plain()),
        conv("tile_pointwise", [2, 8, 9, 64], [1, 1], 128, plain()),
        conv("tile_strided", [2, 9, 9, 32], [3, 3], 64, ConvGeometry::new(2, 1)),
        conv(
            "tile_dilated",
            [1, 9, 9, 32],
            [3, 3],
            32,
            ConvGeometry { dilation: [2, 2], ..ConvGeometry::new(1, 2) },
        ),
        conv("tile_groups", [2, 6, 6, 64], [3, 3], 64, groups(2, 1)),
    ]
}

/// Shapes on which strides, padding and sizes of images meet in different ways: how input gradients
/// cut images into blocks.
fn strided() -> Vec<ConvCase> {
    let strided = |stride, padding| ConvGeometry { stride, padding, ..ConvGeometry::default() };
    let square = ConvGeometry::new;
    vec![
        conv("strided_1_channel", [2, 7, 8, 1], [3, 3], 4, square(2, 0)),
        conv("strided_4_channels", [1, 8, 7, 4], [3, 3], 3, square(2, 1)),
        conv("strided_asymmetric_padding", [2, 6, 7, 8], [3, 3], 4, strided([2; 2], [0, 1, 1, 0])),
        conv("strided_padding_beyond_kernel", [1, 4, 3, 3], [3, 3], 2, square(2, 5)),
        conv("strided_groups", [1, 7, 6, 6], [3, 3], 4, {
            ConvGeometry { groups: 2, ..square(2, 1) }
        }),
        conv("stride_2_5x5", [2, 9, 8, 3], [5, 5], 4, square(2, 2)),
        conv("stride_2_2x2", [2, 6, 8, 4], [2, 2], 8, square(2, 0)),
        conv("stride_2_2x2_odd", [1, 7, 9, 3], [2, 2], 5, square(2, 0)),
        conv("stride_3_3x3", [2, 9, 8, 3], [3, 3], 4, square(3, 1)),
        conv("stride_3_2x2", [1, 11, 10, 4], [2, 2], 3, square(3, 0)),
        conv("stride_2_1_4x4", [1, 7, 6, 3], [4, 4], 5, strided([2, 1], [1, 2, 2, 0])),
        conv("stride_4_7x7", [1, 15, 14, 3], [7, 7], 4, square(4, 3)),
    ]
}

/// Strided shapes that fill tiles, and leave tails.
fn strided_tiles() -> Vec<ConvCase> {
    vec![
        conv("tile_strided_odd", [5, 19, 16, 20], [3, 3], 36, ConvGeometry::new(2, 1)),
        conv("tile_stride_2_2x2", [4, 16, 12, 32], [2, 2], 64, ConvGeometry::new(2, 0)),
        conv("tile_strided_shares", [1, 6, 5, 17], [5, 5], 64, ConvGeometry::new(2, 2)),
    ]
}

/// Shapes that reach every kernel of the family, for what may follow it in the same pass.
fn with_tail() -> Vec<ConvCase> {
    const NAMES: [&str; 12] = [
        "valid_3x3",
        "same_stride_2",
        "groups_2",
        "depthwise",
        "depthwise_8_strided",
        "first_layer_1",
        "tile_32_64",
        "tile_64_32_padded",
        "tail_33_31",
        "winograd_17_18",
        "tile_pointwise",
        "tile_groups",
    ];
    small().into_iter().chain(tiles()).filter(|conv| NAMES.contains(&conv.name)).collect()
}

/// Shapes of real models: `mnist-cnn` at batch 128, AlexNet and a ResNet on CIFAR at batch 64.
fn bench() -> Vec<ConvCase> {
    let padded = || ConvGeometry::new(1, 1);
    vec![
        conv("bench_mnist_conv1", [128, 28, 28, 1], [3, 3], 32, ConvGeometry::default()),
        conv("bench_mnist_conv2", [128, 13, 13, 32], [3, 3], 64, ConvGeometry::default()),
        conv("bench_cifar_conv1", [64, 32, 32, 3], [3, 3], 64, padded()),
        conv("bench_cifar_conv2", [64, 16, 16, 64], [3, 3], 192, padded()),
        conv("bench_cifar_conv3", [64, 8, 8, 192], [3, 3], 384, padded()),
        conv("bench_cifar_conv4", [64, 8, 8, 384], [3, 3], 256, padded()),
        conv("bench_cifar_conv5", [64, 8, 8, 256], [3, 3], 256, padded()),
        conv("bench_resnet_strided", [64, 16, 16, 64], [3, 3], 128, ConvGeometry::new(2, 1)),
    ]
}

/// The case with a last input that is not finite, added to or multiplied by what the product gave:
/// variants of the product itself may make a NaN of an infinity, or spread it.
fn behind_product(case: &Case, dims: [usize; 4]) -> Case {
    let name = format!("non_finite_{}", case.name);
    let case = Case { name, ..case.clone() };
    case.input(TensorType::f32(dims), Fill::Special).forward_only()
}

/// Builds a case for each shape, given the op and the dimensions of its two inputs.
fn all(build: impl Fn(&ConvCase) -> Case) -> Vec<Case> {
    let small = small().iter().map(&build).collect::<Vec<_>>();
    let tiles = tiles().iter().map(|conv| build(conv).forward_only()).collect::<Vec<_>>();
    let bench = bench().iter().map(|conv| build(conv).bench()).collect::<Vec<_>>();
    [small, tiles, bench].concat()
}

pub(super) fn forward() -> Vec<Case> {
    let build = |conv: &ConvCase| {
        let op = Conv2d::new(conv.geometry.clone());
        Case::new(conv.name, op).normal(conv.sizes.x()).normal(conv.sizes.weight())
    };
    let mut cases = all(build);
    for activation in Activation::ALL.into_iter().filter(|a| a.derivative_from_output()) {
        let op = Conv2d { bias: true, activation, ..Conv2d::new(ConvGeometry::new(1, 1)) };
        let name = format!("bias_{}", serde_json::json!(activation).as_str().unwrap_or_default());
        cases.push(Case::new(name, op).normal([1, 3, 4, 3]).normal([3, 3, 3, 5]).normal([5]));
    }
    let op = |padding, activation| Conv2d {
        bias: true,
        activation,
        ..Conv2d::new(ConvGeometry::new(1, padding))
    };
    let relu = Activation::Relu;
    cases.push(
        Case::new("tile_bias_relu", op(1, relu))
            .normal([2, 7, 5, 32])
            .normal([3, 3, 32, 64])
            .normal([64])
            .forward_only(),
    );
    cases.push(
        Case::new("first_layer_bias_relu", op(0, relu))
            .normal([2, 9, 13, 1])
            .normal([3, 3, 1, 32])
            .normal([32])
            .forward_only(),
    );
    for (name, c, oc) in [("non_finite", 3, 4), ("tile_non_finite", 32, 64)] {
        cases.push(
            Case::new(name, op(1, Activation::Identity))
                .input(TensorType::f32([1, 5, 5, c]), Fill::Special)
                .normal([3, 3, c, oc])
                .normal([oc])
                .forward_only(),
        );
    }
    for conv in with_tail() {
        for (bias, activation) in [(false, Activation::Identity), (true, Activation::Relu)] {
            let op =
                Conv2d { bias, residual: true, activation, ..Conv2d::new(conv.geometry.clone()) };
            let name = format!("residual_{activation:?}_{}", conv.name).to_lowercase();
            let case = Case::new(name, op).normal(conv.sizes.x()).normal(conv.sizes.weight());
            let case = if bias { case.normal([conv.sizes.oc]) } else { case };
            if activation != Activation::Identity {
                cases.push(behind_product(&case, conv.sizes.y()));
            }
            let case = case.normal(conv.sizes.y());
            cases.push(if conv.is_small() { case } else { case.forward_only() });
        }
    }
    for activation in [Activation::Relu6, Activation::LeakyRelu, Activation::Tanh] {
        let op = Conv2d { residual: true, activation, ..Conv2d::new(ConvGeometry::new(1, 1)) };
        for oc in [5, 8] {
            let name = format!("residual_{activation:?}_{oc}").to_lowercase();
            let case = Case::new(name, op.clone()).normal([1, 3, 4, 3]).normal([3, 3, 3, oc]);
            cases.push(behind_product(&case, [1, 3, 4, oc]));
        }
    }
    let many = Conv2d::new(ConvGeometry::default());
    cases.push(
        Case::new("many_workgroups", many)
            .normal([3, 1200, 1200, 1])
            .normal([1, 1, 1, 1])
            .forward_only(),
    );
    cases
}

pub(super) fn input_grad() -> Vec<Case> {
    let plain = |conv: &ConvCase| {
        let Sizes { h, w, .. } = conv.sizes;
        Conv2dInputGrad::new(conv.geometry.clone(), [h, w])
    };
    let case = |name: &str, op: Conv2dInputGrad, conv: &ConvCase| {
        Case::new(name, op).normal(conv.sizes.y()).normal(conv.sizes.weight())
    };
    let mut cases = all(|conv| case(conv.name, plain(conv), conv));
    let (strided, tiles) = (strided(), strided_tiles());
    cases.extend(strided.iter().map(|conv| case(conv.name, plain(conv), conv)));
    cases.extend(tiles.iter().map(|conv| case(conv.name, plain(conv), conv).forward_only()));
    let vectors = strided.iter().filter(|conv| conv.name == "strided_asymmetric_padding");
    for conv in with_tail().iter().chain(vectors).chain(&tiles) {
        let x = conv.sizes.x();
        let op = Conv2dInputGrad { residual: true, ..plain(conv) };
        let residual = case(&format!("residual_{}", conv.name), op, conv).normal(x);
        cases.push(if conv.is_small() { residual } else { residual.forward_only() });
        for (residual, function) in [(false, Activation::Tanh), (true, Activation::Relu)] {
            let name = format!("derivative_{residual}_{function:?}_{}", conv.name).to_lowercase();
            let op = Conv2dInputGrad { residual, derivative: Some(function), ..plain(conv) };
            let case = case(&name, op, conv);
            let case = if residual { case.normal(x) } else { case };
            cases.push(behind_product(&case, x));
            let values = Fill::Uniform(-1.0, 1.0);
            cases.push(case.input(TensorType::f32(x), values).forward_only());
        }
    }
    cases
}

pub(super) fn weight_grad() -> Vec<Case> {
    let build = |conv: &ConvCase| {
        let Sizes { kh, kw, .. } = conv.sizes;
        let op = Conv2dWeightGrad { geometry: conv.geometry.clone(), kernel: [kh, kw] };
        Case::new(conv.name, op).normal(conv.sizes.x()).normal(conv.sizes.y())
    };
    let plain = ConvGeometry::default;
    let long = [
        // More rows than one share of a tiled sum has, and no multiple of the rows added at once.
        conv("uneven_shares", [1, 37, 29, 4], [1, 1], 4, plain()),
        // Sums longer than software devices let a loop run.
        conv("long_sum_one_row", [1, 1, 70_000, 1], [1, 2], 1, plain()),
        conv("long_sum_image", [1, 290, 300, 1], [1, 1], 8, plain()),
        conv("long_sum_vectors", [2, 260, 270, 8], [1, 1], 64, plain()),
    ];
    // Lines of any length: kernels take them in segments, of which the last holds a rest.
    let rests = (4..12).chain([16, 32, 64]).map(|width| {
        let conv = conv("line", [1, 5, width + 2, 1], [3, 3], 8, plain());
        let case = build(&conv).forward_only();
        Case { name: format!("line_of_{width}"), ..case }
    });
    // What lies in the last column meets the last tap alone.
    let last = conv("nan_in_last_column", [1, 5, 11, 1], [3, 3], 8, plain());
    let mut nan = build(&last).forward_only();
    let x = (0..55_u8).map(|i| if i % 11 == 10 { f32::NAN } else { f32::from(i) / 55.0 });
    nan.inputs[0].fill = Fill::Floats(x.collect());
    let mut cases = all(build);
    cases.push(nan);
    cases.extend(rests);
    cases.extend(long.iter().map(|conv| build(conv).forward_only()));
    cases
}
