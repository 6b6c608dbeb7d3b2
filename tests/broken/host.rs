//! Host kernels that are wrong in the ways in which such kernels go wrong.

use verigrad::graph::{Activation, HostIo, HostKernel, Op, OpDef, Signature};
use verigrad::ops::{
    ActivateGrad, Adam, AvgPool2d, AvgPool2dGrad, BatchNorm, BatchNormGrad, BatchNormInference,
    BatchNormInferenceGrad, BatchNormMaxPool2d, Binary, BinaryFunction, Broadcast, ClipByNorm,
    ClipByValue, Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry, Dropout,
    GlobalAvgPool2dGrad, LocalResponseNorm, LocalResponseNormGrad, Matmul, MaxPool2dGrad, PadZeros,
    RmsProp, RunningAverage, Scale, Sgd, Slice,
};
use verigrad::tensor::gemm::{Matrix, multiply_add};

use super::defects::Kind;
use super::rules::typed;
use super::wrapper::HostKernels;

pub struct BrokenHostKernel {
    pub name: &'static str,
    pub op: &'static str,
    pub kernels: HostKernels,
    pub expected: Kind,
}

/// A kernel that is wrong in the same way on all threads.
const fn wrong(name: &'static str, op: &'static str, kernels: HostKernels) -> BrokenHostKernel {
    BrokenHostKernel { name, op, kernels, expected: Kind::Wrong }
}

/// The kernels of the op with other attributes: none where they do not fit the operands.
fn changed<O: OpDef>(op: &dyn Op, sig: &Signature, change: impl FnOnce(&mut O)) -> Vec<HostKernel> {
    let mut op: O = typed(op);
    change(&mut op);
    match op.infer(&sig.inputs) {
        Ok(outputs) if outputs == sig.outputs => op.host_kernels(sig),
        _ => Vec::new(),
    }
}

fn swap_sides(geometry: &mut ConvGeometry) {
    geometry.padding.swap(0, 1);
}

/// The first kernel of the op, and what is done to the first output after it.
fn followed_by(op: &dyn Op, sig: &Signature, change: fn(&mut [f32])) -> Vec<HostKernel> {
    let kernels = op.host_kernels(sig).into_iter().take(1);
    let followed = kernels.map(|kernel| {
        let scratch = kernel.scratch;
        let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
            kernel.run(io, scratch);
            change(io.outputs.float(0));
        };
        HostKernel::new("broken", run).with_scratch(scratch)
    });
    followed.collect()
}

fn hide_nan(y: &mut [f32]) {
    for y in y {
        *y = if y.is_nan() { 0.0 } else { *y };
    }
}

