//! Element-wise ops in one pass: a small tree of them with one result, whose values in between stay
//! in registers on a GPU and in the cache on the CPU.
//!
//! `compile` makes them of nodes that were written one by one. The members are the ops themselves:
//! references, costs and tolerances follow from theirs.

mod cases;
mod cpu;
mod gpu;
mod member;

use serde::{Deserialize, Serialize};

pub use member::Member;

use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Fill, HalfForm, HostInput, HostIo, HostKernel, HostOutput,
    Lowering, Op, OpDef, Part, Signature,
};
use crate::ops::kit::LARGEST_COTANGENT;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Most members of a chain: their results must fit registers and the first cache.
pub const MAX_LINKS: usize = 8;
/// Most inputs of a chain: with the output, WebGPU's default number of storage buffers.
pub const MAX_INPUTS: usize = 7;

/// Element-wise ops of which each takes inputs of the chain or results of members before it; the
/// last one's result is the output.
///
/// Inputs: those of the members, each used once; first all that are stored as activations are, then
/// the others (biases, counters). Output: the shape that all results have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementwiseChain {
    /// The members, in the order in which they are computed.
    pub links: Vec<Link>,
}

/// A member of a chain, with the places where its operands come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The op.
    pub member: Member,
    /// Its operands, in order.
    pub operands: Vec<Source>,
}

/// Where an operand of a member comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An input of the chain.
    Input(usize),
    /// The result of an earlier member.
    Link(usize),
}

impl ElementwiseChain {
    /// The op as a chain: itself, or its only member.
    pub fn of(op: &dyn Op) -> Option<Self> {
        if let Some(chain) = op.downcast_ref::<Self>() {
            return Some(chain.clone());
        }
        let member = Member::of(op)?;
        let operands = (0..member.arity()).map(Source::Input).collect();
        Some(Self { links: vec![Link { member, operands }] })
    }

    /// The chain that computes `consumer` with the result of this one as its input `position`, and
    /// where its inputs come from: positions among the inputs of this chain followed by the other
    /// inputs of `consumer`. None where it would be too large.
    pub fn then(&self, consumer: &Self, position: usize) -> Option<(Self, Vec<usize>)> {
        let (own, theirs) = (self.input_count(), consumer.input_count());
        let behind = |source: Source| match source {
            Source::Link(link) => Source::Link(self.links.len() + link),
            Source::Input(input) if input == position => Source::Link(self.links.len() - 1),
            Source::Input(input) => Source::Input(own + input - usize::from(input > position)),
        };
        let mut links = self.links.clone();
        for Link { member, operands } in &consumer.links {
            let operands = operands.iter().copied().map(behind).collect();
            links.push(Link { member: member.clone(), operands });
        }
        let mut chain = Self { links };
        let input_count = own + theirs - 1;
        if chain.links.len() > MAX_LINKS || input_count > MAX_INPUTS || !chain.has_one_function() {
            return None;
        }
        let mut order: Vec<usize> = (0..input_count).collect();
        order.sort_by_key(|&input| !chain.stores_activation(input));
        for operand in chain.links.iter_mut().flat_map(|link| &mut link.operands) {
            if let Source::Input(input) = operand {
                *input = order.iter().position(|from| from == input)?;
            }
        }
        Some((chain, order))
    }

    fn input_count(&self) -> usize {
        self.slots().count()
    }

    /// Each input with the member and the position that take it.
    fn slots(&self) -> impl Iterator<Item = (usize, &Member, usize)> {
        self.links.iter().flat_map(|Link { member, operands }| {
            let inputs = operands.iter().enumerate();
            inputs.filter_map(move |(position, source)| match source {
                Source::Input(input) => Some((*input, member, position)),
                Source::Link(_) => None,
            })
        })
    }

    /// Whether an input is stored as activations are.
    fn stores_activation(&self, input: usize) -> bool {
        self.slots().any(|(i, member, position)| i == input && member.stores_activation(position))
    }

    /// The activation function of a chain: a kernel has the code of one.
    fn function(&self) -> Option<Activation> {
        self.links.iter().find_map(|link| link.member.function())
    }

    fn has_one_function(&self) -> bool {
        let mut functions = self.links.iter().filter_map(|link| link.member.function());
        functions.all(|function| Some(function) == self.function())
    }

    /// Types of the operands of a member, from those of the inputs and of the results before it.
    fn operand_types(
        link: &Link,
        inputs: &[TensorType],
        results: &[TensorType],
    ) -> Vec<TensorType> {
        let ty = |source: &Source| match *source {
            Source::Input(input) => inputs.get(input),
            Source::Link(link) => results.get(link),
        };
        // What is missing shows as an operand too few.
        link.operands.iter().filter_map(ty).cloned().collect()
    }

