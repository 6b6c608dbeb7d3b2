//! Graph to program: runs the passes and writes down buffers, kernels and steps.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::chains::join_chains;
use super::derivatives::move_derivatives;
use super::losses::merge_losses;
use super::memory::{Transient, assign_slots};
use super::norms::split_norms;
use super::program::{
    BoundRegion, Buffer, Dispatch, KernelText, OperandAt, Program, Region, Role, Step,
};
use super::storage::Storage;
use super::sums::{join_sums, sum_selections};
use super::textures::place_in_textures;
use super::{CompileError, fuse, schedule};
use crate::graph::{
    Binding, Caps, Graph, Kernel, Lowering, Node, Op, Operand, Origin, Signature, Value,
};
use crate::ops::View;
use crate::tensor::DType;

/// Picks one of a node's lowerings, by position; out-of-range picks mean the first.
pub type Choice<'a> = &'a dyn Fn(&dyn Op, &Signature, &[Lowering]) -> usize;

/// Compiles a graph for a device with `caps`.
///
/// # Errors
/// When no order of execution is right, a tensor does not fit the device, or two states share a
/// name.
pub fn compile(
    name: &str,
    graph: &Graph,
    caps: &Caps,
    choice: Choice<'_>,
) -> Result<Program, CompileError> {
    if !caps.f16 && graph.values().any(|value| graph.ty(value).dtype == DType::F16) {
        return Err(CompileError::NoF16);
    }
    // Passes add values, which the caller's graph must not get.
    let mut graph = graph.clone();
    let nodes = fuse::live_nodes(&graph, graph.nodes().to_vec());
    let nodes = merge_losses(&graph, nodes);
    let nodes = move_derivatives(&mut graph, nodes);
    let nodes = fuse::fuse_epilogues(&graph, nodes);
    let nodes = sum_selections(&graph, nodes);
    let nodes = join_sums(&graph, caps, nodes);
    let nodes = split_norms(&graph, nodes);
    let joined = join_chains(&graph, nodes.clone());
    match translate(name, &graph, &joined, caps, choice) {
        // A pass that needs a state before and after its update would have no place.
        Err(CompileError::Cycle { .. }) => translate(name, &graph, &nodes, caps, choice),
        result => result,
    }
}

/// Compiles like [`compile`], but leaves every op a step of its own: what fusion is checked against.
///
/// # Errors
/// Those of [`compile`].
pub fn compile_unfused(
    name: &str,
    graph: &Graph,
    caps: &Caps,
    choice: Choice<'_>,
) -> Result<Program, CompileError> {
    let nodes = fuse::live_nodes(graph, graph.nodes().to_vec());
    translate(name, graph, &nodes, caps, choice)
}

fn translate(
    name: &str,
    graph: &Graph,
    nodes: &[Node],
    caps: &Caps,
    choice: Choice<'_>,
) -> Result<Program, CompileError> {
    let storage = Storage::resolve(graph, nodes, caps.offset_alignment as usize);
    check_outputs(graph, nodes, &storage)?;
    let order = schedule::order(graph, nodes, &storage)?;
    let executions = executions(graph, nodes, &storage, &order);
    let lowered = executions
        .iter()
        .map(|execution| lower(graph, execution, caps, choice))
        .collect::<Result<Vec<_>, _>>()?;
    let mut layout = Layout::new(name, graph, &storage, &executions, &lowered)?;
    check_buffers(&layout.buffers, caps)?;
    let mut kernels = KernelTable::default();
    let mut steps: Vec<Step> = executions
        .iter()
        .zip(&lowered)
        .enumerate()
        .map(|(index, (execution, lowering))| {
            step(graph, &storage, &layout, &mut kernels, index, execution, lowering)
        })
        .collect();
    let outputs = graph
        .outputs()
        .iter()
        .map(|(name, value)| (name.clone(), layout.operand(graph, &storage, *value)))
        .collect::<BTreeMap<_, _>>();
    let buffers = std::mem::take(&mut layout.buffers);
    let textures = place_in_textures(&mut steps);
    Ok(Program { name: name.to_owned(), buffers, textures, kernels: kernels.texts, steps, outputs })
}

