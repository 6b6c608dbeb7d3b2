//! Convolutions with windows of 3 x 3 by Winograd's minimal filtering: 16 multiplications for four
//! output pixels, where the sum itself takes 36.
//!
//! `Y = A^T ((G w G^T) * (B^T d B)) A` for each tile `d` of 4 x 4 input pixels, where `*` multiplies
//! element by element; summed over the channels, each of the 16 elements is a matrix product of
//! tiles and weights, a group of one grouped product. Source: Lavin and Gray, "Fast Algorithms for
//! Convolutional Neural Networks", 2016.

use super::ConvGeometry;
use super::geometry::Sizes;
use crate::graph::{Activation, Caps, Kernel, Lowering, Operand};
use crate::ops::gemm::{self, Form, Product, Task};
use crate::ops::lanes::Lanes;

/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// How much larger the rounding error is than that of the plain sum, squared.
///
/// For independent terms, a transform multiplies their standard deviation by the 2-norm of its rows:
/// at most `sqrt 2` for `B^T`, 1 for `G` and `sqrt 3` for `A^T`, for each of the two directions. The
/// sum over the three taps of a direction has `sqrt 3` itself. What remains is `sqrt 2` for each
/// direction. (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution
/// for Deep Neural Networks", 2020, bound the worst case by the same norms.)
const ERROR_GROWTH_SQUARED: usize = 4;
/// Terms that the three transforms add to the sum, in both directions: two, three and three.
const TRANSFORM_TERMS: usize = 16;

/// A convolution with windows of 3 x 3, stride 1, dilation 1 and one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    images: usize,
    /// Rows and columns of what is read.
    input: [usize; 2],
    /// Rows and columns of the result.
    output: [usize; 2],
    /// Rows and columns of zeros above and left of what is read.
    padding: [usize; 2],
    /// Channels that are summed over.
    k: usize,
    /// Channels of the result.
    n: usize,
    /// Distance of two weights along `k` and along `n`.
    steps: [usize; 2],
    /// Whether the window is turned by 180 degrees.
    flipped: bool,
}

fn applies(geometry: &ConvGeometry, sizes: &Sizes) -> bool {
    /// Below this, transforms cost more than they save.
    const LEAST_CHANNELS: usize = 16;
    [sizes.kh, sizes.kw] == [3, 3]
        && geometry.stride == [1, 1]
        && geometry.dilation == [1, 1]
        && geometry.groups == 1
        && sizes.c.min(sizes.oc) >= LEAST_CHANNELS
}

/// Terms of a sum of `terms` products for the tolerance of an op that may use this algorithm.
pub(super) fn terms(geometry: &ConvGeometry, sizes: &Sizes, terms: usize) -> usize {
    if applies(geometry, sizes) { ERROR_GROWTH_SQUARED * (terms + TRANSFORM_TERMS) } else { terms }
}

impl Winograd {
    /// The convolution itself, if it is one to which the algorithm applies.
    pub(super) fn forward(geometry: &ConvGeometry, sizes: &Sizes) -> Option<Self> {
        let &Sizes { n: images, h, w, oh, ow, c, oc, .. } = sizes;
        let [top, _, left, _] = geometry.padding;
        applies(geometry, sizes).then_some(Self {
            images,
            input: [h, w],
            output: [oh, ow],
            padding: [top, left],
            k: c,
            n: oc,
            steps: [oc, 1],
            flipped: false,
        })
    }

    /// The input gradient: a convolution of `dy`, whose window is turned and whose padding is what
    /// the window reaches beyond that of the convolution.
    pub(super) fn input_grad(geometry: &ConvGeometry, sizes: &Sizes) -> Option<Self> {
        let &Sizes { n: images, h, w, oh, ow, c, oc, .. } = sizes;
        let [top, _, left, _] = geometry.padding;
        let padding = [2_usize.checked_sub(top)?, 2_usize.checked_sub(left)?];
        applies(geometry, sizes).then_some(Self {
            images,
            input: [oh, ow],
            output: [h, w],
            padding,
            k: oc,
            n: c,
            steps: [1, oc],
            flipped: true,
        })
    }

