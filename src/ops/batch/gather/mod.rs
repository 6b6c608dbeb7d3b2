//! Batches gathered on the device from a data set that lies there as bytes.

mod cpu;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature,
};
use crate::ops::kit::{IGNORED_LABEL, of_dtype, scalar};
use crate::ops::update::state::integer;
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Inputs before the image shards: `labels`, `order`, `step`.
pub(in crate::ops) const FIRST_SHARD: usize = 3;

/// Shards that fit the storage buffers of every device, beside `order`, `step` and `x`.
const MAX_SHARDS: usize = 4;

/// The entry of `order` for a position of a window that holds no example.
pub const NO_EXAMPLE: u32 = u32::MAX;

/// Value of a white pixel.
pub(in crate::ops) const WHITE: f64 = 255.0;

/// The batch of a step: images as normalized floats, and their labels.
///
/// Inputs: `labels` u32 `[n]`, `order` u32 (the examples of an epoch in their order), `step` u32
/// `[1]`, and one to four shards of the images, u8 `[shard, h, w, c]`: shard `s` holds the
/// examples from `s * shard_len` on. Outputs: `x` f32 `[batch, h, w, c]`, `y` u32 `[batch]`.
///
/// Row `i` is example `order[p]` with `p = (step % steps_per_epoch) * batch + i`: its bytes as
/// `(byte / 255 - mean) / std`, and its label. Where `order` has no entry `p`, or names an example
/// that does not exist, the row is zero and its label [`IGNORED_LABEL`].
///
/// Through a window, which the host refills, row `i` is what lies at position `p`: `order`, as long
/// as `labels`, only says which example that is, with [`NO_EXAMPLE`] where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatherBatch {
    /// Rows of a batch.
    pub batch: usize,
    /// Steps after which the order starts anew.
    pub steps_per_epoch: usize,
    /// Mean of the pixels in [0, 1]: one number, or one per channel.
    pub mean: Vec<f32>,
    /// Standard deviation of the pixels in [0, 1]: as many numbers as `mean`, all positive.
    pub std: Vec<f32>,
    /// Examples in every shard but the last.
    pub shard_len: usize,
    /// Whether labels and images are a window onto a larger data set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub windowed: bool,
}

/// The sizes that `infer` has checked.
#[derive(Debug)]
pub(in crate::ops) struct Sizes {
    /// Examples in the data set.
    pub examples: usize,
    /// Length of `order`.
    pub order: usize,
    /// Bytes of one image.
    pub image: usize,
    /// Dimensions of one image.
    pub image_dims: Vec<usize>,
}

