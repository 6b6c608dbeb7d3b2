//! A product together with the statistics of its columns, for the normalization behind it.

use serde::{Deserialize, Serialize};

use super::channels::Sizes;
use super::cpu;
use super::forward::channel_statistics;
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Fill, HostIo, HostKernel, Inputs, Lowering, Op, OpDef, Operand,
    Signature, fit_bindings,
};
use crate::ops::kit::{Lanes, ops_among};
use crate::ops::product::gemm::{ChunkedLowering, Task};
use crate::ops::{Conv2d, ConvGeometry, Matmul};
use crate::tensor::{Real, TensorType, Tolerance};

/// `y` is what the product gives; `mean` and `variance` are the mean and the biased variance of each
/// of its channels, the last dimension.
///
/// `compile` makes it of a product and the [`super::BatchNorm`] behind it, which becomes a
/// [`super::BatchNormInference`] by these statistics. Inputs: those of the product. Outputs: `y`,
/// then `mean` and `variance` `[c]`. It has no gradient: that of the batch norm goes through the
/// statistics as well.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductStatistics {
    /// The product.
    pub product: NormalizedProduct,
}

ops_among! {
    /// The products whose channels can be normalized.
    pub enum NormalizedProduct {
        /// A convolution.
        Conv2d(Conv2d),
        /// A matrix product.
        Matmul(Matmul),
    }
}

impl NormalizedProduct {
    fn task(&self, inputs: &[TensorType], caps: &Caps) -> Option<Task> {
        match self {
            Self::Conv2d(op) => op.task(inputs),
            Self::Matmul(op) => op.task(inputs, caps),
        }
    }
}

impl ProductStatistics {
    /// The op that also gives the statistics of what `op` gives, where `op` is a product.
    pub fn of(op: &dyn Op) -> Option<Self> {
        NormalizedProduct::of(op).map(|product| Self { product })
    }

    /// The signature of the product alone.
    fn inner(sig: &Signature) -> Signature {
        Signature { inputs: sig.inputs.clone(), outputs: sig.outputs[..1].to_vec() }
    }

    /// What the statistics add to the tolerance of the product. Values of `y` are sums of terms of
    /// the size of one in the cases, and mean and variance round relative to them.
    fn widened(tolerance: Tolerance) -> Tolerance {
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let size = (tolerance.reduction_len as f64).sqrt();
        tolerance.plus_ulps(8.0).plus_absolute_ulps(16.0 * size)
    }
}

impl OpDef for ProductStatistics {
    const NAME: &'static str = "product_statistics";

    fn title(&self) -> String {
        format!("{}+statistics", self.product.op().title())
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let mut outputs = self.product.op().infer(inputs)?;
        let y = &outputs[0];
        let sizes = Sizes::check(Self::NAME, 0.0, y, &[])?;
        sizes.demand_batch(Self::NAME, y)?;
        outputs.extend([TensorType::f32([sizes.channels]), TensorType::f32([sizes.channels])]);
        Ok(outputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        self.product.reference(io);
        channel_statistics(io.outputs.floats());
    }

    /// A statistic needs the whole column of its channel.
    fn reference_at(
        &self,
        inputs: &Inputs<'_, f32>,
        sig: &Signature,
        output: usize,
        positions: &[usize],
    ) -> Option<Vec<f64>> {
        let (inner, product) = (Self::inner(sig), self.product.op());
        if output == 0 {
            return product.reference_at(inputs, &inner, 0, positions);
        }
        let Sizes { channels, .. } = Sizes::of(&sig.outputs[0]);
        let rows = sig.outputs[0].elements() / channels;
        let statistic = |&channel: &usize| {
            let column: Vec<usize> = (0..rows).map(|row| row * channels + channel).collect();
            let mut y = product.reference_at(inputs, &inner, 0, &column)?;
            let (mut mean, mut variance) = ([0.0], [0.0]);
            channel_statistics([&mut y[..], &mut mean, &mut variance]);
            Some(if output == 1 { mean[0] } else { variance[0] })
        };
        positions.iter().map(statistic).collect()
    }

    /// The variants of the product. Those that can collect statistics as they go do; the others are
    /// followed by a pass over the result, and so are those whose sums are cut into shares, beside the
    /// same with whole sums.
    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let inner = Self::inner(sig);
        let sizes = Sizes::of(&sig.outputs[0]);
        let lanes = Lanes::fitting(sizes.channels)[0];
        // In parts there are no chunks.
        let task = fit_bindings(&inner, caps).then(|| self.product.task(&inner.inputs, caps));
        let task = task.flatten();
        let mut chunked = task.map_or_else(Vec::new, |task| task.chunked_lowerings(caps));
        let mut with_chunks = |plain: &Lowering| {
            let same = |other: &ChunkedLowering| other.lowering.variant == plain.variant;
            let at = chunked.iter().position(same)?;
            let ChunkedLowering { mut lowering, chunk_rows, chunks } = chunked.swap_remove(at);
            lowering.variant.push_str("_chunks");
            lowering.scratch.extend([sizes.bytes_of_chunks(chunk_rows); 2]);
            lowering.kernels.push(sizes.combine_chunks(chunks, chunk_rows, lanes, caps));
            Some(lowering)
        };
        let with_pass = |mut lowering: Lowering| {
            let scratch = [0, 1].map(|i| Operand::Scratch(lowering.scratch.len() + i));
            lowering.scratch.extend([sizes.partial_bytes(); 2]);
            lowering.kernels.extend(sizes.statistics(Operand::Output(0), scratch, lanes, caps));
            lowering
        };
        let is_cut = |lowering: &Lowering| {
            lowering.kernels.last().is_some_and(|kernel| kernel.name == "sum_splits")
        };
        let lower = |plain: Lowering| {
            let chunked = with_chunks(&plain);
            let passed = (chunked.is_none() || is_cut(&plain)).then(|| with_pass(plain));
            [chunked, passed].into_iter().flatten()
        };
        self.product.op().plain_lowerings(&inner, caps).into_iter().flat_map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let kernels = self.product.op().host_kernels(&Self::inner(sig));
        kernels.into_iter().map(|kernel| cpu::with_statistics(kernel, &sig.outputs[0])).collect()
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        self.variant_tolerance(sig, "")
    }