/// A device has no buffers beyond a size.
fn check_buffers(buffers: &[Buffer], caps: &Caps) -> Result<(), CompileError> {
    let available = caps.max_buffer_bytes;
    let too_large = buffers.iter().find(|buffer| buffer.bytes as u64 > available);
    too_large.map_or(Ok(()), |Buffer { name, bytes, .. }| {
        let needed = *bytes as u64;
        Err(CompileError::BufferTooLarge { name: name.clone(), needed, available })
    })
}

/// An output must own its memory, and nothing may change it later: it is read after the run.
fn check_outputs(graph: &Graph, nodes: &[Node], storage: &Storage) -> Result<(), CompileError> {
    for (position, (name, value)) in graph.outputs().iter().enumerate() {
        let place = storage.place(*value);
        let is_state = matches!(graph.origin(place.root), Origin::Source(_));
        let in_part = graph.ty(*value).elements() != graph.ty(place.root).elements();
        let twice = graph.outputs()[..position]
            .iter()
            .any(|(_, other)| storage.place(*other).root == place.root);
        let changed = nodes.iter().flat_map(|node| &node.outputs).any(|&output| {
            let other = storage.place(output);
            other.root == place.root && other.version > place.version
        });
        if is_state || in_part || twice || changed || storage.arenas.contains(&place.root) {
            return Err(CompileError::SharedOutput { name: name.clone() });
        }
    }
    Ok(())
}

/// One execution of an op: a node that computes, or a copy of one tensor into an arena.
struct Execution {
    op: Arc<dyn Op>,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    scope: String,
    /// For a copy into an arena: the offset of its output, in bytes.
    arena_offset: usize,
}

/// What is executed, in order: elided nodes disappear, copies into arenas appear.
fn executions(graph: &Graph, nodes: &[Node], storage: &Storage, order: &[usize]) -> Vec<Execution> {
    let mut executions = Vec::new();
    for &index in order {
        let node = &nodes[index];
        if !storage.elided[index] {
            executions.push(Execution {
                op: node.op.clone(),
                inputs: node.inputs.clone(),
                outputs: node.outputs.clone(),
                scope: node.scope.clone(),
                arena_offset: 0,
            });
        }
        let crate::graph::Structure::Pack { offsets } = node.op.structure() else { continue };
        for &(_, input) in storage.copies.iter().filter(|(pack, _)| *pack == index) {
            let value = node.inputs[input];
            executions.push(Execution {
                op: Arc::new(View::reshape(graph.ty(value).shape.clone())),
                inputs: vec![value],
                outputs: vec![node.outputs[0]],
                scope: node.scope.clone(),
                arena_offset: offsets[input] * 4,
            });
        }
    }
    executions
}

/// Types of an execution's operands; the output of a copy into an arena has its input's type.
fn signature(graph: &Graph, execution: &Execution) -> Signature {
    let types = |values: &[Value]| values.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
    let inputs = types(&execution.inputs);
    let is_copy = execution.outputs.len() == 1
        && execution.op.structure() != crate::graph::Structure::Compute;
    let outputs = if is_copy {
        execution.op.infer(&inputs).unwrap_or_else(|_| types(&execution.outputs))
    } else {
        types(&execution.outputs)
    };
    Signature { inputs, outputs }
}

/// The lowerings of an op whose bindings and workgroup counts fit the device, best guess first.
pub fn runnable(op: &dyn Op, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
    let mut lowerings = op.lowerings(sig, caps);
    lowerings.retain(|lowering| {
        let bindings_fit = lowering.largest_binding(sig) as u64 <= caps.max_binding_bytes;
        let grid_fits = lowering
            .kernels
            .iter()
            .all(|k| k.workgroups.iter().all(|&count| count <= caps.max_workgroups));
        bindings_fit && grid_fits
    });
    lowerings
}