pub static BROKEN_HOST_KERNELS: &[BrokenHostKernel] = &[
    wrong("mixes up top and bottom of the padding", "conv2d", |op, sig| {
        changed(op, sig, |op: &mut Conv2d| swap_sides(&mut op.geometry))
    }),
    wrong("mixes up top and bottom of the padding", "conv2d_input_grad", |op, sig| {
        changed(op, sig, |op: &mut Conv2dInputGrad| swap_sides(&mut op.geometry))
    }),
    wrong("mixes up top and bottom of the padding", "conv2d_weight_grad", |op, sig| {
        changed(op, sig, |op: &mut Conv2dWeightGrad| swap_sides(&mut op.geometry))
    }),
    wrong("forgets the activation", "conv2d", |op, sig| {
        changed(op, sig, |op: &mut Conv2d| op.activation = Activation::Identity)
    }),
    wrong("shifts the channels of grouped convolutions", "conv2d", |op, sig| {
        let grouped: Conv2d = typed(op);
        if grouped.geometry.groups == 1 {
            return Vec::new();
        }
        followed_by(op, sig, |y| y.rotate_left(1))
    }),
    wrong("shifts the channels of grouped convolutions", "conv2d_weight_grad", |op, sig| {
        let grouped: Conv2dWeightGrad = typed(op);
        if grouped.geometry.groups == 1 {
            return Vec::new();
        }
        followed_by(op, sig, |dw| dw.rotate_left(1))
    }),
    wrong("forgets the activation", "matmul", |op, sig| {
        changed(op, sig, |op: &mut Matmul| op.activation = Activation::Identity)
    }),
    wrong("does not transpose a square factor", "matmul", |op, sig| {
        changed(op, sig, |op: &mut Matmul| op.transpose_b = !op.transpose_b)
    }),
    wrong("adds to what the result held", "matmul", |op, _| {
        let op: Matmul = typed(op);
        if op.transpose_a || op.transpose_b || op.bias || op.activation != Activation::Identity {
            return Vec::new();
        }
        let run = |io: &mut HostIo<'_, f32>, _: &mut [f32]| {
            let factor = |i: usize| {
                let [rows, columns] = io.inputs.dims(i);
                Matrix::new(io.inputs.float(i), rows, columns)
            };
            multiply_add(factor(0), factor(1), io.outputs.float(0));
        };
        vec![HostKernel::new("broken", run)]
    }),
    wrong("takes the wrong function", "activate_grad", |op, sig| {
        changed(op, sig, |op: &mut ActivateGrad| {
            op.function = match op.function {
                Activation::Relu => Activation::LeakyRelu,
                _ => Activation::Identity,
            };
        })
    }),
    wrong("hides a NaN", "activate", |op, sig| followed_by(op, sig, hide_nan)),
    wrong("leaves the last element unwritten", "activate", |_, _| {
        let run = |io: &mut HostIo<'_, f32>, _: &mut [f32]| {
            let x = io.inputs.float(0);
            io.outputs.float(0)[..x.len() - 1].copy_from_slice(&x[..x.len() - 1]);
        };
        vec![HostKernel::new("broken", run)]
    }),
    wrong("shifts the columns", "max_pool2d", |op, sig| followed_by(op, sig, |y| y.rotate_left(1))),
    wrong("keeps one of several overlapping windows", "max_pool2d_grad", |op, _| {
        let op: MaxPool2dGrad = typed(op);
        vec![HostKernel::new("broken", move |io, _| overwrite_maxima(&op, io))]
    }),
    wrong("takes AdamW for Adam", "adam", |op, sig| {
        changed(op, sig, |op: &mut Adam| op.decoupled = !op.decoupled)
    }),
    wrong("takes the mean square for the variance", "batch_norm", |op, _| {
        let op: BatchNorm = typed(op);
        if op.tail.residual || op.tail.activation != Activation::Identity {
            return Vec::new();
        }
        vec![HostKernel::new("broken", move |io, _| normalize_by_squares(op.epsilon, io))]
    }),
    wrong("forgets the activation", "batch_norm", |op, sig| {
        changed(op, sig, |op: &mut BatchNorm| op.tail.activation = Activation::Identity)
    }),
    wrong("takes the statistics for constants", "batch_norm_grad", |op, sig| {
        let op: BatchNormGrad = typed(op);
        OpDef::host_kernels(&BatchNormInferenceGrad { epsilon: op.epsilon }, sig)
    }),
    wrong("forgets the epsilon", "batch_norm_inference", |op, sig| {
        changed(op, sig, |op: &mut BatchNormInference| op.epsilon = 0.0)
    }),
    wrong("takes the statistics for variable", "batch_norm_inference_grad", |op, sig| {
        let op: BatchNormInferenceGrad = typed(op);
        OpDef::host_kernels(&BatchNormGrad { epsilon: op.epsilon }, sig)
    }),
    wrong("forgets the function", "batch_norm_max_pool2d", |op, sig| {
        changed(op, sig, |op: &mut BatchNormMaxPool2d| op.activation = Activation::Identity)
    }),
    wrong("changes what it has statistics of", "product_statistics", |op, sig| {
        followed_by(op, sig, |y| y[0] += 1.0)
    }),
    wrong("keeps the biased variance", "running_average", |op, sig| {
        changed(op, sig, |op: &mut RunningAverage| op.scale = 1.0)
    }),
    wrong("counts the padding or does not", "avg_pool2d", |op, sig| {
        changed(op, sig, |op: &mut AvgPool2d| op.count_include_pad = !op.count_include_pad)
    }),
    wrong("counts the padding or does not", "avg_pool2d_grad", |op, sig| {
        changed(op, sig, |op: &mut AvgPool2dGrad| op.count_include_pad = !op.count_include_pad)
    }),
    wrong("mixes up channels", "global_avg_pool2d", |op, sig| {
        followed_by(op, sig, |y| y.rotate_left(1))
    }),
    wrong("divides by the width only", "global_avg_pool2d_grad", |op, sig| {
        let op: GlobalAvgPool2dGrad = typed(op);
        let height = f32::from(u16::try_from(op.input[0]).expect("small"));
        OpDef::host_kernels(&op, sig).into_iter().map(|kernel| scaled(height, kernel)).collect()
    }),
    wrong("draws another layer's numbers", "dropout", |op, sig| {
        changed(op, sig, |op: &mut Dropout| op.stream ^= 1)
    }),
    wrong("does not scale what it keeps", "dropout", |op, sig| {
        let op: Dropout = typed(op);
        OpDef::host_kernels(&op, sig)
            .into_iter()
            .map(|kernel| scaled(1.0 - op.rate, kernel))
            .collect()
    }),
    wrong("adds instead", "binary", |op, sig| {
        changed(op, sig, |op: &mut Binary| op.function = BinaryFunction::Add)
    }),
    wrong("keeps the sign", "scale", |op, sig| {
        changed(op, sig, |op: &mut Scale| op.factor = op.factor.abs())
    }),
    wrong("forgets the factor", "broadcast", |op, sig| {
        changed(op, sig, |op: &mut Broadcast| op.scale = 1.0)
    }),
    wrong("reaches a channel too far", "local_response_norm", |op, sig| {
        changed(op, sig, |op: &mut LocalResponseNorm| op.size += 1)
    }),
    wrong("reaches a channel too far", "local_response_norm_grad", |op, sig| {
        changed(op, sig, |op: &mut LocalResponseNormGrad| op.size += 1)
    }),
    wrong("shifts the parts", "concat", |op, sig| followed_by(op, sig, |y| y.rotate_left(1))),
    wrong("pads behind instead", "pad_zeros", |op, sig| {
        changed(op, sig, |op: &mut PadZeros| {
            op.after += op.before;
            op.before = 0;
        })
    }),
    wrong("starts at the first step", "slice", |op, sig| {
        changed(op, sig, |op: &mut Slice| op.start = 0)
    }),
    wrong("takes the square for the norm", "global_norm", |op, sig| {
        followed_by(op, sig, |y| y[0] *= y[0])
    }),
    wrong("does not clip", "clip_by_norm", |op, sig| {
        changed(op, sig, |op: &mut ClipByNorm| op.max_norm = 1e30)
    }),
    wrong("does not clip", "clip_by_value", |op, sig| {
        changed(op, sig, |op: &mut ClipByValue| op.limit = 1e30)
    }),
    wrong("sums instead of averaging", "mean_squared_error", |op, sig| {
        op.host_kernels(sig).into_iter().map(|kernel| scaled(2.0, kernel)).collect()
    }),
    wrong("halves the loss", "soft_cross_entropy", |op, sig| {
        op.host_kernels(sig).into_iter().map(|kernel| scaled(0.5, kernel)).collect()
    }),
    wrong("forgets Nesterov", "sgd", |op, sig| {
        changed(op, sig, |op: &mut Sgd| op.nesterov = false)
    }),
    wrong("decays all parameters", "sgd", |op, sig| {
        let all = sig.outputs[0].elements();
        changed(op, sig, |op: &mut Sgd| op.decayed = all)
    }),
    wrong("forgets the momentum", "rms_prop", |op, sig| {
        changed(op, sig, |op: &mut RmsProp| op.momentum = 0.0)
    }),
    wrong("adds scratch memory that it has not written", "sum_rows", |op, sig| {
        let kernels = op.host_kernels(sig).into_iter();
        let reading = kernels.map(|kernel| {
            let own = kernel.scratch;
            let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
                kernel.run(io, &mut scratch[..own]);
                io.outputs.float(0)[0] += scratch[own];
            };
            HostKernel::new("broken", run).with_scratch(own + 1)
        });
        reading.collect()
    }),
    BrokenHostKernel {
        name: "splits a sum by the number of threads",
        op: "sum_rows",
        kernels: |_, _| vec![HostKernel::new("broken", |io, _| sum_by_threads(io))],
        expected: Kind::NotReproducible,
    },
];

