//! How often a GPU waits in a run of a program: the barriers that wgpu puts between dispatches.
//!
//! wgpu (its `track` module) keeps one state for each whole buffer. A dispatch waits for all before it
//! when a buffer that it binds was bound in the pass for writing, or is now: read after read is the
//! only pair that needs no barrier, and disjoint ranges of a buffer count as the same. All barriers
//! that one dispatch needs are one wait. What a pass binds first waits at its start, at once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::program::{Dispatch, Program};
use crate::graph::Access;

/// How a resource is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
    /// Source of a copy into a texture.
    CopyFrom,
    /// Texture that is copied into.
    CopyTo,
}

/// What wgpu tracks: a buffer or a texture of the program, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Resource {
    Buffer(usize),
    Texture(usize),
}

/// What the resources were last used for.
#[derive(Debug, Default)]
struct States(HashMap<Resource, Use>);

impl States {
    /// Notes uses that happen together, and says whether they must wait for earlier ones.
    fn change(&mut self, uses: &[(Resource, Use)]) -> bool {
        let waits = |&(resource, new): &(Resource, Use)| {
            self.0.get(&resource).is_some_and(|&old| old != new || new != Use::Read)
        };
        let any = uses.iter().any(waits);
        self.0.extend(uses.iter().copied());
        any
    }
}

/// What it costs to start a run of a program, beside the work itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launches {
    /// Dispatches.
    pub dispatches: usize,
    /// Times that the device waits for what was dispatched before.
    pub barriers: usize,
}

impl Program {
    /// Dispatches and barriers of one run.
    pub fn launches(&self) -> Launches {
        Launches { dispatches: self.dispatch_count(), barriers: self.barrier_count() }
    }

    /// Number of times that a run waits: barriers between the dispatches of a pass, at the start of a
    /// pass, and before copies into textures, where runs follow on runs.
    pub fn barrier_count(&self) -> usize {
        let mut states = States::default();
        // Only a second run meets the states that a run leaves behind.
        self.count_barriers(&mut states);
        self.count_barriers(&mut states)
    }

    fn count_barriers(&self, before: &mut States) -> usize {
        let mut count = 0;
        let dispatches: Vec<&Dispatch> = self.dispatches().collect();
        // As the executor encodes them: copies end a pass.
        for pass in dispatches.chunk_by(|_, next| copies(next).is_empty()) {
            for copy in copies(pass[0]) {
                count += usize::from(before.change(&copy));
            }
            let mut first_uses = HashMap::new();
            let mut within = States::default();
            for dispatch in pass {
                let uses = uses(dispatch);
                for &(resource, new) in &uses {
                    first_uses.entry(resource).or_insert(new);
                }
                count += usize::from(within.change(&uses));
            }
            let first_uses: Vec<_> = first_uses.into_iter().collect();
            count += usize::from(before.change(&first_uses));
            before.0.extend(within.0);
        }
        count
    }
}

/// Uses of each copy that goes before a dispatch.
fn copies(dispatch: &Dispatch) -> Vec<[(Resource, Use); 2]> {
    let operands = dispatch.bindings.iter().filter(|bound| bound.access == Access::Texels);
    let read = operands.zip(&dispatch.textures).filter(|(_, read)| read.copied);
    read.map(|(bound, read)| {
        [
            (Resource::Buffer(bound.region.buffer), Use::CopyFrom),
            (Resource::Texture(read.texture), Use::CopyTo),
        ]
    })
    .collect()
}

fn uses(dispatch: &Dispatch) -> Vec<(Resource, Use)> {
    let mut reads = dispatch.textures.iter();
    let one = |bound: &super::program::BoundRegion| {
        let buffer = Resource::Buffer(bound.region.buffer);
        Some(match bound.access {
            Access::Read => (buffer, Use::Read),
            Access::Write | Access::Update => (buffer, Use::Write),
            Access::Texels => (Resource::Texture(reads.next()?.texture), Use::Read),
        })
    };
    dispatch.bindings.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use crate::compile::compile;
    use crate::graph::{Caps, Graph, Value};
    use crate::ops::{Advance, Scale};
    use crate::tensor::TensorType;

    fn barriers(graph: &Graph) -> usize {
        let program = compile("waits", graph, &Caps::webgpu_default(), &|_, _, all| {
            // Vectors or not: one dispatch.
            all.len() - 1
        });
        program.expect("it fits").barrier_count()
    }

    fn scaled(graph: &mut Graph, x: Value, factor: f64) -> Value {
        graph.push(Scale { factor }, &[x]).expect("shapes fit")
    }

    /// The start of the pass, where runs follow on runs, is a wait of its own.
    #[test]
    fn chains_wait_and_readers_of_one_buffer_do_not() {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([8]));
        for (name, factor) in [("a", 2.0), ("b", 3.0), ("c", 4.0)] {
            let y = scaled(&mut graph, x, factor);
            graph.output(name, y);
        }
        assert_eq!(barriers(&graph), 1, "three outputs, each written again in the next run");
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([8]));
        let a = scaled(&mut graph, x, 2.0);
        graph.output("a", a);
        let c = scaled(&mut graph, a, 2.0);
        graph.output("c", c);
        assert_eq!(barriers(&graph), 2, "the second reads what the first writes");
    }

    #[test]
    fn two_states_advance_at_once() {
        let mut graph = Graph::default();
        for name in ["one", "two"] {
            let step = graph.source(name, TensorType::u32([1]));
            graph.push(Advance {}, &[step]).expect("a counter");
        }
        assert_eq!(barriers(&graph), 1);
    }
}
