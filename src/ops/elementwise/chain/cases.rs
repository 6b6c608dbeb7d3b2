//! Chains on which the op is tested and benchmarked.

use super::{ElementwiseChain, Link, Member, Source};
use crate::graph::{Activation, Case, Fill, Op};
use crate::ops::{Activate, ActivateGrad, Binary, BinaryFunction, Dropout, Scale};
use crate::tensor::TensorType;

use Source::{Input, Link as Of};

/// A chain of ops, each with the places where its operands come from.
fn chain<const N: usize>(links: [(&dyn Op, &[Source]); N]) -> ElementwiseChain {
    let link = |(op, operands): (&dyn Op, &[Source])| {
        let member = Member::of(op).expect("cases join what can be joined");
        Link { member, operands: operands.to_vec() }
    };
    ElementwiseChain { links: links.map(link).to_vec() }
}

/// `dx = dropout(dy) f'(value)`: of `value`, `dy` and the step.
fn masked_derivative(function: Activation) -> ElementwiseChain {
    let dropout = Dropout { rate: 0.3, seed: 7, stream: 2 };
    let derivative = ActivateGrad { function };
    chain([(&dropout, &[Input(1), Input(2)]), (&derivative, &[Input(0), Of(0)])])
}

fn binary(function: BinaryFunction, per_column: bool) -> Binary {
    Binary { function, per_column }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let step = |case: Case| case.input(TensorType::u32([1]), Fill::Integers(vec![3]));
    for (name, dims) in [("vec4", &[6, 12][..]), ("tail", &[5, 7]), ("one_element", &[1])] {
        use Activation::{Gelu, GeluTanh, Relu, Silu, Tanh};
        for function in [Relu, Tanh, Gelu, GeluTanh, Silu] {
            let name = format!("masked_{function:?}_grad_{name}").to_lowercase();
            let case = Case::new(name, masked_derivative(function))
                .input(TensorType::f32(dims), Fill::Uniform(-1.0, 1.0))
                .normal(dims);
            cases.push(step(case).forward_only());
        }
    }
    let drawn = Dropout { rate: 0.0, seed: 7, stream: 2 }.with_drawn_rate(3);
    for dims in [[6, 12], [5, 7]] {
        let op = chain([(&drawn, &[Input(0), Input(1)]), (&Scale { factor: 0.5 }, &[Of(0)])]);
        let name = format!("rate_is_drawn_{}x{}", dims[0], dims[1]);
        cases.push(step(Case::new(name, op).normal(dims)).forward_only());
    }
    let away_from_zero = || Fill::Uniform(0.5, 2.0);
    // relu(a / rows * one - (-b + columns)): every kind of repetition.
    let repeated = chain([
        (&binary(BinaryFunction::Divide, false), &[Input(0), Input(2)]),
        (&Binary::MULTIPLY, &[Of(0), Input(3)]),
        (&Scale::NEGATE, &[Input(1)]),
        (&Binary::BIAS, &[Of(2), Input(4)]),
        (&binary(BinaryFunction::Subtract, false), &[Of(1), Of(3)]),
        (&Activate { function: Activation::Relu }, &[Of(4)]),
    ]);
    for dims in [[6, 8], [5, 13], [3, 6], [300, 64]] {
        let [rows, columns] = dims;
        cases.push(
            Case::new(format!("repeated_{rows}x{columns}"), repeated.clone())
                .normal(dims)
                .normal(dims)
                .input(TensorType::f32([rows, 1]), away_from_zero())
                .normal([1])
                .normal([columns])
                .forward_only(),
        );
    }
    let sum = chain([
        (&Binary::ADD, &[Input(0), Input(1)]),
        (&Binary::ADD, &[Of(0), Input(2)]),
        (&Binary::ADD, &[Input(3), Of(1)]),
    ]);
    for dims in [vec![10], vec![64], vec![2, 3, 5, 8], vec![19, 79]] {
        let case = Case::new(format!("sum_of_four_{}", dims.len()), sum.clone());
        let case = (0..4).fold(case, |case, _| case.normal(dims.clone()));
        let name = format!("{}_{}", case.name, dims[0]);
        cases.push(Case { name, ..case.forward_only() });
    }
    for function in [Activation::Sigmoid, Activation::Gelu, Activation::GeluTanh] {
        // The function of a value in between, and its derivative at one.
        let op = chain([
            (&Scale { factor: 0.5 }, &[Input(0)]),
            (&Activate { function }, &[Of(0)]),
            (&ActivateGrad { function }, &[Of(1), Input(1)]),
        ]);
        let name = format!("inner_{function:?}").to_lowercase();
        cases.push(Case::new(name, op).normal([9, 20]).normal([9, 20]).forward_only());
    }
    let non_finite = |case: Case, n: usize| case.input(TensorType::f32([n]), Fill::Special);
    for function in Activation::ALL {
        for n in [41, 48] {
            let name = |what: &str| format!("non_finite_{what}_{function:?}_{n}").to_lowercase();
            // Where the derivative is zero, compilers may put zero in place of the product.
            let gradient = Case::new(name("dy"), masked_derivative(function));
            let gradient = gradient.input(TensorType::f32([n]), Fill::Uniform(0.1, 0.9));
            cases.push(step(non_finite(gradient, n)).forward_only());
            let some = [f32::NAN, 0.5, -0.5, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            let some = some.into_iter().cycle().take(n).collect();
            let value = Case::new(name("value"), masked_derivative(function));
            let value = value.input(TensorType::f32([n]), Fill::Floats(some)).normal([n]);
            cases.push(step(value).forward_only());
            let sum =
                chain([(&Binary::ADD, &[Input(0), Input(1)]), (&Activate { function }, &[Of(0)])]);
            let sum = Case::new(name("sum"), sum).normal([n]);
            cases.push(non_finite(sum, n).forward_only());
        }
    }
    cases.push(
        Case::new(
            "many_workgroups",
            chain([(&Scale { factor: 3.0 }, &[Input(0)]), (&Binary::MULTIPLY, &[Of(0), Input(1)])]),
        )
        .normal([65_536 * 64 + 3])
        .normal([1])
        .forward_only(),
    );
    let bench = |name: &str, dims: [usize; 2]| {
        let case = Case::new(name, masked_derivative(Activation::Relu));
        step(case.normal(dims).normal(dims)).bench()
    };
    cases.push(bench("bench_128x512", [128, 512]));
    cases.push(bench("bench_64x4096", [64, 4096]));
    cases
}
