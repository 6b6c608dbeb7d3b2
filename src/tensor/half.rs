//! 16-bit floats in 32-bit words: conversion to f32, and back to the nearest one.

use half::f16;

use super::parallel::for_each_block;
use super::shape::{DType, TensorType};

/// The element at position `i` of a tensor that is kept as words.
fn element(words: &[u32], i: usize) -> f16 {
    let [a, b, c, d] = words[i / 2].to_le_bytes();
    f16::from_le_bytes(if i.is_multiple_of(2) { [a, b] } else { [c, d] })
}

/// Widens as many elements as `values` has, exactly; `words` must hold them.
pub fn widen(words: &[u32], values: &mut [f32]) {
    for (i, value) in values.iter_mut().enumerate() {
        *value = element(words, i).to_f32();
    }
}

/// Rounds `values` to the nearest 16-bit floats; what is too large becomes infinite. Values for
/// which `words` has no room are left out; half a word that is left over becomes zero.
pub fn narrow(values: &[f32], words: &mut [u32]) {
    let bits = |value: &f32| f16::from_f32(*value).to_le_bytes();
    for (word, pair) in words.iter_mut().zip(values.chunks(2)) {
        let [a, b] = pair.first().map_or([0, 0], bits);
        let [c, d] = pair.get(1).map_or([0, 0], bits);
        *word = u32::from_le_bytes([a, b, c, d]);
    }
}

/// The elements of a tensor that is kept as words, as f64; of integers, the words.
pub fn as_f64(words: &[u32], ty: &TensorType) -> Vec<f64> {
    let count = match ty.dtype {
        DType::F16 => ty.elements().min(2 * words.len()),
        DType::F32 | DType::U32 | DType::U8 => words.len(),
    };
    let mut values = vec![0.0; count];
    for_each_block(&mut values, &|start, values| {
        for (i, value) in (start..).zip(values) {
            *value = match ty.dtype {
                DType::F32 => f64::from(f32::from_bits(words[i])),
                DType::F16 => element(words, i).to_f64(),
                DType::U32 | DType::U8 => f64::from(words[i]),
            };
        }
    });
    values
}

/// The nearest 16-bit float.
pub fn round(value: f64) -> f64 {
    f16::from_f64(value).to_f64()
}
