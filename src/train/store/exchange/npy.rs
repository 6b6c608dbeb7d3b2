//! One array of NumPy, in the format of
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use bytemuck::{Pod, pod_collect_to_vec};
use half::f16;
use ndarray::{ArrayView, IxDyn, ShapeBuilder as _};

use super::given::Given;
use crate::tensor::{HostTensor, Shape};

/// How an array begins.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The data of an array begin at a multiple of this, in bytes.
const ALIGNMENT: usize = 64;
/// Bytes of magic, version and length of the header.
const PREAMBLE: usize = 10;

/// A little-endian f32 array in C order: what `numpy.load` reads.
pub(super) fn bytes_of(tensor: &HostTensor) -> Vec<u8> {
    let shape: String = tensor.ty().dims().iter().map(|dim| format!("{dim}, ")).collect();
    // A tuple of one needs its comma, longer ones may have it.
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (PREAMBLE + text.len() + 1).next_multiple_of(ALIGNMENT) - PREAMBLE;
    text.push_str(&" ".repeat(length - 1 - text.len()));
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes(), tensor.bytes()].concat()
}

/// An array in any order of bytes and of dimensions, in C order; or what is wrong with it.
pub(super) fn array(content: &[u8]) -> Result<Given, String> {
    let short = || "the array was cut short".to_owned();
    let rest = content.strip_prefix(MAGIC).ok_or_else(|| "no array of NumPy".to_owned())?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            (usize::try_from(length).map_err(|_| short())?, rest)
        }
        _ => return Err(short()),
    };
    let (text, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let text = String::from_utf8_lossy(text);
    let is_fortran = value_of(&text, "'fortran_order'")?.starts_with("True");
    let shape = value_of(&text, "'shape'")?;
    let shape = shape.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or_else(|| "the array has no shape".to_owned())?;
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    let dims: Result<Vec<usize>, _> = dims.map(str::parse::<usize>).collect();
    let dims = dims.map_err(|error| format!("shape ({shape}): {error}"))?;
    let kind = value_of(&text, "'descr'")?;
    let kind = kind.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    // What is no single kind of number has a list of fields in place of a text.
    let (kind, _) = kind.unwrap_or(("fields", ""));
    let (is_big, name) = match kind.split_at_checked(1) {
        Some(("<" | "|" | "=", name)) => (false, name),
        Some((">", name)) => (true, name),
        _ => (false, kind),
    };
    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
    let values: Vec<f32> = match name {
        "f4" => numbers(data, is_big, |value: f32| value).ok_or_else(short)?,
        "f8" => numbers(data, is_big, |value: f64| value as f32).ok_or_else(short)?,
        "f2" => {
            numbers(data, is_big, |bits: u16| f16::from_bits(bits).to_f32()).ok_or_else(short)?
        }
        _ => return Ok(Given::Other { dtype: name.to_owned(), shape: Shape::from(dims) }),
    };
    if Shape::from(dims.clone()).elements() != values.len() {
        return Err(short());
    }
    let values = if is_fortran { in_c_order(&dims, values).ok_or_else(short)? } else { values };
    HostTensor::from_f32(dims, &values).map(Given::Floats).map_err(|_| short())
}

/// The numbers of data that are whole elements; none where they are not.
pub(super) fn numbers<T: Pod>(
    data: &[u8],
    is_big: bool,
    convert: impl Fn(T) -> f32,
) -> Option<Vec<f32>> {
    if !data.len().is_multiple_of(size_of::<T>()) {
        return None;
    }
    let values: Vec<T> = if is_big {
        let elements = data.chunks_exact(size_of::<T>());
        let little: Vec<u8> = elements.flat_map(|element| element.iter().rev().copied()).collect();
        pod_collect_to_vec(&little)
    } else {
        pod_collect_to_vec(data)
    };
    Some(values.into_iter().map(convert).collect())
}

/// Elements that lie with their first dimension innermost, with the last one innermost.
fn in_c_order(dims: &[usize], values: Vec<f32>) -> Option<Vec<f32>> {
    let view = ArrayView::from_shape(IxDyn(dims).f(), &values).ok()?;
    Some(view.iter().copied().collect())
}

/// What follows a key of the header's dictionary.
fn value_of<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, value) = text.split_once(key).ok_or_else(|| format!("the array has no {key}"))?;
    Ok(value.trim_start_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array_of(header: &str, data: &[u8]) -> Result<Given, String> {
        let length = u16::try_from(header.len()).expect("short");
        array(&[MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), data].concat())
    }

    fn with(kind: &str, order: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
    }

    fn floats(given: Result<Given, String>) -> HostTensor {
        match given {
            Ok(Given::Floats(tensor)) => tensor,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn floats_of_each_size_and_order_of_bytes_are_read() {
        let half = f16::from_f32(-2.5);
        for (kind, data) in [
            ("<f8", (-2.5_f64).to_le_bytes().to_vec()),
            (">f8", (-2.5_f64).to_be_bytes().to_vec()),
            ("<f4", (-2.5_f32).to_le_bytes().to_vec()),
            (">f4", (-2.5_f32).to_be_bytes().to_vec()),
            ("<f2", half.to_le_bytes().to_vec()),
            (">f2", half.to_be_bytes().to_vec()),
        ] {
            let tensor = floats(array_of(&with(kind, "False", "()"), &data));
            assert_eq!(tensor.f32s(), [-2.5], "{kind}");
        }
    }

    /// `[2, 3, 2]` with each element its own place in row-major order.
    #[test]
    fn fortran_order_becomes_c_order() {
        let mut data = Vec::new();
        for k in 0..2_u8 {
            for j in 0..3_u8 {
                for i in 0..2_u8 {
                    data.extend(f32::from(i * 6 + j * 2 + k).to_le_bytes());
                }
            }
        }
        let tensor = floats(array_of(&with("<f4", "True", "(2, 3, 2)"), &data));
        assert_eq!(tensor.ty().dims(), [2, 3, 2]);
        let expected: Vec<f32> = (0..12_u8).map(f32::from).collect();
        assert_eq!(tensor.f32s(), expected);
    }

    #[test]
    fn other_arrays_are_kept_and_damaged_ones_explained() {
        for (kind, dtype) in [("<i8", "i8"), ("|b1", "b1"), ("|O", "O"), ("<U5", "U5"), ("x", "x")]
        {
            let given = array_of(&with(kind, "False", "(1,)"), &[0; 8]).expect(kind);
            let shape = Shape::from(vec![1]);
            assert_eq!(given, Given::Other { dtype: dtype.to_owned(), shape });
        }
        for (header, part) in [
            (with("<f4", "False", "(3,)"), "cut short"),
            (with("<f4", "False", "(x,)"), "shape"),
            (with("<f4", "True", "(18446744073709551615, 4)"), "cut short"),
            ("{}".to_owned(), "fortran_order"),
        ] {
            let error = array_of(&header, &[0; 8]).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