fn lower(
    graph: &Graph,
    execution: &Execution,
    caps: &Caps,
    choice: Choice<'_>,
) -> Result<Lowering, CompileError> {
    let sig = signature(graph, execution);
    let scope = || execution.scope.clone();
    let op = || execution.op.title();
    if !caps.kernels {
        let variant = "cpu".to_owned();
        return Ok(Lowering { variant, scratch: Vec::new(), kernels: Vec::new() });
    }
    let mut lowerings = runnable(execution.op.as_ref(), &sig, caps);
    if lowerings.is_empty() {
        let types = sig.inputs.iter().chain(&sig.outputs);
        if let Some(largest) = types.max_by_key(|ty| ty.bytes())
            && largest.bytes() as u64 > caps.max_binding_bytes
        {
            return Err(CompileError::TooLarge {
                scope: scope(),
                op: op(),
                tensor: largest.clone(),
                needed: largest.bytes() as u64,
                available: caps.max_binding_bytes,
            });
        }
        let signature = sig.inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(CompileError::NoLowering { scope: scope(), op: op(), signature });
    }
    let pick = choice(execution.op.as_ref(), &sig, &lowerings);
    let pick = if pick < lowerings.len() { pick } else { 0 };
    Ok(lowerings.swap_remove(pick))
}

/// Buffers of the program, and where roots and scratch lie among them.
struct Layout {
    buffers: Vec<Buffer>,
    of_root: HashMap<Value, usize>,
    /// Buffer of each scratch tensor, by execution and position.
    of_scratch: HashMap<(usize, usize), usize>,
}

impl Layout {
    fn new(
        program: &str,
        graph: &Graph,
        storage: &Storage,
        executions: &[Execution],
        lowered: &[Lowering],
    ) -> Result<Self, CompileError> {
        let mut layout =
            Self { buffers: Vec::new(), of_root: HashMap::new(), of_scratch: HashMap::new() };
        layout.add_lasting(program, graph, storage, executions)?;
        layout.add_slots(graph, storage, executions, lowered);
        Ok(layout)
    }

    /// Buffers that are not shared: states, arenas, outputs.
    fn add_lasting(
        &mut self,
        program: &str,
        graph: &Graph,
        storage: &Storage,
        executions: &[Execution],
    ) -> Result<(), CompileError> {
        let used = executions.iter().flat_map(|e| e.inputs.iter().chain(&e.outputs));
        let roots: Vec<Value> = used
            .chain(graph.outputs().iter().map(|(_, value)| value))
            .map(|&v| storage.place(v).root)
            .collect();
        let mut declared: HashMap<&str, Value> = HashMap::new();
        for &root in &roots {
            let Origin::Source(name) = graph.origin(root) else { continue };
            match declared.insert(name, root) {
                Some(other) if other != root => {
                    return Err(CompileError::Duplicate {
                        name: name.clone(),
                        first: graph.ty(other).to_string(),
                        second: graph.ty(root).to_string(),
                    });
                }
                _ => self.add(root, name.clone(), graph.ty(root).bytes(), Role::State),
            }
        }
        for &arena in storage.arenas.iter().filter(|arena| roots.contains(arena)) {
            let name = format!("{program}/arena{}", arena.index());
            self.add(arena, name, graph.ty(arena).bytes(), Role::Arena);
        }
        for (name, value) in graph.outputs() {
            let root = storage.place(*value).root;
            let name = format!("{program}/{name}");
            self.add(root, name, graph.ty(root).bytes(), Role::Output);
        }
        Ok(())
    }

