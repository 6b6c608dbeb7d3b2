//! Which node makes each value, how often each is read, and which nodes only reshape one.

use crate::graph::{Graph, Node, Structure, Value};

/// Producers and readers in a list of nodes, in which each value is made once and before it is read.
pub(super) struct Flow {
    /// Position of the node that makes a value, by the value.
    producers: Vec<Option<usize>>,
    /// How often a value is read, by the value.
    uses: Vec<usize>,
}

impl Flow {
    /// Looks through `nodes`. Outputs of the graph count as read once more.
    pub(super) fn of(graph: &Graph, nodes: &[Node]) -> Self {
        let mut flow =
            Self { producers: vec![None; graph.value_count()], uses: vec![0; graph.value_count()] };
        for (position, node) in nodes.iter().enumerate() {
            for value in &node.outputs {
                flow.producers[value.index()] = Some(position);
            }
            for value in &node.inputs {
                flow.uses[value.index()] += 1;
            }
        }
        for (_, value) in graph.outputs() {
            flow.uses[value.index()] += 1;
        }
        flow
    }

    /// The node that makes a value, with its position; none for sources.
    pub(super) fn producer<'n>(
        &self,
        nodes: &'n [Node],
        value: Value,
    ) -> Option<(usize, &'n Node)> {
        let position = self.producers[value.index()]?;
        nodes.get(position).map(|node| (position, node))
    }

    /// Whether a value is read once in all.
    pub(super) fn is_read_once(&self, value: Value) -> bool {
        self.uses[value.index()] == 1
    }
}

/// Whether a node gives a whole tensor another shape.
pub(super) fn is_reshape(graph: &Graph, node: &Node) -> bool {
    let elements = |values: &[Value]| values.first().map(|&value| graph.ty(value).elements());
    node.op.structure() == (Structure::View { offset: 0 })
        && elements(&node.inputs) == elements(&node.outputs)
}
