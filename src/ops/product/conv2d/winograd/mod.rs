//! Convolutions with windows of 3 x 3 by Winograd's minimal filtering: 16 multiplications for four
//! output pixels, where the sum itself takes 36, or 36 for sixteen, where it takes 144.
//!
//! `Y = A^T ((G w G^T) * (B^T d B)) A` for each tile `d` of input pixels, where `*` multiplies element
//! by element; summed over the channels, each element of a tile is a matrix product of tiles and
//! weights, a group of one grouped product. The input gradient is such a convolution; the weight
//! gradient is `G^T (sum over tiles of (B^T d B) * (A dy A^T)) G`. Source: Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2016.

mod filtering;

use super::ConvGeometry;
use super::geometry::Sizes;
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::kit::Lanes;
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Form, Product, Task};
use crate::ops::product::tail::ProductTail;
pub(super) use filtering::{Filtering, Matrix, transposed};
use filtering::{Matrices, transform_main};

/// Products that are tried for each filtering.
const VARIANTS: usize = 2;

/// A convolution with windows of 3 x 3, stride 1, dilation 1 and one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    images: usize,
    /// Rows and columns of what is read.
    input: [usize; 2],
    /// Rows and columns of the result, or of its gradient.
    output: [usize; 2],
    /// Rows and columns of zeros above and left of what is read.
    padding: [usize; 2],
    /// Channels of what is read.
    k: usize,
    /// Channels of the result.
    n: usize,
    /// Whether weights lie as `[3, 3, n, k]`, and the window is turned by 180 degrees.
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

/// The filtering that a variant uses.
pub(super) fn filtering_of(variant: &str) -> Option<Filtering> {
    Filtering::ALL.into_iter().find(|filtering| variant.starts_with(&filtering.prefix()))
}

