//! Operands that are larger than what a device binds at once: kernels bind a part of them each.
//!
//! An op that works element by element says what it is on a range of elements
//! ([`super::OpDef::part`]); its lowerings are put together here from those of the parts. Others
//! write such lowerings themselves, from [`Placed`] ones. Scratch memory is always bound as a whole,
//! and parts that follow each other share it.

use super::{Binding, Caps, Kernel, Lowering, Operand, Part, Signature};
use crate::tensor::TensorType;

impl Lowering {
    /// Bytes that a binding of one of its kernels takes, for operands of the types in `sig`.
    pub fn bound_bytes(&self, binding: &Binding, sig: &Signature) -> usize {
        match (sig.ty(binding.operand), binding.part) {
            (Some(ty), Some(part)) => part.bytes(ty.dtype),
            (Some(ty), None) => ty.bytes(),
            (None, _) => match binding.operand {
                Operand::Scratch(i) => self.scratch.get(i).copied().unwrap_or(0),
                _ => 0,
            },
        }
    }

    /// Bytes of the largest binding of its kernels.
    pub fn largest_binding(&self, sig: &Signature) -> usize {
        let bindings = self.kernels.iter().flat_map(|kernel| &kernel.bindings);
        bindings.map(|binding| self.bound_bytes(binding, sig)).max().unwrap_or(0)
    }

    /// The kernels of `next` behind those of this lowering, in the same scratch memory.
    pub fn extend(&mut self, next: Self) {
        for (i, bytes) in next.scratch.into_iter().enumerate() {
            match self.scratch.get_mut(i) {
                Some(own) => *own = bytes.max(*own),
                None => self.scratch.push(bytes),
            }
        }
        self.kernels.extend(next.kernels);
    }

    /// The lowering of an op as a part of that of another: `place` tells where its operands lie there;
    /// its scratch memory comes behind that of `scratch` bytes each.
    #[must_use]
    pub fn placed(self, scratch: &[usize], place: &dyn Fn(Operand) -> Placed) -> Self {
        let bound = |binding: Binding| match binding.operand {
            Operand::Scratch(i) => {
                Binding { operand: Operand::Scratch(scratch.len() + i), ..binding }
            }
            operand => {
                let Placed { operand, part } = place(operand);
                Binding { operand, part: part.or(binding.part), ..binding }
            }
        };
        let kernels = self.kernels.into_iter().map(|kernel| {
            let bindings = kernel.bindings.into_iter().map(bound).collect();
            Kernel { bindings, ..kernel }
        });
        Self {
            kernels: kernels.collect(),
            scratch: scratch.iter().copied().chain(self.scratch).collect(),
            variant: self.variant,
        }
    }
}

/// What an operand of a part is to the whole.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The operand.
    pub operand: Operand,
    /// Its elements; all where there is none.
    pub part: Option<Part>,
}

/// Whether every operand fits one binding.
pub fn fit_bindings(sig: &Signature, caps: &Caps) -> bool {
    sig.inputs.iter().chain(&sig.outputs).all(|ty| ty.bytes() as u64 <= caps.max_binding_bytes)
}

/// `count` rows of matrices, of `rows` words each, cut into as few runs of rows as bindings allow,
/// about equally long, each of which starts where a binding can; first rows and numbers of rows. None
/// where not even the fewest rows fit.
pub fn runs_of_rows(count: usize, rows: &[usize], caps: &Caps) -> Option<Vec<Part>> {
    const WORD: u64 = 4;
    if count == 0 {
        return Some(vec![Part { first: 0, count }]);
    }
    let row = rows.iter().copied().max().unwrap_or(1).max(1);
    // Powers of two, of which the largest is a multiple of all.
    let units = rows.iter().map(|&row| Part::ALIGNMENT / gcd(Part::ALIGNMENT, row));
    let unit = units.max().unwrap_or(1);
    let words = usize::try_from(caps.max_binding_bytes / WORD).unwrap_or(usize::MAX);
    let most = words / row / unit * unit;
    if most == 0 {
        return None;
    }
    let runs = count.div_ceil(most).max(1);
    let each = count.div_ceil(runs).next_multiple_of(unit);
    let run = |first: usize| Part { first, count: each.min(count - first) };
    Some((0..count).step_by(each).map(run).collect())
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Gives the lowerings of an op, or of a part of it, for operands of some types.
type Lower<'a> = &'a dyn Fn(&Signature) -> Vec<Lowering>;

/// Gives the lowerings of a part of an op, with its operand types; none where it has no parts.
type LowerPart<'a> = &'a dyn Fn(Part, &Signature) -> Option<Vec<Lowering>>;

/// The lowerings of an op on f32, best guess first: in parts where its operands are too large to be
/// bound.
pub(super) fn lower(
    sig: &Signature,
    caps: &Caps,
    whole: Lower<'_>,
    part: LowerPart<'_>,
) -> Vec<Lowering> {
    let parts = if fit_bindings(sig, caps) { None } else { in_parts(sig, caps, part) };
    parts.unwrap_or_else(|| whole(sig))
}

/// The lowerings of an op that says what it is on a range of elements.
fn in_parts(sig: &Signature, caps: &Caps, lower: LowerPart<'_>) -> Option<Vec<Lowering>> {
    let elements = sig.outputs.first()?.elements();
    let runs = runs_of_rows(elements, &[1], caps)?;
    let is_cut = |ty: &TensorType| ty.elements() == elements;
    let of_part = |part: Part| {
        let cut = |ty: &TensorType| {
            if is_cut(ty) { TensorType::new(ty.dtype, [part.count]) } else { ty.clone() }
        };
        let part_sig = Signature {
            inputs: sig.inputs.iter().map(cut).collect(),
            outputs: sig.outputs.iter().map(cut).collect(),
        };
        let place = |operand: Operand| {
            let part = sig.ty(operand).filter(|ty| is_cut(ty)).map(|_| part);
            Placed { operand, part }
        };
        let lowerings = lower(part, &part_sig)?.into_iter();
        Some(lowerings.map(|lowering| lowering.placed(&[], &place)).collect::<Vec<_>>())
    };
    let parts = runs.into_iter().map(of_part).collect::<Option<Vec<_>>>()?;
    parts.into_iter().reduce(one_after_another)
}

/// The variants that both parts have, the kernels of the second behind those of the first.
pub fn one_after_another(first: Vec<Lowering>, mut second: Vec<Lowering>) -> Vec<Lowering> {
    let joined = first.into_iter().filter_map(|mut lowering| {
        let at = second.iter().position(|next| next.variant == lowering.variant)?;
        lowering.extend(second.swap_remove(at));
        Some(lowering)
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_all_rows_and_start_where_bindings_can() {
        let caps = Caps { max_binding_bytes: 8 << 10, ..Caps::webgpu_default() };
        for (count, row) in [(1, 1), (2048, 1), (2049, 1), (9999, 3), (100, 96), (7, 2048)] {
            let runs = runs_of_rows(count, &[row], &caps).expect("they fit");
            let mut end = 0;
            for &Part { first, count } in &runs {
                assert_eq!(first, end);
                assert!((first * row).is_multiple_of(Part::ALIGNMENT), "{first} x {row}");
                assert!(count > 0 && 4 * count * row <= 8 << 10, "{count} x {row}");
                end = first + count;
            }
            assert_eq!(end, count);
            let least = (4 * count * row).div_ceil(8 << 10);
            assert!(runs.len() >= least && runs.len() <= 2 * least, "{} of {least}", runs.len());
        }
        assert_eq!(runs_of_rows(7, &[2049], &caps), None, "a row is longer than a binding");
    }
}
