//! Gradient rules and shape rules that are wrong in the ways in which such rules go wrong.

use verigrad::error::ShapeError;
use verigrad::graph::{Activation, Case, Op, OpDef, Value, Vjp};
use verigrad::ops::{
    Activate, ActivateGrad, AvgPool2d, AvgPool2dGrad, BatchNorm, BatchNormInferenceGrad, Binary,
    BinaryFunction, Conv2d, Conv2dInputGrad, Conv2dWeightGrad, Dropout, Matmul, MaxPool2d,
};
use verigrad::tensor::{DType, TensorType};

use super::wrapper::{Rule, Shapes};

pub struct BrokenRule {
    pub name: &'static str,
    pub op: &'static str,
    pub rule: Rule,
}

/// Cases beyond those of the registry.
pub fn further_cases(op: &str) -> Vec<Case> {
    match op {
        // Factors for which every transposition has the right shape.
        "matmul" => vec![Case::new("square", Matmul::default()).normal([4, 4]).normal([4, 4])],
        _ => Vec::new(),
    }
}

pub struct BrokenShapes {
    pub name: &'static str,
    pub op: &'static str,
    pub shapes: Shapes,
}

/// The op with its attributes, as the type that it is.
pub fn typed<O: OpDef>(op: &dyn Op) -> O {
    op.downcast_ref::<O>().expect("the case is of this op").clone()
}

/// The gradient of the first output.
fn dy(v: &Vjp<'_>) -> Value {
    v.dy(0).expect("the check gives a cotangent")
}

/// Ones, in the place of a cotangent.
fn ones(v: &mut Vjp<'_>) -> Result<Value, ShapeError> {
    let dy = dy(v);
    v.push(Binary { function: BinaryFunction::Divide, per_column: false }, &[dy, dy])
}

