//! Evaluates a graph by f64 reference code, without a program: for gradient checks.

use std::collections::HashMap;

use crate::error::ShapeError;
use crate::graph::{Graph, HostInput, HostIo, HostOutput, Origin, Value, widened};
use crate::tensor::{DType, HostTensor, TensorType};

/// Content of a value during an evaluation.
#[derive(Debug, Clone)]
enum Content {
    Float(Vec<f64>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

/// Evaluates `wanted`, given the sources by name: floats as f64 (which override `tensors`), other
/// tensors as they are. In-place updates work on copies.
///
/// # Errors
/// When a source has no content, or content of another size.
pub fn evaluate(
    graph: &Graph,
    floats: &HashMap<String, Vec<f64>>,
    tensors: &HashMap<String, HostTensor>,
    wanted: &[Value],
) -> Result<Vec<Vec<f64>>, ShapeError> {
    let mut contents: Vec<Option<Content>> = vec![None; graph.value_count()];
    for value in graph.values() {
        if let Origin::Source(name) = graph.origin(value) {
            contents[value.index()] = Some(source(graph, value, name, floats, tensors)?);
        }
    }
    for node in graph.nodes() {
        let aliases = node.op.aliases();
        let seen = |values: &[Value]| -> Vec<TensorType> {
            values.iter().map(|&value| widened(graph.ty(value))).collect()
        };
        let (input_types, output_types) = (seen(&node.inputs), seen(&node.outputs));
        let mut made: Vec<Content> = node
            .outputs
            .iter()
            .enumerate()
            .map(|(o, &output)| {
                let old = aliases.iter().find(|&&(out, _)| out == o);
                match old.and_then(|&(_, i)| contents[node.inputs[i].index()].clone()) {
                    Some(content) => content,
                    None => unwritten(graph, output),
                }
            })
            .collect();
        let inputs = node
            .inputs
            .iter()
            .enumerate()
            .map(|(i, &input)| {
                let aliased = aliases.iter().any(|&(_, aliased)| aliased == i);
                let data = match &contents[input.index()] {
                    _ if aliased => HostInput::Float(&[]),
                    Some(Content::Float(values)) => HostInput::Float(values.as_slice()),
                    Some(Content::U32(values)) => HostInput::U32(values.as_slice()),
                    Some(Content::U8(values)) => HostInput::U8(values.as_slice()),
                    None => HostInput::Float(&[]),
                };
                (data, &input_types[i])
            })
            .collect();
        let outputs = made
            .iter_mut()
            .zip(&output_types)
            .map(|(content, ty)| {
                let data = match content {
                    Content::Float(values) => HostOutput::Float(values.as_mut_slice()),
                    Content::U32(values) => HostOutput::U32(values.as_mut_slice()),
                    Content::U8(_) => HostOutput::U32(&mut []),
                };
                (data, ty)
            })
            .collect();
        node.op.reference_f64(&mut HostIo::new(inputs, outputs));
        let left = made.iter().find_map(|content| match content {
            Content::Float(values) => {
                values.iter().position(|value| value.to_bits() == UNWRITTEN.to_bits())
            }
            _ => None,
        });
        if let Some(element) = left {
            let message = format!("its reference leaves element {element} unwritten");
            return Err(ShapeError::new(node.op.name(), message));
        }
        for (content, output) in made.into_iter().zip(&node.outputs) {
            contents[output.index()] = Some(content);
        }
    }
    let read = |value: &Value| match &contents[value.index()] {
        Some(Content::Float(values)) => values.clone(),
        Some(Content::U32(values)) => values.iter().map(|&v| f64::from(v)).collect(),
        Some(Content::U8(values)) => values.iter().map(|&v| f64::from(v)).collect(),
        None => Vec::new(),
    };
    Ok(wanted.iter().map(read).collect())
}

/// A NaN that no arithmetic makes.
const UNWRITTEN: f64 = f64::from_bits(0x7ff8_dead_beef_5eed);

/// Content that shows where reference code leaves an element unwritten, or reads it first.
fn unwritten(graph: &Graph, value: Value) -> Content {
    let ty = graph.ty(value);
    match ty.dtype {
        DType::F32 | DType::F16 => Content::Float(vec![UNWRITTEN; ty.elements()]),
        DType::U32 => Content::U32(vec![0xdead_beef; ty.elements()]),
        DType::U8 => Content::U8(vec![0; ty.elements()]),
    }
}

fn source(
    graph: &Graph,
    value: Value,
    name: &str,
    floats: &HashMap<String, Vec<f64>>,
    tensors: &HashMap<String, HostTensor>,
) -> Result<Content, ShapeError> {
    let ty = graph.ty(value);
    let content = match (floats.get(name), tensors.get(name)) {
        (Some(values), _) => Content::Float(values.clone()),
        (None, Some(tensor)) => match tensor.ty().dtype {
            DType::F32 | DType::F16 => {
                Content::Float(tensor.floats().into_iter().map(f64::from).collect())
            }
            DType::U32 => Content::U32(tensor.u32s().to_vec()),
            DType::U8 => Content::U8(tensor.u8s().to_vec()),
        },
        (None, None) => {
            return Err(ShapeError::new("evaluate", format!("source {name} has no content")));
        }
    };
    let given = match &content {
        Content::Float(values) => values.len(),
        Content::U32(values) => values.len(),
        Content::U8(values) => values.len(),
    };
    if given == ty.elements() {
        Ok(content)
    } else {
        Err(ShapeError::new(
            "evaluate",
            format!("source {name} is a {ty}, {given} values were given"),
        ))
    }
}