    fn variant_tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        Self::widened(self.product.op().tolerance(&Self::inner(sig), variant))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let product = self.product.op().cost(&Self::inner(sig));
        let vectors: usize = sig.outputs[1..].iter().map(TensorType::bytes).sum();
        // Subtract, square and two sums.
        let flop = 4 * sig.outputs[0].elements();
        Cost { flop: product.flop + flop as u64, bytes: product.bytes + vectors as u64 }
    }

    fn cases() -> Vec<Case> {
        let conv = |name: String, op: Conv2d, x: [usize; 4], oc: usize, k: usize| {
            let group_c = x[3] / op.geometry.groups;
            let bias = op.bias;
            let product = NormalizedProduct::Conv2d(op);
            let case = Case::new(name, ProductStatistics { product })
                .normal(x)
                .normal([k, k, group_c, oc]);
            if bias { case.normal([oc]).forward_only() } else { case.forward_only() }
        };
        let same = |k: usize| ConvGeometry { padding: [k / 2; 4], ..ConvGeometry::default() };
        let mut cases = Vec::new();
        for (x, oc, k) in [
            ([1, 2, 1, 1], 1, 1),
            ([2, 5, 7, 3], 8, 3),
            ([2, 5, 7, 4], 6, 3),
            ([3, 9, 11, 8], 12, 3),
            ([5, 13, 9, 16], 36, 1),
            ([2, 33, 17, 4], 132, 3),
            ([4, 19, 23, 64], 64, 3),
        ] {
            let bias = cases.len() % 2 == 1;
            let name = format!("conv2d_{}x{}x{}x{}_{k}x{k}x{oc}_{bias}", x[0], x[1], x[2], x[3]);
            cases.push(conv(name, Conv2d { bias, ..Conv2d::new(same(k)) }, x, oc, k));
        }
        let grouped = ConvGeometry { groups: 2, stride: [2, 2], ..same(3) };
        cases.push(conv("grouped_strided".to_owned(), Conv2d::new(grouped), [3, 11, 14, 8], 24, 3));
        let depthwise = ConvGeometry { groups: 8, ..same(3) };
        cases.push(conv("depthwise".to_owned(), Conv2d::new(depthwise), [3, 11, 14, 8], 8, 3));
        let activation = Activation::Relu;
        let relu = Conv2d { bias: true, activation, ..Conv2d::new(same(3)) };
        cases.push(conv("relu".to_owned(), relu, [2, 9, 7, 8], 16, 3));
        let relu = Conv2d { bias: true, activation, ..Conv2d::new(same(3)) };
        let mut nan = conv("nan_relu".to_owned(), relu, [2, 9, 7, 8], 16, 3);
        let bias = (0..16_u8).map(|i| if i % 3 == 1 { f32::NAN } else { f32::from(i) });
        nan.inputs[2].fill = Fill::Floats(bias.collect());
        cases.push(nan);
        // Chunks that are whole, and such whose last one is not, or lacks one row of any power of two.
        let any_rest = [31, 33, 39, 47, 63, 127].map(|m| (m, 20, 12, true, false));
        let others = [
            (2, 3, 1, false, false),
            (130, 36, 132, false, true),
            (300, 17, 64, true, false),
            (128, 512, 10, true, true),
            (256, 24, 128, true, false),
            (1024, 64, 32, false, false),
        ];
        for (m, k, n, bias, transpose_b) in any_rest.into_iter().chain(others) {
            let product =
                NormalizedProduct::Matmul(Matmul { bias, transpose_b, ..Matmul::default() });
            let b = if transpose_b { [n, k] } else { [k, n] };
            let name = format!("matmul_{m}x{k}x{n}_{bias}_{transpose_b}");
            let case = Case::new(name, ProductStatistics { product }).normal([m, k]).normal(b);
            cases.push(if bias { case.normal([n]).forward_only() } else { case.forward_only() });
        }
        // An offset that is large beside the deviation.
        let product = NormalizedProduct::Matmul(Matmul { bias: true, ..Matmul::default() });
        let offset = Case::new("offset", ProductStatistics { product }).normal([1024, 16]);
        let bias = (TensorType::f32([32]), Fill::Uniform(999.0, 1001.0));
        cases.push(offset.normal([16, 32]).input(bias.0, bias.1).forward_only());
        for (x, oc) in [([64, 32, 32, 32], 32), ([64, 16, 16, 32], 64), ([64, 8, 8, 128], 128)] {
            let name = format!("bench_{}x{}x{}x{}_3x3x{oc}", x[0], x[1], x[2], x[3]);
            cases.push(conv(name, Conv2d::new(same(3)), x, oc, 3).bench());
        }
        cases
    }
}
