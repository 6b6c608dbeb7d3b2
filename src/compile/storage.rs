//! Where values lie: views, in-place outputs and packed tensors share the memory of another value.

use crate::graph::{Graph, Node, Origin, Structure, Value};

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
        for (index, node) in nodes.iter().enumerate() {
            let Structure::Pack { offsets } = node.op.structure() else { continue };
            let arena = node.outputs[0];
            self.arenas.push(arena);
            for (input, &offset) in offsets.iter().enumerate() {
                let value = behind_reshapes(graph, nodes, node.inputs[input]);
                let offset = offset * 4;
                let free = count_packed(graph, nodes, value) == 1
                    && offset.is_multiple_of(alignment)
                    && is_computed(graph, nodes, value)
                    && !meets_arena(graph, nodes, value, &node.inputs);
                if free {
                    self.places[value.index()] = Place { root: arena, offset, version: 0 };
                } else {
                    self.copies.push((index, input));
                }
            }
        }
    }
}

/// Follows reshapes of a whole tensor back to the value that they reshape.
fn behind_reshapes(graph: &Graph, nodes: &[Node], mut value: Value) -> Value {
    while let Some(node) = nodes.iter().find(|node| node.outputs.contains(&value)) {
        let whole = node.op.structure() == (Structure::View { offset: 0 })
            && graph.ty(node.inputs[0]).elements() == graph.ty(value).elements();
        if !whole {
            break;
        }
        value = node.inputs[0];
    }
    value
}

/// Whether a kernel makes the value in memory of its own.
fn is_computed(graph: &Graph, nodes: &[Node], value: Value) -> bool {
    matches!(graph.origin(value), Origin::Node { .. })
        && nodes.iter().any(|node| {
            node.op.structure() == Structure::Compute
                && node
                    .outputs
                    .iter()
                    .position(|&v| v == value)
                    .is_some_and(|o| node.op.aliases().iter().all(|&(output, _)| output != o))
        })
}

/// How often packs take a value: one that they take twice has no single place.
fn count_packed(graph: &Graph, nodes: &[Node], value: Value) -> usize {
    nodes
        .iter()
        .filter(|node| matches!(node.op.structure(), Structure::Pack { .. }))
        .flat_map(|node| &node.inputs)
        .filter(|&&input| behind_reshapes(graph, nodes, input) == value)
        .count()
}

/// Whether some node reads `value` and writes another tensor of the same arena: a kernel cannot
/// bind one buffer for reading and for writing.
fn meets_arena(graph: &Graph, nodes: &[Node], value: Value, packed: &[Value]) -> bool {
    let packed: Vec<Value> = packed.iter().map(|&v| behind_reshapes(graph, nodes, v)).collect();
    nodes.iter().filter(|node| node.op.structure() == Structure::Compute).any(|node| {
        node.inputs.iter().any(|&v| behind_reshapes(graph, nodes, v) == value)
            && node.outputs.iter().any(|v| packed.contains(v))
    })
}