impl Winograd {
    /// The convolution itself, if it is one to which the algorithm applies. Its weight gradient has
    /// the same sizes.
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
            flipped: true,
        })
    }

    /// Tiles along the rows and columns of an image.
    fn grid(&self, filtering: Filtering) -> [usize; 2] {
        self.output.map(|pixels| pixels.div_ceil(filtering.tile()))
    }

    fn tiles(&self, filtering: Filtering) -> usize {
        let [rows, columns] = self.grid(filtering);
        self.images * rows * columns
    }

    /// A rough estimate of the time on a software device, in multiply-adds.
    fn estimate(&self, filtering: Filtering) -> usize {
        /// Multiply-adds in the time of writing and reading one element of a transformed tile.
        const PER_ELEMENT: usize = 16;
        let (tiles, k, n) = (self.tiles(filtering), self.k, self.n);
        filtering.elements() * (tiles * k * n + PER_ELEMENT * (tiles * (k + n) + k * n))
    }

    /// Whether to try a filtering before the plain sum on software devices, where arithmetic costs
    /// most. On GPUs, all variants are ordered by their estimates.
    fn comes_first(&self, filtering: Filtering, caps: &Caps) -> bool {
        /// Products of channels from which the gain has been measured.
        const LEAST_PRODUCTS: usize = 64 * 128;
        let products = self.k * self.n;
        let plain = 9 * self.images * self.output[0] * self.output[1] * products;
        caps.prefers_loops() && products >= LEAST_PRODUCTS && self.estimate(filtering) < plain
    }

    /// Puts lowerings by every filtering for which the device has the memory before or behind
    /// `plain`, the least estimate first.
    fn beside(
        &self,
        plain: Vec<Lowering>,
        caps: &Caps,
        lowerings: &dyn Fn(Filtering) -> Vec<Lowering>,
    ) -> Vec<Lowering> {
        let fits = |filtering: &Filtering| {
            self.scratch(*filtering).iter().all(|&bytes| bytes as u64 <= caps.max_binding_bytes)
        };
        let mut all: Vec<Filtering> = Filtering::ALL.into_iter().filter(fits).collect();
        all.sort_by_key(|&filtering| self.estimate(filtering));
        let (first, last): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|&filtering| self.comes_first(filtering, caps));
        let of = |all: Vec<Filtering>| all.into_iter().flat_map(lowerings).collect();
        [of(first), plain, of(last)].concat()
    }

    /// Bytes of transformed weights or their gradients, of transformed input, and of transformed
    /// outputs or their gradients.
    fn scratch(&self, filtering: Filtering) -> [usize; 3] {
        let tiles = self.tiles(filtering);
        [self.k * self.n, tiles * self.k, tiles * self.n]
            .map(|elements| filtering.elements() * elements * size_of::<f32>())
    }

    /// Adds the lowerings of a convolution to `plain`.
    pub(super) fn beside_outputs(
        &self,
        plain: Vec<Lowering>,
        tail: ProductTail,
        caps: &Caps,
    ) -> Vec<Lowering> {
        self.beside(plain, caps, &|filtering| {
            let mut task = self.task(filtering, Form::Rows);
            task.before = self.transform_weights(filtering, &mut task.scratch, caps);
            task.before.push(self.transform_input(filtering, caps));
            let last = self.transform_output(filtering, tail, caps);
            around(&task, filtering, &last, caps)
        })
    }

    /// Adds the lowerings of the weight gradient to `plain`.
    pub(super) fn beside_weight_grad(&self, plain: Vec<Lowering>, caps: &Caps) -> Vec<Lowering> {
        self.beside(plain, caps, &|filtering| {
            let mut task = self.task(filtering, Form::Columns);
            let gradients = self.transform_gradients(filtering, caps);
            task.before = vec![self.transform_input(filtering, caps), gradients];
            around(&task, filtering, &self.transform_weight_grad(filtering, caps), caps)
        })
    }

    /// The grouped product of transformed tiles with transformed weights, or with gradients.
    fn task(&self, filtering: Filtering, form: Form) -> Task {
        let [weights, input, output] = [0, 1, 2].map(Operand::Scratch);
        let [b, y] = match form {
            Form::Rows => [weights, output],
            Form::Columns => [output, weights],
        };
        Task {
            form,
            product: Product {
                m: self.tiles(filtering),
                n: self.n,
                groups: filtering.elements(),
                taps: 1,
                tap_k: self.k,
            },
            a: input,
            b,
            y,
            tail: ProductTail::default(),
            rows: include_str!("../../../../../shaders/product/gemm/matmul_rows.wgsl"),
            constants: Vec::new(),
            before: Vec::new(),
            scratch: self.scratch(filtering).to_vec(),
            blocks: None,
        }
    }

    /// Kernels that transform the weights, whose channels are swapped first where they lie the other
    /// way round.
    fn transform_weights(
        &self,
        filtering: Filtering,
        scratch: &mut Vec<usize>,
        caps: &Caps,
    ) -> Vec<Kernel> {
        let (kernel, mut kernels) =
            (of_weights("winograd_weights", self, filtering, caps), Vec::new());
        let mut weights = Operand::Input(1);
        if self.flipped {
            let swapped = Operand::Scratch(scratch.len());
            scratch.push(9 * self.k * self.n * size_of::<f32>());
            kernels.push(gemm::swap_axes(weights, swapped, [9, self.n, 1, self.k], caps));
            weights = swapped;
        }
        let kernel = kernel
            .constant("FLIPPED", usize::from(self.flipped))
            .file(include_str!("../../../../../shaders/product/winograd_weights.wgsl"))
            .file(&transform_main(&filtering.matrices().weights))
            .read(weights)
            .write(Operand::Scratch(0));
        kernels.push(kernel);
        kernels
    }

    fn transform_weight_grad(&self, filtering: Filtering, caps: &Caps) -> Kernel {
        of_weights("winograd_weight_grad", self, filtering, caps)
            .file(include_str!("../../../../../shaders/product/winograd_weight_grad.wgsl"))
            .file(&transform_main(&transposed(&filtering.matrices().weights)))
            .read(Operand::Scratch(0))
            .write(Operand::Output(0))
    }

    /// The constants of transforms of tiles.
    fn of_tiles(
        &self,
        kernel: Kernel,
        filtering: Filtering,
        channels: usize,
        caps: &Caps,
    ) -> (Kernel, Lanes) {
        let (kernel, lanes) = in_vectors(kernel, channels);
        let vectors = channels / lanes.count();
        let [rows, columns] = self.grid(filtering);
        let kernel = kernel
            .constant("CHANNELS", vectors)
            .constant("TILES_Y", rows)
            .constant("TILES_X", columns)
            .constant("SIDE", filtering.side())
            .flat(self.tiles(filtering) * vectors, 64, caps);
        (kernel, lanes)
    }

    fn transform_input(&self, filtering: Filtering, caps: &Caps) -> Kernel {
        let Matrices { inputs, .. } = filtering.matrices();
        let operands = [Operand::Input(0), Operand::Scratch(1)];
        self.transform_tiles(filtering, self.k, (self.input, self.padding), &inputs, operands, caps)
    }

    fn transform_gradients(&self, filtering: Filtering, caps: &Caps) -> Kernel {
        let Matrices { outputs, .. } = filtering.matrices();
        let operands = [Operand::Input(1), Operand::Scratch(2)];
        self.transform_tiles(filtering, self.n, (self.output, [0, 0]), &outputs, operands, caps)
    }

    fn transform_tiles(
        &self,
        filtering: Filtering,
        channels: usize,
        (image, padding): ([usize; 2], [usize; 2]),
        matrix: &Matrix,
        [from, to]: [Operand; 2],
        caps: &Caps,
    ) -> Kernel {
        let (kernel, _) = self.of_tiles(Kernel::new("winograd_tiles"), filtering, channels, caps);
        kernel
            .constant("STEP", filtering.tile())
            .constant("IN_H", image[0])
            .constant("IN_W", image[1])
            .constant("PAD_TOP", padding[0])
            .constant("PAD_LEFT", padding[1])
            .file(include_str!("../../../../../shaders/product/winograd_tiles.wgsl"))
            .file(&transform_main(matrix))
            .read(from)
            .write(to)
    }

    fn transform_output(&self, filtering: Filtering, tail: ProductTail, caps: &Caps) -> Kernel {
        let kernel = Kernel::new("winograd_output")
            .constant("OUT_H", self.output[0])
            .constant("OUT_W", self.output[1])
            .constant("TILE", filtering.tile());
        let (kernel, lanes) = self.of_tiles(kernel, filtering, self.n, caps);
        let operands = [Operand::Scratch(2), Operand::Output(0)];
        gemm::with_epilogue(kernel, operands[0], operands[1], lanes, tail)
            .file(include_str!("../../../../../shaders/product/winograd_output.wgsl"))
            .file(&transform_main(&transposed(&filtering.matrices().outputs)))
    }
}

/// The constants of transforms of weights.
fn of_weights(name: &str, winograd: &Winograd, filtering: Filtering, caps: &Caps) -> Kernel {
    let (kernel, lanes) = in_vectors(Kernel::new(name), winograd.n);
    let vectors = winograd.n / lanes.count();
    kernel.constant("N", vectors).constant("SIDE", filtering.side()).flat(
        winograd.k * vectors,
        64,
        caps,
    )
}

/// Declares elements of as many channels as one invocation takes: four, where they come in fours.
fn in_vectors(kernel: Kernel, channels: usize) -> (Kernel, Lanes) {
    let lanes = if channels.is_multiple_of(4) { Lanes::Four } else { Lanes::One };
    (lanes.declare(kernel), lanes)
}

/// The best products of a task, with the last transform.
fn around(task: &Task, filtering: Filtering, last: &Kernel, caps: &Caps) -> Vec<Lowering> {
    let around = |mut lowering: Lowering| {
        lowering.variant = filtering.prefix() + &lowering.variant;
        lowering.kernels.push(last.clone());
        lowering
    };
    task.best_lowerings(VARIANTS, caps).into_iter().map(around).collect()
}