/// `E[x^2] - E[x]^2` in f32, which an offset of `x` leaves without digits.
fn normalize_by_squares(epsilon: f32, io: &mut HostIo<'_, f32>) {
    let [x, gamma, beta] = [0, 1, 2].map(|i| io.inputs.float(i));
    let (rows, channels) = io.inputs.ty(0).rows_columns();
    let [y, mean, variance] = io.outputs.floats();
    let n = f32::from(u16::try_from(rows).unwrap_or(u16::MAX));
    for c in 0..channels {
        let values = || x.iter().skip(c).step_by(channels);
        mean[c] = values().sum::<f32>() / n;
        variance[c] = values().map(|x| x * x).sum::<f32>() / n - mean[c] * mean[c];
        let factor = gamma[c] / (variance[c] + epsilon).sqrt();
        for (y, x) in y.iter_mut().skip(c).step_by(channels).zip(values()) {
            *y = (x - mean[c]) * factor + beta[c];
        }
    }
}

/// A kernel whose first output is multiplied by a factor.
fn scaled(factor: f32, kernel: HostKernel) -> HostKernel {
    let scratch = kernel.scratch;
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        kernel.run(io, scratch);
        io.outputs.float(0).iter_mut().for_each(|y| *y *= factor);
    };
    HostKernel::new("broken", run).with_scratch(scratch)
}

