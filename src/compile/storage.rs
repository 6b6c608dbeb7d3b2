//! Where values lie: views, in-place outputs and packed tensors share the memory of another value.

use std::collections::HashSet;

use super::flow::is_reshape;
use crate::graph::{Graph, Node, Structure, Value};

/// The place of a value: a byte offset in the memory of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The value whose memory it is.
    pub root: Value,
    /// Offset in bytes.
    pub offset: usize,
    /// How many in-place updates the memory has seen when the value is made.
    pub version: usize,
}

/// The places of all values, and the pack inputs that still need a copy.
#[derive(Debug)]
pub(super) struct Storage {
    places: Vec<Place>,
    /// Roots that are packed arenas: they get memory of their own, which starts as zeros.
    pub arenas: Vec<Value>,
    /// Whether a node only says where data lie, by its position.
    pub elided: Vec<bool>,
    /// Copies into arenas: (position of the pack node, input).
    pub copies: Vec<(usize, usize)>,
}

impl Storage {
    /// The place of a value.
    pub fn place(&self, value: Value) -> Place {
        self.places[value.index()]
    }

    /// Resolves views, packs and in-place outputs of `nodes`, whose order is the graph's. Offsets
    /// that are no multiple of `alignment` bytes cannot be bound, so such views are copied.
    pub fn resolve(graph: &Graph, nodes: &[Node], alignment: usize) -> Self {
        let own = |root| Place { root, offset: 0, version: 0 };
        let mut storage = Self {
            places: graph.values().map(own).collect(),
            arenas: Vec::new(),
            elided: vec![false; nodes.len()],
            copies: Vec::new(),
        };
        storage.place_packed(graph, nodes, alignment);
        for (index, node) in nodes.iter().enumerate() {
            match node.op.structure() {
                Structure::Compute => {}
                Structure::View { offset } => {
                    let place = storage.place(node.inputs[0]);
                    let bytes = offset * graph.ty(node.outputs[0]).dtype.bytes();
                    if (place.offset + bytes).is_multiple_of(alignment) {
                        let offset = place.offset + bytes;
                        storage.places[node.outputs[0].index()] = Place { offset, ..place };
                        storage.elided[index] = true;
                    }
                }
                Structure::Pack { .. } => storage.elided[index] = true,
            }
            for &(output, input) in node.op.aliases() {
                let place = storage.place(node.inputs[input]);
                storage.places[node.outputs[output].index()] =
                    Place { version: place.version + 1, ..place };
            }
        }
        storage
    }

    /// Gives the inputs of packs their places in the arena, where nothing forbids it, and notes
    /// copies for the others.
    fn place_packed(&mut self, graph: &Graph, nodes: &[Node], alignment: usize) {
        let reshaped = behind_reshapes(graph, nodes);
        let behind = |value: &Value| reshaped[value.index()];
        let packs = || nodes.iter().filter(|n| matches!(n.op.structure(), Structure::Pack { .. }));
        // A value that packs take twice has no single place.
        let mut taken = vec![0_usize; graph.value_count()];
        for value in packs().flat_map(|node| &node.inputs).map(behind) {
            taken[value.index()] += 1;
        }
        let computed = computed(graph, nodes);
        for (index, node) in nodes.iter().enumerate() {
            let Structure::Pack { offsets } = node.op.structure() else { continue };
            let arena = node.outputs[0];
            self.arenas.push(arena);
            let packed: HashSet<Value> = node.inputs.iter().map(behind).collect();
            let met = read_while_writing(nodes, &packed, &behind);
            for (input, &offset) in offsets.iter().enumerate() {
                let value = behind(&node.inputs[input]);
                let offset = offset * 4;
                let free = taken[value.index()] == 1
                    && offset.is_multiple_of(alignment)
                    && computed[value.index()]
                    && !met.contains(&value);
                if free {
                    self.places[value.index()] = Place { root: arena, offset, version: 0 };
                } else {
                    self.copies.push((index, input));
                }
            }
        }
    }
}

/// For each value the one that it is a reshape of, as a whole: itself where it is none.
fn behind_reshapes(graph: &Graph, nodes: &[Node]) -> Vec<Value> {
    let mut behind: Vec<Value> = graph.values().collect();
    for node in nodes {
        let (&[x], &[y]) = (&node.inputs[..], &node.outputs[..]) else { continue };
        if is_reshape(graph, node) {
            behind[y.index()] = behind[x.index()];
        }
    }
    behind
}

/// For each value whether a kernel makes it in memory of its own.
fn computed(graph: &Graph, nodes: &[Node]) -> Vec<bool> {
    let mut computed = vec![false; graph.value_count()];
    for node in nodes.iter().filter(|node| node.op.structure() == Structure::Compute) {
        for (o, value) in node.outputs.iter().enumerate() {
            computed[value.index()] = node.op.aliases().iter().all(|&(output, _)| output != o);
        }
    }
    computed
}

/// What is read by nodes that write one of the `packed`: a kernel cannot bind one buffer for reading
/// and for writing, so that both cannot lie in the same arena.
fn read_while_writing(
    nodes: &[Node],
    packed: &HashSet<Value>,
    behind: &impl Fn(&Value) -> Value,
) -> HashSet<Value> {
    let writes = |node: &&Node| {
        node.op.structure() == Structure::Compute
            && node.outputs.iter().any(|value| packed.contains(value))
    };
    nodes.iter().filter(writes).flat_map(|node| node.inputs.iter().map(behind)).collect()
}