    /// Buffers that tensors share which do not live at the same time, scratch memory among them.
    fn add_slots(
        &mut self,
        graph: &Graph,
        storage: &Storage,
        executions: &[Execution],
        lowered: &[Lowering],
    ) {
        let mut lives: BTreeMap<Value, (usize, usize)> = BTreeMap::new();
        for (index, execution) in executions.iter().enumerate() {
            for &value in execution.inputs.iter().chain(&execution.outputs) {
                let root = storage.place(value).root;
                if !self.of_root.contains_key(&root) {
                    lives.entry(root).or_insert((index, index)).1 = index;
                }
            }
        }
        let scratch = lowered.iter().enumerate().flat_map(|(index, lowering)| {
            lowering.scratch.iter().enumerate().map(move |(i, &bytes)| ((index, i), bytes))
        });
        let scratch: Vec<((usize, usize), usize)> = scratch.collect();
        let transients: Vec<Transient> = lives
            .iter()
            .map(|(&root, &(first, last))| Transient { bytes: graph.ty(root).bytes(), first, last })
            .chain(scratch.iter().map(|&((index, _), bytes)| Transient {
                bytes: bytes.next_multiple_of(4),
                first: index,
                last: index,
            }))
            .collect();
        let slots = assign_slots(&transients);
        let first_slot = self.buffers.len();
        for (i, &bytes) in slots.bytes.iter().enumerate() {
            let bytes = bytes.max(4);
            self.buffers.push(Buffer { name: format!("slot{i}"), bytes, role: Role::Slot });
        }
        let (tensor_slots, scratch_slots) = slots.of.split_at(lives.len());
        for (&root, slot) in lives.keys().zip(tensor_slots) {
            self.of_root.insert(root, first_slot + slot);
        }
        for ((key, _), slot) in scratch.iter().zip(scratch_slots) {
            self.of_scratch.insert(*key, first_slot + slot);
        }
    }

    fn add(&mut self, root: Value, name: String, bytes: usize, role: Role) {
        self.of_root.entry(root).or_insert_with(|| {
            self.buffers.push(Buffer { name, bytes: bytes.max(4), role });
            self.buffers.len() - 1
        });
    }

    fn operand(&self, graph: &Graph, storage: &Storage, value: Value) -> OperandAt {
        let place = storage.place(value);
        let ty = graph.ty(value).clone();
        let bytes = ty.bytes();
        let region = Region { buffer: self.of_root[&place.root], offset: place.offset, bytes };
        OperandAt { region, ty }
    }
}

/// Distinct kernels, by text.
#[derive(Default)]
struct KernelTable {
    texts: Vec<KernelText>,
    known: HashMap<String, usize>,
}

impl KernelTable {
    fn intern(&mut self, kernel: &Kernel) -> usize {
        *self.known.entry(kernel.source.clone()).or_insert_with(|| {
            self.texts.push(KernelText {
                name: kernel.name.clone(),
                source: kernel.source.clone(),
                accesses: kernel.bindings.iter().map(|binding| binding.access).collect(),
            });
            self.texts.len() - 1
        })
    }
}

fn step(
    graph: &Graph,
    storage: &Storage,
    layout: &Layout,
    kernels: &mut KernelTable,
    index: usize,
    execution: &Execution,
    lowering: &Lowering,
) -> Step {
    let sig = signature(graph, execution);
    let at = |value: &Value, ty: &crate::tensor::TensorType| {
        let mut operand = layout.operand(graph, storage, *value);
        operand.region.bytes = ty.bytes();
        operand.ty = ty.clone();
        operand
    };
    let inputs: Vec<OperandAt> =
        execution.inputs.iter().zip(&sig.inputs).map(|(v, ty)| at(v, ty)).collect();
    let mut outputs: Vec<OperandAt> =
        execution.outputs.iter().zip(&sig.outputs).map(|(v, ty)| at(v, ty)).collect();
    if let Some(output) = outputs.first_mut() {
        output.region.offset += execution.arena_offset;
    }
    let region = |binding: &Binding| match binding.operand {
        Operand::Input(i) => inputs[i].bound(binding.part),
        Operand::Output(o) => outputs[o].bound(binding.part),
        Operand::Scratch(s) => Region {
            buffer: layout.of_scratch[&(index, s)],
            offset: 0,
            bytes: lowering.scratch[s].next_multiple_of(4),
        },
    };
    let dispatches = lowering
        .kernels
        .iter()
        .map(|kernel| Dispatch {
            kernel: kernels.intern(kernel),
            bindings: kernel
                .bindings
                .iter()
                .map(|b| BoundRegion { region: region(b), access: b.access })
                .collect(),
            textures: Vec::new(),
            workgroups: kernel.workgroups,
        })
        .collect();
    Step {
        scope: execution.scope.clone(),
        op: execution.op.clone(),
        inputs,
        outputs,
        variant: lowering.variant.clone(),
        dispatches,
    }
}