    /// Whether the lowerings should be tried before the plain sum: measured on software devices, where
    /// arithmetic costs most; GPUs have more of it than memory bandwidth for the transforms.
    pub(super) fn comes_first(&self, caps: &Caps) -> bool {
        /// Products of channels from which the transforms are small beside what they save.
        const LEAST_PRODUCTS: usize = 128 * 128;
        caps.prefers_loops() && self.k * self.n >= LEAST_PRODUCTS
    }

    /// Tiles along the rows and columns of an image.
    fn grid(&self) -> [usize; 2] {
        self.output.map(|pixels| pixels.div_ceil(2))
    }

    fn tiles(&self) -> usize {
        self.images * self.grid()[0] * self.grid()[1]
    }

    /// The lowerings around the best products, where the device has the memory for the transforms.
    pub(super) fn lowerings(
        &self,
        bias: Option<Operand>,
        activation: Activation,
        caps: &Caps,
    ) -> Vec<Lowering> {
        /// Products that are tried.
        const VARIANTS: usize = 2;
        let [weights, input, product] = [0, 1, 2].map(Operand::Scratch);
        let scratch = [self.k * self.n, self.tiles() * self.k, self.tiles() * self.n]
            .map(|elements| ELEMENTS * elements * size_of::<f32>());
        if scratch.iter().any(|&bytes| bytes as u64 > caps.max_binding_bytes) {
            return Vec::new();
        }
        let task = Task {
            form: Form::Rows,
            product: Product {
                m: self.tiles(),
                n: self.n,
                groups: ELEMENTS,
                taps: 1,
                tap_k: self.k,
            },
            a: input,
            b: weights,
            y: product,
            bias: None,
            activation: Activation::Identity,
            rows: include_str!("../../../shaders/gemm/matmul_rows.wgsl"),
            constants: Vec::new(),
            before: vec![self.transform_weights(weights, caps), self.transform_input(input, caps)],
            scratch: scratch.to_vec(),
        };
        let output = self.transform_output(product, bias, activation, caps);
        let around = |mut lowering: Lowering| {
            lowering.variant = format!("winograd_{}", lowering.variant);
            lowering.kernels.push(output.clone());
            lowering
        };
        task.lowerings(caps).into_iter().take(VARIANTS).map(around).collect()
    }

    fn transform_weights(&self, weights: Operand, caps: &Caps) -> Kernel {
        Kernel::new("winograd_weights")
            .constant("K", self.k)
            .constant("N", self.n)
            .constant("K_STEP", self.steps[0])
            .constant("N_STEP", self.steps[1])
            .constant("FLIPPED", usize::from(self.flipped))
            .flat(self.k * self.n, 64, caps)
            .file(include_str!("../../../shaders/winograd_weights.wgsl"))
            .read(Operand::Input(1))
            .write(weights)
    }

    /// The constants of the transforms of tiles, with `channels` in vectors where they come in fours.
    fn of_tiles(&self, kernel: Kernel, channels: usize, caps: &Caps) -> (Kernel, Lanes) {
        let lanes = if channels.is_multiple_of(4) { Lanes::Four } else { Lanes::One };
        let vectors = channels / lanes.count();
        let kernel = lanes
            .declare(kernel)
            .constant("CHANNELS", vectors)
            .constant("TILES_Y", self.grid()[0])
            .constant("TILES_X", self.grid()[1])
            .flat(self.tiles() * vectors, 64, caps);
        (kernel, lanes)
    }

    fn transform_input(&self, input: Operand, caps: &Caps) -> Kernel {
        let (kernel, _) = self.of_tiles(Kernel::new("winograd_input"), self.k, caps);
        kernel
            .constant("IN_H", self.input[0])
            .constant("IN_W", self.input[1])
            .constant("PAD_TOP", self.padding[0])
            .constant("PAD_LEFT", self.padding[1])
            .file(include_str!("../../../shaders/winograd_input.wgsl"))
            .read(Operand::Input(0))
            .write(input)
    }

    fn transform_output(
        &self,
        product: Operand,
        bias: Option<Operand>,
        activation: Activation,
        caps: &Caps,
    ) -> Kernel {
        let kernel = Kernel::new("winograd_output")
            .constant("OUT_H", self.output[0])
            .constant("OUT_W", self.output[1]);
        let (kernel, lanes) = self.of_tiles(kernel, self.n, caps);
        gemm::with_epilogue(kernel, product, Operand::Output(0), lanes, bias, activation)
            .file(include_str!("../../../shaders/winograd_output.wgsl"))
    }
}
