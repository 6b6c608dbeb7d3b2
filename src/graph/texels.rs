//! Operands read through textures, on devices where that is worth a copy of each.
//!
//! Some software devices load from a storage buffer lane by lane, but four floats of every lane at
//! once from a texture: on llvmpipe 22.3.6, 205 ns against 7 ns for a vector of each of eight lanes.
//! Ops write kernels that read storage buffers; here their text gets a texture in place of a buffer,
//! and a function in place of each load. The executor copies the operand before the dispatch.

use super::accesses::{self, Declaration, declaration, resolved, rewrite};
use super::{Access, Binding, Kernel, Lowering, Signature};
use crate::tensor::DType;

/// Texels in a row of a texture: small operands take no more than a row, and all fit the height that
/// every device has.
const ROW: usize = 1024;
/// Bytes of a texel: four floats.
pub const TEXEL_BYTES: usize = 16;
/// Bytes of a row.
pub const ROW_BYTES: usize = ROW * TEXEL_BYTES;
/// Most textures of one kernel: as many as every device binds.
pub const MOST: usize = 4;
/// Operands smaller than this are not worth a copy of their own.
const WORTHWHILE_BYTES: usize = 1 << 10;

/// Rows of a texture that holds `bytes`. Never a power of two: llvmpipe would compile kernels once
/// more for such a height.
pub fn rows_of(bytes: usize) -> usize {
    let rows = bytes.div_ceil(ROW_BYTES).max(3);
    if rows.is_power_of_two() { rows + 1 } else { rows }
}

/// The variant that reads what it can through textures. None where that is nothing.
pub(super) fn read_by(lowering: &Lowering, sig: &Signature) -> Option<Lowering> {
    let bytes = |binding: &Binding| {
        let are_floats = sig.ty(binding.operand).is_none_or(|ty| ty.dtype == DType::F32);
        are_floats.then(|| lowering.bound_bytes(binding, sig))
    };
    let read = |kernel: &Kernel| read_kernel(kernel, &bytes);
    let kernels: Vec<Option<Kernel>> = lowering.kernels.iter().map(read).collect();
    kernels.iter().any(Option::is_some).then(|| Lowering {
        variant: format!("{}_texels", lowering.variant),
        scratch: lowering.scratch.clone(),
        kernels: kernels
            .into_iter()
            .zip(&lowering.kernels)
            .map(|(read, plain)| read.unwrap_or_else(|| plain.clone()))
            .collect(),
    })
}

/// The kernel with its largest operands read through textures; `bytes` tells the size of those that
/// are floats. None where there are none.
fn read_kernel(kernel: &Kernel, bytes: &dyn Fn(&Binding) -> Option<usize>) -> Option<Kernel> {
    let worthwhile =
        |&bytes: &usize| bytes >= WORTHWHILE_BYTES && bytes.is_multiple_of(TEXEL_BYTES);
    let mut readable: Vec<(usize, usize)> = (kernel.bindings.iter().enumerate())
        .filter(|(_, binding)| matches!(binding.access, Access::Read | Access::Update))
        .filter_map(|(number, binding)| Some((number, bytes(binding).filter(worthwhile)?)))
        .collect();
    readable.sort_by_key(|&(number, bytes)| (std::cmp::Reverse(bytes), number));
    readable.truncate(MOST);
    readable.sort_unstable();
    let mut kernel = kernel.clone();
    let mut any = false;
    for (number, _) in readable {
        if let Some(read) = read_binding(&kernel, number) {
            kernel = read;
            any = true;
        }
    }
    any.then_some(kernel)
}

/// The kernel with storage binding `number` as a texture, or with a texture beside it where it is
/// updated. None where its elements are neither floats nor vectors of four.
fn read_binding(kernel: &Kernel, number: usize) -> Option<Kernel> {
    let source = &kernel.source;
    let Declaration { line, name, element } = declaration(source, number)?;
    let texel = |index: &str| {
        format!("textureLoad({name}_texels, vec2<u32>({index} % {ROW}u, {index} / {ROW}u))")
    };
    let (element, load) = match resolved(source, &element).as_str() {
        "vec4<f32>" => ("vec4<f32>", texel("i")),
        "f32" => ("f32", format!("{}[i % 4u]", texel("(i / 4u)"))),
        _ => return None,
    };
    let mut bindings = kernel.bindings.clone();
    let binding = Binding { access: Access::Texels, ..bindings[number] };
    let (kept, number) = match bindings[number].access {
        Access::Update => {
            bindings.push(binding);
            (format!("{line}\n"), bindings.len() - 1)
        }
        _ => {
            bindings[number] = binding;
            (String::new(), number)
        }
    };
    let declared = format!(
        "{kept}@group(0) @binding({number}) var {name}_texels: \
         texture_storage_2d<rgba32float, read>;\n\
         fn {name}_texel(i: u32) -> {element} {{ return {load}; }}"
    );
    let (before, after) = source.split_once(&line)?;
    let names = [name.clone()];
    let load = |accesses::Access { index, value, .. }: accesses::Access<'_>| {
        Some(match value {
            Some(value) => format!("{name}[{index}] = {value}"),
            None => format!("{name}_texel({index})"),
        })
    };
    let [before, after] = [before, after].map(|text| rewrite(text, &names, &load));
    let source = format!("{}{declared}{}", before?, after?);
    Some(Kernel { source, bindings, ..kernel.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Operand;

    const TEXT: &str = "\
alias FLOATS = vec4<f32>;
@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<FLOATS>;
y[i] = x[order[i]] * w[order[0]] + row.x[0];
";

    fn kernel() -> Kernel {
        let inputs = (0..3).map(Operand::Input);
        let kernel = inputs.fold(Kernel::new("test").file(TEXT), Kernel::read);
        kernel.write(Operand::Output(0))
    }

    #[test]
    fn floats_are_read_through_textures_and_all_else_stays() {
        let bytes = |bound: &Binding| (bound.operand != Operand::Input(1)).then_some(1 << 20);
        let kernel = read_kernel(&kernel(), &bytes).expect("x and w can be read");
        let accesses: Vec<Access> = kernel.bindings.iter().map(|b| b.access).collect();
        assert_eq!(accesses, [Access::Texels, Access::Read, Access::Texels, Access::Write]);
        let last = kernel.source.lines().last();
        assert_eq!(last, Some("y[i] = x_texel(order[i]) * w_texel(order[0]) + row.x[0];"));
        let declared = "@binding(0) var x_texels: texture_storage_2d<rgba32float, read>;";
        assert!(kernel.source.contains(declared), "{}", kernel.source);
    }

    #[test]
    fn an_update_reads_the_copy_and_writes_the_operand() {
        const TEXT: &str = "\
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
y[i] = y[i] * 2.0;
";
        let kernel = Kernel::new("test").file(TEXT).update(Operand::Output(0));
        let kernel = read_kernel(&kernel, &|_| Some(1 << 20)).expect("y can be read");
        let accesses: Vec<Access> = kernel.bindings.iter().map(|b| b.access).collect();
        assert_eq!(accesses, [Access::Update, Access::Texels]);
        assert_eq!(kernel.source.lines().last(), Some("y[i] = y_texel(i) * 2.0;"));
        assert!(kernel.source.starts_with(TEXT.lines().next().unwrap_or_default()));
    }

    #[test]
    fn small_and_uneven_operands_stay_in_buffers() {
        for bytes in [64, (1 << 20) + 4] {
            assert_eq!(read_kernel(&kernel(), &|_| Some(bytes)), None);
        }
    }
}
