//! A tensor in host memory.

use bytemuck::{cast_slice, pod_collect_to_vec};

use super::half::{narrow, widen};
use super::shape::{DType, Shape, TensorType};
use crate::error::ShapeError;

/// A dense tensor in host memory: its type and its bytes as a device buffer holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    ty: TensorType,
    words: Vec<u32>,
}

impl HostTensor {
    /// A tensor of zeros.
    pub fn zeros(ty: TensorType) -> Self {
        let words = vec![0; ty.words()];
        Self { ty, words }
    }

    /// A float tensor.
    ///
    /// # Errors
    /// When the number of values is not the number of elements of `shape`.
    pub fn from_f32(shape: impl Into<Shape>, values: &[f32]) -> Result<Self, ShapeError> {
        Self::checked(TensorType::f32(shape), values.len(), || pod_collect_to_vec(values))
    }

    /// A tensor of 16-bit floats: the nearest ones to the given values.
    ///
    /// # Errors
    /// When the number of values is not the number of elements of `shape`.
    pub fn from_f16(shape: impl Into<Shape>, values: &[f32]) -> Result<Self, ShapeError> {
        let ty = TensorType::f16(shape);
        let mut words = vec![0; ty.words()];
        narrow(values, &mut words);
        Self::checked(ty, values.len(), || words)
    }

    /// An unsigned integer tensor.
    ///
    /// # Errors
    /// When the number of values is not the number of elements of `shape`.
    pub fn from_u32(shape: impl Into<Shape>, values: &[u32]) -> Result<Self, ShapeError> {
        Self::checked(TensorType::u32(shape), values.len(), || values.to_vec())
    }

    /// A byte tensor.
    ///
    /// # Errors
    /// When the number of values is not the number of elements of `shape`.
    pub fn from_u8(shape: impl Into<Shape>, values: &[u8]) -> Result<Self, ShapeError> {
        Self::checked(TensorType::u8(shape), values.len(), || pod_collect_to_vec(values))
    }

    fn checked(
        ty: TensorType,
        given: usize,
        words: impl FnOnce() -> Vec<u32>,
    ) -> Result<Self, ShapeError> {
        if given == ty.elements() {
            Ok(Self { words: words(), ty })
        } else {
            Err(ShapeError::new(
                "host tensor",
                format!("{ty} holds {} elements, {given} values were given", ty.elements()),
            ))
        }
    }

    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// The bytes as a device buffer holds them, padded to whole words.
    pub fn bytes(&self) -> &[u8] {
        cast_slice(&self.words)
    }

    /// The 32-bit words as a device buffer holds them.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The 32-bit words, to be changed in place.
    pub fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }

    /// The elements as floats; empty when the tensor holds another type.
    pub fn f32s(&self) -> &[f32] {
        if self.ty.dtype == DType::F32 { cast_slice(&self.words) } else { &[] }
    }

    /// The elements as floats, widened where they have 16 bits; empty when the tensor holds no
    /// floats.
    pub fn floats(&self) -> Vec<f32> {
        match self.ty.dtype {
            DType::F16 => {
                let mut values = vec![0.0; self.ty.elements()];
                widen(&self.words, &mut values);
                values
            }
            _ => self.f32s().to_vec(),
        }
    }

    /// The elements as unsigned integers; empty when the tensor holds another type.
    pub fn u32s(&self) -> &[u32] {
        if self.ty.dtype == DType::U32 { &self.words } else { &[] }
    }

    /// The elements as bytes; empty when the tensor holds another type.
    pub fn u8s(&self) -> &[u8] {
        if self.ty.dtype == DType::U8 { &self.bytes()[..self.ty.elements()] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_packed_little_endian_and_padded() {
        let t = HostTensor::from_u8([5], &[1, 2, 3, 4, 5]).expect("five values for five elements");
        assert_eq!(t.words(), &[0x0403_0201, 5]);
        assert_eq!(t.u8s(), &[1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_odd_number_of_halves_fills_a_word() {
        let t = HostTensor::from_f16([3], &[1.0, 0.1, 1e6]).expect("three values");
        assert_eq!(t.words(), &[0x2e66_3c00, 0x7c00]);
        assert_eq!(t.floats(), [1.0, 0.099_975_586, f32::INFINITY]);
        assert!(t.f32s().is_empty());
        assert!(HostTensor::from_f16([1], &[1.0; 5]).is_err());
    }

    #[test]
    fn a_wrong_count_is_an_error() {
        let error = HostTensor::from_f32([2, 3], &[0.0; 5]).expect_err("five values for six");
        assert!(error.to_string().contains("6 elements, 5 values"), "{error}");
    }
}