fn overwrite_maxima(op: &MaxPool2dGrad, io: &mut HostIo<'_, f32>) {
    let (index, dy) = (io.inputs.u32(0), io.inputs.float(1));
    let [_, oh, ow, c] = io.inputs.dims(1);
    let [h, w] = op.input;
    let kw = op.geometry.window[1];
    let dx = io.outputs.float(0);
    dx.fill(0.0);
    for (o, (&k, &dy)) in index.iter().zip(dy).enumerate() {
        let (ch, ox, oy, n) = (o % c, o / c % ow, o / (c * ow) % oh, o / (c * ow * oh));
        let k = k as usize;
        let at = |axis: usize, o: usize, k: usize, size: usize| {
            let before = op.geometry.padding[2 * axis];
            (o * op.geometry.stride[axis] + k).checked_sub(before).filter(|&i| i < size)
        };
        let (Some(iy), Some(ix)) = (at(0, oy, k / kw, h), at(1, ox, k % kw, w)) else { continue };
        dx[((n * h + iy) * w + ix) * c + ch] = dy;
    }
}

fn sum_by_threads(io: &mut HostIo<'_, f32>) {
    let x = io.inputs.float(0);
    let (rows, columns) = io.inputs.ty(0).rows_columns();
    let y = io.outputs.float(0);
    y.fill(0.0);
    let part_rows = rows.div_ceil(rayon::current_num_threads());
    for part in x.chunks(part_rows * columns) {
        for (c, y) in y.iter_mut().enumerate() {
            *y += part.iter().skip(c).step_by(columns).sum::<f32>();
        }
    }
}