    /// Types of the members' results.
    fn results(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let error = |message: String| Err(ShapeError::new("elementwise_chain", message));
        if inputs.len() != self.input_count() {
            let count = self.input_count();
            return error(format!("takes {count} inputs, {} were given", inputs.len()));
        }
        let used = |input: usize| self.slots().filter(|&(i, ..)| i == input).count();
        if let Some(input) = (0..inputs.len()).find(|&input| used(input) != 1) {
            return error(format!("uses input {input} {} times, not once", used(input)));
        }
        let halves = (0..inputs.len()).map(|input| self.stores_activation(input));
        if !halves.is_sorted_by(|first, second| first >= second) {
            return error("must take its parameters and counters last".to_owned());
        }
        if self.links.len() > MAX_LINKS || inputs.len() > MAX_INPUTS || !self.has_one_function() {
            return error(format!(
                "has {} members and {} inputs: at most {MAX_LINKS} and {MAX_INPUTS} are possible, \
                 with one activation function",
                self.links.len(),
                inputs.len()
            ));
        }
        let mut results: Vec<TensorType> = Vec::with_capacity(self.links.len());
        for link in &self.links {
            let operands = Self::operand_types(link, inputs, &results);
            results.extend(link.member.op().infer(&operands)?);
        }
        let Some(last) = results.last() else { return error("has no member".to_owned()) };
        match results.iter().find(|ty| *ty != last) {
            Some(other) => error(format!("makes {last}, but a value in between is {other}")),
            None => Ok(results),
        }
    }

    /// Each member with its signature.
    fn members(&self, sig: &Signature) -> Vec<(&Link, Signature)> {
        let results = self.results(&sig.inputs).unwrap_or_default();
        let signature = |(link, result): (_, &TensorType)| {
            let inputs = Self::operand_types(link, &sig.inputs, &results);
            (link, Signature { inputs, outputs: vec![result.clone()] })
        };
        self.links.iter().zip(&results).map(signature).collect()
    }
}

impl OpDef for ElementwiseChain {
    const NAME: &'static str = "elementwise_chain";

    fn title(&self) -> String {
        let names = self.links.iter().map(|link| link.member.op().name());
        names.collect::<Vec<_>>().join("+")
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(self.results(inputs)?.split_off(self.links.len() - 1))
    }

    /// The members one after the other, each over whole tensors.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let inputs: Vec<TensorType> =
            (0..io.inputs.count()).map(|input| io.inputs.ty(input).clone()).collect();
        let types = self.results(&inputs).expect("infer has checked the shapes");
        let mut results: Vec<Vec<T>> = Vec::with_capacity(types.len());
        for (link, ty) in self.links.iter().zip(&types) {
            let operand = |source: &Source| match *source {
                Source::Link(link) => (HostInput::Float(&results[link][..]), &types[link]),
                Source::Input(i) if inputs[i].dtype == DType::U32 => {
                    (HostInput::U32(io.inputs.u32(i)), &inputs[i])
                }
                Source::Input(i) => (HostInput::Float(io.inputs.float(i)), &inputs[i]),
            };
            let operands = link.operands.iter().map(operand).collect();
            let mut result = vec![T::from_f64(0.0); ty.elements()];
            let outputs = vec![(HostOutput::Float(&mut result[..]), ty)];
            link.member.reference(&mut HostIo::new(operands, outputs));
            results.push(result);
        }
        if let Some(last) = results.last() {
            io.outputs.float(0).copy_from_slice(last);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        gpu::lowerings(self, sig, caps)
    }

    fn part(&self, sig: &Signature, _part: Part) -> Option<Self> {
        let elements = sig.outputs.first()?.elements();
        let is_same = |ty: &TensorType| ty.elements() == elements || ty.elements() == 1;
        let alike = self.links.iter().all(|link| link.member.is_alike_everywhere());
        (alike && sig.inputs.iter().all(is_same)).then(|| self.clone())
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::kernels(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6];
        const fn first(count: usize) -> HalfForm {
            HalfForm::new(ALL.split_at(count).0, &[0])
        }
        const FORMS: &[HalfForm] =
            &[first(0), first(1), first(2), first(3), first(4), first(5), first(6), first(7)];
        let count = self.slots().filter(|(_, member, i)| member.stores_activation(*i)).count();
        FORMS.get(count..=count).unwrap_or_default()
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
        let sig = Signature { inputs: inputs.to_vec(), outputs: Vec::new() };
        for (link, sig) in self.members(&sig) {
            for (source, fill) in
                link.operands.iter().zip(link.member.op().sample_inputs(&sig.inputs))
            {
                if let Source::Input(input) = *source {
                    fills[input] = fill;
                }
            }
        }
        fills
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Relative errors add up. A sum of values in between may cancel, which leaves errors of the
        // size of its terms; a function of one turns its relative error into an absolute one, and
        // factors enlarge that.
        let mut sum = Tolerance::ulps(0.0);
        for (link, sig) in self.members(sig) {
            let own = link.member.op().tolerance(&sig, "");
            let is_between = |source: &Source| matches!(source, Source::Link(_));
            if link.member.is_sum() && link.operands.iter().any(is_between) {
                sum.reduction_len += 1;
            }
            if link.member.function().is_some() && link.operands.first().is_some_and(is_between) {
                sum.absolute_ulps += LARGEST_COTANGENT * sum.ulps;
            }
            sum.absolute_ulps = sum.absolute_ulps * link.member.gain() + own.absolute_ulps;
            sum.ulps += own.ulps;
        }
        sum
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let flop: u64 =
            self.members(sig).iter().map(|(link, sig)| link.member.op().cost(sig).flop).sum();
        Cost { flop, ..Cost::of(sig, 0) }
    }

    fn cases() -> Vec<Case> {
        cases::cases()
    }
}