pub static BROKEN_RULES: &[BrokenRule] = &[
    BrokenRule {
        name: "takes the cotangent for ones",
        op: "activate",
        rule: |op, v| {
            let Activate { function } = typed(op);
            let value = if function.derivative_from_output() { v.y(0) } else { v.x(0) };
            let ones = ones(v)?;
            let dx = v.push(ActivateGrad { function }, &[value, ones])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "takes the output for the input",
        op: "activate",
        rule: |op, v| {
            let Activate { function } = typed(op);
            let wrong = if function.derivative_from_output() { v.x(0) } else { v.y(0) };
            let dx = v.push(ActivateGrad { function }, &[wrong, dy(v)])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "forgets an input",
        op: "binary",
        rule: |_, v| {
            let da = dy(v);
            v.set(0, da);
            Ok(())
        },
    },
    BrokenRule {
        name: "has the wrong sign",
        op: "binary",
        rule: |op, v| {
            op.vjp(v)?;
            if v.ty(v.x(0)) == v.ty(v.x(1)) {
                // Right for a sum, wrong for a difference.
                let db = dy(v);
                v.set(1, db);
            }
            Ok(())
        },
    },
    BrokenRule {
        name: "does not sum over what was repeated",
        op: "binary",
        rule: |op, v| {
            op.vjp(v)?;
            let db = dy(v);
            v.set(1, db);
            Ok(())
        },
    },
    BrokenRule {
        name: "does not transpose a factor",
        op: "matmul",
        rule: |op, v| {
            op.vjp(v)?;
            let Matmul { transpose_a, transpose_b, .. } = typed(op);
            let (rows, columns) = v.ty(v.x(1)).rows_columns();
            // A wrong product of the right shape needs a square factor.
            if !transpose_a && rows == columns {
                let wrong = Matmul { transpose_b, ..Matmul::default() };
                let da = v.push(wrong, &[dy(v), v.x(1)])?;
                v.set(0, da);
            }
            Ok(())
        },
    },
    BrokenRule {
        name: "forgets the activation",
        op: "matmul",
        rule: |op, v| {
            let Matmul { activation, transpose_a, transpose_b, .. } = typed(op);
            op.vjp(v)?;
            if activation != Activation::Identity && !transpose_a {
                let plain = Matmul { transpose_b: !transpose_b, ..Matmul::default() };
                let da = v.push(plain, &[dy(v), v.x(1)])?;
                v.set(0, da);
            }
            Ok(())
        },
    },
    BrokenRule {
        name: "drops the gradient of the loss",
        op: "softmax_cross_entropy",
        rule: |_, v| {
            let residual = v.y(1);
            v.set(0, residual);
            Ok(())
        },
    },
    BrokenRule {
        name: "leaves out the sum over the row",
        op: "softmax",
        rule: |_, v| {
            let (y, dy) = (v.y(0), dy(v));
            let dx = v.push(Binary::MULTIPLY, &[y, dy])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "takes batch statistics for constants",
        op: "batch_norm",
        rule: |op, v| {
            let BatchNorm { epsilon, .. } = typed(op);
            let inputs = [v.x(0), v.x(1), v.y(1), v.y(2), dy(v)];
            let [dx, dgamma, dbeta] = v.push_multi(BatchNormInferenceGrad { epsilon }, &inputs)?;
            v.set(0, dx);
            v.set(1, dgamma);
            v.set(2, dbeta);
            Ok(())
        },
    },
    BrokenRule {
        name: "draws another mask than forward",
        op: "dropout",
        rule: |op, v| {
            let dropout: Dropout = typed(op);
            let other = Dropout { stream: dropout.stream ^ 1, ..dropout };
            let dx = v.push(other, &[dy(v), v.x(1)])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "forgets the padding",
        op: "conv2d",
        rule: |op, v| {
            op.vjp(v)?;
            let Conv2d { mut geometry, activation, .. } = typed(op);
            // Shifted by one: the output keeps its size, so that the shapes fit.
            let [top, bottom, _, _] = geometry.padding;
            if activation == Activation::Identity && top != bottom {
                geometry.padding.swap(0, 1);
            }
            let [_, h, w, _] = dims(v, 0);
            let dx = v.push(Conv2dInputGrad::new(geometry, [h, w]), &[dy(v), v.x(1)])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "mixes up rows and columns of the padding",
        op: "conv2d",
        rule: |op, v| {
            op.vjp(v)?;
            let Conv2d { mut geometry, activation, .. } = typed(op);
            if activation == Activation::Identity {
                geometry.padding.rotate_left(2);
                let [kh, kw, _, _] = dims(v, 1);
                let dw =
                    v.push(Conv2dWeightGrad { geometry, kernel: [kh, kw] }, &[v.x(0), dy(v)])?;
                v.set(1, dw);
            }
            Ok(())
        },
    },
    BrokenRule {
        name: "spreads the gradient of a maximum",
        op: "max_pool2d",
        rule: |op, v| {
            let MaxPool2d { geometry } = typed(op);
            let [_, h, w, _] = dims(v, 0);
            let average = AvgPool2dGrad { geometry, count_include_pad: false, input: [h, w] };
            let dx = v.push(average, &[dy(v)])?;
            v.set(0, dx);
            Ok(())
        },
    },
    BrokenRule {
        name: "divides by another count than forward",
        op: "avg_pool2d",
        rule: |op, v| {
            let AvgPool2d { geometry, count_include_pad } = typed(op);
            let [_, h, w, _] = dims(v, 0);
            let other = !count_include_pad;
            let average = AvgPool2dGrad { geometry, count_include_pad: other, input: [h, w] };
            let dx = v.push(average, &[dy(v)])?;
            v.set(0, dx);
            Ok(())
        },
    },
];

/// Dimensions of an input of rank four.
fn dims(v: &Vjp<'_>, input: usize) -> [usize; 4] {
    v.ty(v.x(input)).dims().try_into().expect("the op takes rank four")
}

/// For ops of one input.
pub static BROKEN_SHAPES: &[BrokenShapes] = &[
    BrokenShapes {
        name: "accepts no inputs",
        op: "activate",
        shapes: |op, inputs| {
            if inputs.is_empty() { Ok(vec![TensorType::f32([1])]) } else { op.infer(inputs) }
        },
    },
    BrokenShapes {
        name: "ignores further inputs",
        op: "sum_rows",
        shapes: |op, inputs| op.infer(&inputs[..inputs.len().min(1)]),
    },
    BrokenShapes {
        name: "takes bytes for floats",
        op: "global_avg_pool2d",
        shapes: |op, inputs| {
            let as_floats = |ty: &TensorType| match ty.dtype {
                DType::U8 => TensorType::f32(ty.shape.clone()),
                _ => ty.clone(),
            };
            op.infer(&inputs.iter().map(as_floats).collect::<Vec<_>>())
        },
    },
];

/// One row more than the op makes.
pub fn one_row_too_many(op: &dyn Op, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
    let mut types = op.infer(inputs)?;
    for ty in &mut types {
        let mut dims = ty.dims().to_vec();
        if let Some(rows) = dims.first_mut() {
            *rows += 1;
        }
        *ty = TensorType::new(ty.dtype, dims);
    }
    Ok(types)
}
