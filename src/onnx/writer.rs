//! A graph of ONNX as it grows: nodes and constants, each under a name of its own.

use std::collections::HashSet;

use super::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, attribute_type, data_type,
};

/// Value of an option of an operator.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
}

/// Sizes as integers of attributes and shapes.
pub(super) fn ints(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect()
}

/// The graph so far.
#[derive(Debug, Default)]
pub(super) struct Writer {
    graph: GraphProto,
    taken: HashSet<String>,
    scope: String,
}

impl Writer {
    /// Sets the layer that names of nodes begin with.
    pub fn set_scope(&mut self, scope: &str) {
        scope.clone_into(&mut self.scope);
    }

    /// A name that nothing else has: the given one, or with a number behind it.
    fn unique(&mut self, name: String) -> String {
        let mut unique = name.clone();
        let mut number = 1;
        while !self.taken.insert(unique.clone()) {
            number += 1;
            unique = format!("{name}_{number}");
        }
        unique
    }

    /// Adds a node with one output; returns the name of both. Inputs without a name are left out.
    pub fn node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        let name = self.unique(format!("{}/{op_type}", self.scope));
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op_type.to_owned(),
            attribute: attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        });
        name
    }

    /// Adds a bias to the product that makes `value`, where it has none yet. Says whether it did.
    pub fn add_bias(&mut self, value: &str, name: &str, bias: &[f32]) -> bool {
        let is_product = |node: &NodeProto| {
            ["Conv", "Gemm"].contains(&node.op_type.as_str())
                && node.input.len() == 2
                && node.output.iter().any(|output| output == value)
        };
        let Some(product) = self.graph.node.iter().rposition(is_product) else { return false };
        let bias = self.floats(name, &[bias.len()], bias);
        self.graph.node[product].input.push(bias);
        true
    }

    /// Adds a constant under a name that begins with `name`; returns the name.
    fn constant(
        &mut self,
        name: &str,
        dims: &[usize],
        data_type: i32,
        raw_data: Vec<u8>,
    ) -> String {
        let name = self.unique(name.to_owned());
        let (dims, constant) = (ints(dims), name.clone());
        self.graph.initializer.push(TensorProto { dims, data_type, name, raw_data });
        constant
    }

    /// A constant of floats.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, dims, data_type::FLOAT, bytes)
    }

    /// A float, named after the layer.
    pub fn scalar(&mut self, name: &str, value: f32) -> String {
        self.floats(&format!("{}/{name}", self.scope), &[], &[value])
    }

    /// A list of integers, named after the layer.
    pub fn list(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = format!("{}/{name}", self.scope);
        self.constant(&name, &[values.len()], data_type::INT64, bytes)
    }

    /// A constant of bytes.
    pub fn bytes(&mut self, name: &str, dims: &[usize], values: &[u8]) -> String {
        self.constant(name, dims, data_type::UINT8, values.to_vec())
    }

    /// A constant of signed bytes.
    pub fn signed_bytes(&mut self, name: &str, dims: &[usize], values: &[i8]) -> String {
        self.constant(name, dims, data_type::INT8, bytemuck::cast_slice(values).to_vec())
    }

    /// Adds an input of the graph, whose name nothing has yet.
    pub fn input(&mut self, input: ValueInfoProto) {
        self.taken.insert(input.name.clone());
        self.graph.input.push(input);
    }

    /// Has `value`, which a node makes, be an output of the graph, under the name of the output.
    pub fn output(&mut self, value: &str, output: ValueInfoProto) {
        for node in &mut self.graph.node {
            for name in node.input.iter_mut().chain(&mut node.output).filter(|name| *name == value)
            {
                name.clone_from(&output.name);
            }
        }
        self.graph.output.push(output);
    }

    /// The whole graph.
    pub fn into_graph(self, name: &str) -> GraphProto {
        GraphProto { name: name.to_owned(), ..self.graph }
    }
}

fn attribute(name: &str, value: Attribute) -> AttributeProto {
    let named = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match value {
        Attribute::Float(f) => {
            AttributeProto { f: Some(f), r#type: attribute_type::FLOAT, ..named }
        }
        Attribute::Int(i) => AttributeProto { i: Some(i), r#type: attribute_type::INT, ..named },
        Attribute::Ints(ints) => AttributeProto { ints, r#type: attribute_type::INTS, ..named },
        Attribute::Text(text) => {
            let s = Some(text.as_bytes().to_vec());
            AttributeProto { s, r#type: attribute_type::STRING, ..named }
        }
    }
}