impl GatherBatch {
    pub(in crate::ops) fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let error = |message: String| Err(ShapeError::new("gather_batch", message));
        let [labels, order, step, shards @ ..] = inputs else {
            return error(format!("takes labels, order, step and images, not {inputs:?}"));
        };
        of_dtype("gather_batch", ("labels", labels), DType::U32)?;
        of_dtype("gather_batch", ("order", order), DType::U32)?;
        let [examples] = labels.ranked("gather_batch", "labels")?;
        let [order] = order.ranked("gather_batch", "order")?;
        scalar("gather_batch", ("step", step), DType::U32)?;
        if shards.is_empty() || shards.len() > MAX_SHARDS {
            return error(format!(
                "takes 1 to {MAX_SHARDS} shards of images, {} were given",
                shards.len()
            ));
        }
        let image_dims = shards[0].dims().get(1..).unwrap_or_default().to_vec();
        let channels = image_dims.last().copied().unwrap_or(0);
        let image: usize = image_dims.iter().product();
        if image == 0 {
            return error(format!("images must have shape [n, .., c], they are {}", shards[0]));
        }
        let mut held = 0;
        for (s, shard) in shards.iter().enumerate() {
            of_dtype("gather_batch", ("images", shard), DType::U8)?;
            let len = shard.dims().first().copied().unwrap_or(0);
            let full = s + 1 == shards.len() || len == self.shard_len;
            if shard.dims().get(1..) != Some(&image_dims[..]) || len > self.shard_len || !full {
                return error(format!(
                    "shard {s} must hold {} images of shape {image_dims:?}, it is {shard}",
                    self.shard_len
                ));
            }
            held += len;
        }
        if held == 0 || u32::try_from(self.shard_len).is_err() {
            return error(format!("shards of {} hold {held} images", self.shard_len));
        }
        if held != examples {
            return error(format!("{examples} labels do not go with {held} images"));
        }
        if self.windowed && order != examples {
            return error(format!("a window of {examples} images has an order of {order}"));
        }
        if ![1, channels].contains(&self.mean.len()) || self.mean.len() != self.std.len() {
            return error(format!(
                "mean and std must have 1 or {channels} numbers each, they have {} and {}",
                self.mean.len(),
                self.std.len()
            ));
        }
        if self.mean.iter().any(|m| !m.is_finite())
            || self.std.iter().any(|s| !s.is_normal() || *s < 0.0)
        {
            return error("mean must be finite, and std finite and positive".to_owned());
        }
        let positions = self.batch.saturating_mul(self.steps_per_epoch);
        let outputs = self.batch.saturating_mul(image);
        if positions == 0 || [positions, outputs].iter().any(|&n| u32::try_from(n).is_err()) {
            return error(format!(
                "batch {} times steps_per_epoch {} or image bytes {image} must be above zero and \
                 fit 32 bits",
                self.batch, self.steps_per_epoch
            ));
        }
        Ok(Sizes { examples, order, image, image_dims })
    }

    /// Where the example at position `p` of the order lies.
    pub(in crate::ops) fn place(&self, order: &[u32], examples: usize, p: usize) -> Option<usize> {
        place(order, examples, p, self.windowed)
    }

    /// What kernels need that look up examples, with the function `example_of`.
    pub(in crate::ops) fn kernel(&self, name: &str, sizes: &Sizes) -> Kernel {
        let rows = [self.batch, self.steps_per_epoch];
        order_kernel(name, rows, [sizes.examples, sizes.order], self.windowed)
    }

    fn labels_kernel(&self, sizes: &Sizes, caps: &Caps) -> Kernel {
        self.kernel("gather_labels", sizes)
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .flat(self.batch, 64, caps)
            .file(include_str!("../../../../shaders/batch/gather_labels.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(1))
    }

    /// The kernel of the images, which computes `width` floats per invocation: one or four.
    fn images_kernel(&self, sizes: &Sizes, shards: usize, width: usize, caps: &Caps) -> Kernel {
        let (name, text) = match width {
            4 => ("gather_words", include_str!("../../../../shaders/batch/gather_words.wgsl")),
            _ => ("gather_images", include_str!("../../../../shaders/batch/gather_images.wgsl")),
        };
        let kernel = self
            .kernel(name, sizes)
            .constant("IMAGE_BYTES", sizes.image)
            .constant("SHARD_LENGTH", self.shard_len)
            .file(&self.normalization(width))
            .flat(self.batch * sizes.image / width, 64, caps)
            .file(&shard_bindings(FIRST_SHARD, shards))
            .file(text)
            .write(Operand::Output(0));
        let kernel =
            (0..shards).fold(kernel, |kernel, s| kernel.read(Operand::Input(FIRST_SHARD + s)));
        if !Self::stores_labels(shards, caps) {
            return kernel.file("fn store_label(row: u32, example: u32) {}\n");
        }
        let labels = FIRST_SHARD + shards;
        kernel
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .file(&format!(
                "@group(0) @binding({labels}) var<storage, read> labels: array<u32>;\n\
                 @group(0) @binding({}) var<storage, read_write> y: array<u32>;\n",
                labels + 1
            ))
            .file(include_str!("../../../../shaders/batch/gather_row_label.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(1))
    }

    /// Whether the kernel of the images can bind the labels, too.
    fn stores_labels(shards: usize, caps: &Caps) -> bool {
        FIRST_SHARD + shards + 2 <= caps.max_storage_buffers as usize
    }

    /// WGSL of `normalized(bytes, phase)`, with the numbers of this op, for `width` neighboring
    /// bytes. Their channels repeat every `PHASES` invocations.
    fn normalization(&self, width: usize) -> String {
        let channels = self.mean.len();
        let phases = (1..=channels).find(|n| (n * width).is_multiple_of(channels)).unwrap_or(1);
        let pixels = if width == 4 { "vec4<f32>" } else { "f32" };
        let list = |numbers: &[f32]| {
            let of_phase = |phase: usize| {
                let lanes = (phase * width..(phase + 1) * width).map(|i| numbers[i % channels]);
                let texts: Vec<String> = lanes.map(|number| format!("{number:?}")).collect();
                format!("{pixels}({})", texts.join(", "))
            };
            (0..phases).map(of_phase).collect::<Vec<_>>().join(", ")
        };
        format!(
            "const PHASES: u32 = {phases}u;\n\
             const MEANS = array<{pixels}, {phases}>({});\n\
             const STDS = array<{pixels}, {phases}>({});\n\
             fn normalized(bytes: {pixels}, phase: u32) -> {pixels} {{\n\
             \x20 var means = MEANS;\n\
             \x20 var stds = STDS;\n\
             \x20 return (bytes / {WHITE:?} - means[phase]) / stds[phase];\n\
             }}\n",
            list(&self.mean),
            list(&self.std),
        )
    }
}

/// Where the example at position `p` of an order lies, of so many; at `p` itself in a window.
pub(in crate::ops) fn place(
    order: &[u32],
    examples: usize,
    p: usize,
    windowed: bool,
) -> Option<usize> {
    let example = *order.get(p)?;
    if windowed {
        return (example != NO_EXAMPLE).then_some(p);
    }
    Some(example as usize).filter(|&example| example < examples)
}

/// What kernels need that look up examples, with the function `example_of`: for `[batch, steps_per_epoch]`,
/// and `[examples, length of the order]`.
pub(in crate::ops) fn order_kernel(
    name: &str,
    [batch, steps_per_epoch]: [usize; 2],
    [examples, order_length]: [usize; 2],
    windowed: bool,
) -> Kernel {
    let order = if windowed {
        include_str!("../../../../shaders/common/window_order.wgsl")
    } else {
        include_str!("../../../../shaders/common/batch_order.wgsl")
    };
    Kernel::new(name)
        .constant("BATCH", batch)
        .constant("STEPS_PER_EPOCH", steps_per_epoch)
        .constant("ORDER_LENGTH", order_length)
        .constant("EXAMPLES", examples)
        .file(order)
        .read(Operand::Input(1))
        .read(Operand::Input(2))
}

/// WGSL that binds the shards from binding `first` on, and reads a word of one of them.
pub(in crate::ops) fn shard_bindings(first: usize, shards: usize) -> String {
    let mut bindings = String::new();
    let mut cases = String::new();
    for s in 0..shards {
        let binding = first + s;
        let _ = writeln!(
            bindings,
            "@group(0) @binding({binding}) var<storage, read> shard{s}: array<u32>;"
        );
        let label = if s + 1 == shards { "default".to_owned() } else { format!("case {s}u") };
        let _ = writeln!(cases, "    {label}: {{ return shard{s}[word]; }}");
    }
    format!(
        "{bindings}fn word_of(shard: u32, word: u32) -> u32 {{\n  switch shard {{\n{cases}  }}\n}}\n"
    )
}

impl OpDef for GatherBatch {
    const NAME: &'static str = "gather_batch";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let sizes = self.sizes(inputs)?;
        let dims: Vec<usize> = [self.batch].into_iter().chain(sizes.image_dims).collect();
        Ok(vec![TensorType::f32(dims), TensorType::u32([self.batch])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (labels, order) = (io.inputs.u32(0), io.inputs.u32(1));
        let first = (io.inputs.u32(2)[0] as usize % self.steps_per_epoch) * self.batch;
        let shards: Vec<&[u8]> =
            (FIRST_SHARD..io.inputs.count()).map(|i| io.inputs.u8(i)).collect();
        let image = io.outputs.ty(0).elements() / self.batch;
        let example_of = |row: usize| self.place(order, labels.len(), first + row);
        for (row, y) in io.outputs.u32(1).iter_mut().enumerate() {
            *y = example_of(row).map_or(IGNORED_LABEL, |example| labels[example]);
        }
        for_each_chunk(io.outputs.float(0), image, &|row, x| {
            let Some(example) = example_of(row) else {
                x.fill(T::from_f64(0.0));
                return;
            };
            let start = (example % self.shard_len) * image;
            let bytes = &shards[example / self.shard_len][start..start + image];
            for (j, (x, &byte)) in x.iter_mut().zip(bytes).enumerate() {
                let mean = f64::from(self.mean[j % self.mean.len()]);
                let std = f64::from(self.std[j % self.std.len()]);
                *x = T::from_f64((f64::from(byte) / WHITE - mean) / std);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        let shards = sig.inputs.len() - FIRST_SHARD;
        [("words", 4), ("bytes", 1)]
            .into_iter()
            .filter(|(_, width)| sizes.image.is_multiple_of(*width))
            .map(|(variant, width)| {
                let mut kernels = vec![self.images_kernel(&sizes, shards, width, caps)];
                if !Self::stores_labels(shards, caps) {
                    kernels.push(self.labels_kernel(&sizes, caps));
                }
                Lowering { variant: variant.to_owned(), scratch: Vec::new(), kernels }
            })
            .collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::kernels(self)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
        if let (Some(labels), Some(order)) = (inputs.first(), fills.get_mut(1)) {
            *order = Fill::Labels(u32::try_from(labels.elements()).unwrap_or(u32::MAX));
        }
        fills
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The quotient byte / 255 is off by 2.5 ulps and the difference by half an ulp before the
        // difference cancels; the division by std adds 2.5 ulps of the result.
        let terms = self.mean.iter().zip(&self.std).map(|(mean, std)| (1.0 + mean.abs()) / std);
        let largest = terms.fold(0.0_f32, f32::max);
        Tolerance::ulps(2.5).plus_absolute_ulps(3.0 * f64::from(largest))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Of the data set, only the batch is read: bytes once, floats written once.
        let image = sig.outputs[0].elements() as u64;
        let rows = self.batch as u64;
        Cost { flop: 3 * image, bytes: image + 4 * image + 3 * 4 * rows }
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = layouts()
            .into_iter()
            .map(|(name, layout)| {
                let channels = layout.image[2];
                let op = GatherBatch {
                    batch: layout.batch,
                    steps_per_epoch: layout.steps_per_epoch,
                    mean: [0.491_4, 0.482_2, 0.446_5][..channels].to_vec(),
                    std: [0.247, 0.243_5, 0.261_6][..channels].to_vec(),
                    shard_len: layout.shard_len,
                    windowed: false,
                };
                case(name, op, &layout.image, layout.examples, layout.step, Fill::Permutation)
            })
            .collect();
        let one_mean = GatherBatch {
            batch: 4,
            steps_per_epoch: 1,
            mean: vec![0.5],
            std: vec![0.5],
            shard_len: 5,
            windowed: false,
        };
        let order = Fill::Integers(vec![4, 5, 0, u32::MAX, 1]);
        cases.push(case("order_names_no_example", one_mean.clone(), &[2, 3, 3], 5, 0, order));
        let ends = GatherBatch { batch: 2, steps_per_epoch: 3, ..one_mean.clone() };
        cases.push(case("order_ends_in_a_batch", ends, &[2, 3, 3], 5, 2, Fill::Permutation));
        let window =
            GatherBatch { batch: 2, steps_per_epoch: 3, windowed: true, ..one_mean.clone() };
        let order = Fill::Integers(vec![70, 3, u32::MAX, 3, 70_000, 0]);
        let window = GatherBatch { shard_len: 4, ..window };
        cases.push(case("window", window.clone(), &[2, 3, 3], 6, 4, order.clone()));
        cases.push(case("window_words", window, &[2, 2, 3], 6, 7, order));
        let many = GatherBatch { batch: 270, shard_len: 3, ..one_mean.clone() };
        cases.push(case("many_workgroups", many, &[125, 125, 1], 3, 0, Fill::Permutation));
        let mnist = GatherBatch {
            batch: 128,
            steps_per_epoch: 78,
            mean: vec![0.130_7],
            std: vec![0.308_1],
            shard_len: 10_000,
            ..one_mean.clone()
        };
        cases.push(case("bench_mnist", mnist, &[28, 28, 1], 10_000, 5, Fill::Permutation).bench());
        let cifar = GatherBatch {
            batch: 64,
            steps_per_epoch: 78,
            mean: vec![0.491_4, 0.482_2, 0.446_5],
            std: vec![0.247, 0.243_5, 0.261_6],
            shard_len: 3000,
            ..one_mean
        };
        cases.push(case("bench_cifar", cifar, &[32, 32, 3], 5000, 5, Fill::Permutation).bench());
        cases
    }
}

/// Sizes of a case: an image, the examples in the data set, and where the batch lies among them.
struct Layout {
    image: [usize; 3],
    examples: usize,
    batch: usize,
    steps_per_epoch: usize,
    step: u32,
    shard_len: usize,
}

fn layouts() -> Vec<(&'static str, Layout)> {
    let layout = |image, examples, [batch, steps_per_epoch, shard_len]: [usize; 3], step| Layout {
        image,
        examples,
        batch,
        steps_per_epoch,
        step,
        shard_len,
    };
    vec![
        ("one_pixel", layout([1, 1, 1], 1, [1, 1, 1], 0)),
        ("words", layout([4, 3, 1], 10, [5, 2, 10], 1)),
        ("bytes", layout([3, 5, 1], 7, [3, 3, 7], 1)),
        ("three_channels", layout([2, 2, 3], 9, [4, 3, 9], 1)),
        ("tail", layout([2, 2, 3], 9, [4, 3, 9], 2)),
        ("next_epoch", layout([2, 2, 3], 9, [4, 3, 9], 100_000)),
        ("largest_step", layout([2, 2, 1], 9, [4, 2, 9], u32::MAX)),
        ("beyond_the_order", layout([2, 2, 1], 5, [4, 3, 5], 2)),
        ("two_shards", layout([3, 1, 3], 11, [11, 1, 7], 0)),
        ("four_shards_bytes", layout([1, 3, 1], 10, [10, 1, 3], 5)),
        ("four_shards_words", layout([2, 2, 2], 16, [16, 1, 4], 0)),
    ]
}

fn case(
    name: &str,
    op: GatherBatch,
    image: &[usize],
    examples: usize,
    step: u32,
    order: Fill,
) -> Case {
    let shard_len = op.shard_len;
    let (step_type, step_fill) = integer(step);
    let case = Case::new(name, op)
        .input(TensorType::u32([examples]), Fill::Labels(10))
        .input(TensorType::u32([examples]), order)
        .input(step_type, step_fill)
        .forward_only();
    (0..examples).step_by(shard_len).fold(case, |case, first| {
        let held = shard_len.min(examples - first);
        let dims: Vec<usize> = [held].into_iter().chain(image.iter().copied()).collect();
        case.input(TensorType::u8(dims), Fill::Bytes)
    })
}
