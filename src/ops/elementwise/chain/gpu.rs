//! Writes the WGSL of a chain: a function of the index, for `shaders/elementwise/elementwise_chain.wgsl`.

use super::{ElementwiseChain, Link, Member, Source};
use crate::graph::{Caps, Kernel, Lowering, Operand, Signature};
use crate::ops::elementwise::dropout::KEY_HIGH;
use crate::ops::kit::{Lanes, Unit};
use crate::ops::{BinaryFunction, Dropout};
use crate::tensor::{DType, Real};

/// The kernels of a chain, widest vectors first.
pub(super) fn lowerings(chain: &ElementwiseChain, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
    let widths = [Lanes::Four, Lanes::One];
    let kernels = widths.iter().filter_map(|&lanes| {
        let kernel = kernel(chain, sig, lanes, caps)?;
        Some(Lowering::single(&lanes.variant("one_per_thread"), kernel))
    });
    kernels.collect()
}

/// None where vectors do not fit.
fn kernel(chain: &ElementwiseChain, sig: &Signature, lanes: Lanes, caps: &Caps) -> Option<Kernel> {
    let elements = sig.outputs[0].elements();
    if !elements.is_multiple_of(lanes.count()) {
        return None;
    }
    let mut kernel = lanes.declare(Kernel::new("elementwise_chain"));
    if let Some(function) = chain.function() {
        kernel = kernel.activation(function).file(lanes.activation_file());
    }
    if chain.links.iter().any(|link| matches!(link.member, Member::Dropout(_))) {
        kernel = kernel
            .file(include_str!("../../../../shaders/common/philox.wgsl"))
            .file(kept_file(lanes));
    }
    let mut bindings = vec![String::new(); sig.inputs.len()];
    let mut body = String::new();
    for (number, (link, sig)) in chain.members(sig).iter().enumerate() {
        let mut operands = Vec::with_capacity(link.operands.len());
        for (position, source) in link.operands.iter().enumerate() {
            let Source::Input(input) = *source else {
                operands.push(operand_name(*source));
                continue;
            };
            let (elements, load) = if sig.inputs[position].dtype == DType::U32 {
                ("u32", "[0]".to_owned())
            } else {
                let Unit { repeat, small, .. } = link
                    .member
                    .repeat(position, &sig.inputs)
                    .units(elements)
                    .into_iter()
                    .find(|unit| unit.lanes == lanes)?;
                let whole = repeat.divide == 1 && repeat.modulo == elements / lanes.count();
                let (divide, modulo) = (repeat.divide, repeat.modulo);
                let at = if whole { "i".to_owned() } else { format!("i / {divide}u % {modulo}u") };
                (small, format!("[{at}]"))
            };
            bindings[input] = format!(
                "@group(0) @binding({input}) var<storage, read> input{input}: array<{elements}>;\n"
            );
            let value = format!("input{input}{load}");
            operands.push(if elements == "f32" { format!("FLOATS({value})") } else { value });
        }
        let result = operand_name(Source::Link(number));
        body += &format!("  let {result} = {};\n", expression(link, &operands));
    }
    let output = sig.inputs.len();
    let last = operand_name(Source::Link(chain.links.len() - 1));
    let kernel = kernel
        .flat(elements / lanes.count(), 64, caps)
        .file(&bindings.concat())
        .file(&format!(
            "@group(0) @binding({output}) var<storage, read_write> y: array<FLOATS>;\n\n\
             // {}\nfn chain(i: u32) -> FLOATS {{\n{body}  return {last};\n}}\n",
            crate::graph::Op::title(chain)
        ))
        .file(include_str!("../../../../shaders/elementwise/elementwise_chain.wgsl"));
    let kernel = (0..output).map(Operand::Input).fold(kernel, Kernel::read);
    Some(kernel.write(Operand::Output(0)))
}

fn operand_name(source: Source) -> String {
    match source {
        Source::Input(input) => format!("input{input}"),
        Source::Link(link) => format!("result{link}"),
    }
}

/// What a member computes, of operands that are expressions.
fn expression(link: &Link, operands: &[String]) -> String {
    match (&link.member, operands) {
        (Member::Activate(_), [x]) => format!("activate_each({x})"),
        (Member::ActivateGrad(_), [value, dy]) => format!("{dy} * derivative_each({value})"),
        (Member::Binary(binary), [a, b]) => {
            let operator = match binary.function {
                BinaryFunction::Add => "+",
                BinaryFunction::Subtract => "-",
                BinaryFunction::Multiply => "*",
                BinaryFunction::Divide => "/",
            };
            format!("{a} {operator} {b}")
        }
        (Member::Scale(scale), [x]) => format!("{} * {x}", literal(f32::from_f64(scale.factor))),
        (Member::Dropout(dropout), [x, step]) => {
            let Dropout { rate, seed, stream } = dropout;
            let (rate, scale) = (literal(*rate), literal(f32::from_f64(dropout.scale())));
            let counter = format!("{stream}u, {step}, vec2<u32>({seed}u, {KEY_HIGH}u)");
            format!("select(FLOATS(0.0), {x} * {scale}, kept(i, {counter}, {rate}))")
        }
        _ => unreachable!("infer has checked the number of operands"),
    }
}

/// A constant, exactly: the debug form of f32 is the shortest text that reads back as the same value.
fn literal(value: f32) -> String {
    format!("f32({value:?})")
}

/// WGSL of `kept`, which of the elements at an index dropout keeps.
fn kept_file(lanes: Lanes) -> &'static str {
    match lanes {
        Lanes::One => include_str!("../../../../shaders/common/kept_one.wgsl"),
        Lanes::Four => include_str!("../../../../shaders/common/kept_four.wgsl"),
    }
}
