//! Pieces of kernels as they were when they trusted comparisons.

use super::compiler::Compiler;

/// A piece of a kernel's text as it is, and as it was.
pub struct Old {
    pub name: &'static str,
    pub now: &'static str,
    pub before: &'static str,
    /// Ops whose cases must show it.
    pub ops: &'static [&'static str],
    /// Compilers of which one must.
    pub compilers: &'static [Compiler],
}

pub static OLD: &[Old] = &[
    Old {
        name: "relu by a comparison",
        now: "  let bits = bitcast<i32>(x);\n  \
              return bitcast<f32>(select(bits, 0i, bits <= NEGATIVE_INFINITY));\n",
        before: "  return select(x, 0.0, x < 0.0);\n",
        ops: &[
            "activate",
            "matmul",
            "conv2d",
            "batch_norm",
            "batch_norm_inference",
            "batch_norm_max_pool2d",
            "product_statistics",
            "elementwise_chain",
        ],
        compilers: &[Compiler::Folding],
    },
    Old {
        name: "relu6 by comparisons",
        now: "  return bitcast<f32>(select(below_six, 0u, bitcast<i32>(x) <= NEGATIVE_INFINITY));\n",
        before: "  return select(select(x, 6.0, x > 6.0), 0.0, x < 0.0);\n",
        ops: &["activate", "matmul", "conv2d", "batch_norm_inference", "elementwise_chain"],
        compilers: &[Compiler::Folding],
    },
    Old {
        name: "derivative of relu by a comparison",
        now: "  return select(0.0, 1.0, bitcast<u32>(y) - 1u < 0x7f800000u);\n",
        before: "  return select(0.0, 1.0, y > 0.0);\n",
        ops: &["activate_grad", "matmul", "conv2d_input_grad", "elementwise_chain"],
        compilers: &[Compiler::Inverting],
    },
    Old {
        name: "bounds of gelu's argument by comparisons",
        now: "  let near = within(x, GELU_FLAT);\n",
        before: "  let near = select(select(x, GELU_FLAT, x > GELU_FLAT), -GELU_FLAT, x < -GELU_FLAT);\n",
        ops: &["activate_grad", "elementwise_chain"],
        compilers: &[Compiler::Folding],
    },
    Old {
        name: "least rate by a comparison",
        now: "    rate[0] = at_least(moved, FLOOR);\n",
        before: "    rate[0] = select(moved, FLOOR, moved < FLOOR);\n",
        ops: &["hypergradient"],
        compilers: &[Compiler::Folding],
    },
    Old {
        name: "clipping without a test by bits",
        now: "  grads[i] = select(clipped, grad, magnitude_bits(grad) > Index(INFINITY_BITS));\n",
        before: "  grads[i] = clipped;\n",
        ops: &["clip_by_value"],
        compilers: &[Compiler::Folding],
    },
    Old {
        name: "NaN in a window by a comparison with itself",
        now: "let is_nan = is_nan_each(value);",
        before: "let is_nan = value != value;",
        ops: &["max_pool2d", "batch_norm_max_pool2d"],
        compilers: &[Compiler::Folding],
    },
];
