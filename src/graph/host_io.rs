//! Operands of host code: slices of host memory with their types; f16 ones as f32 copies.

use bytemuck::{cast_slice, cast_slice_mut};

use super::half::widened;
use crate::tensor::half::{narrow, widen};
use crate::tensor::{DType, Real, TensorType};

/// Elements of an input.
#[derive(Debug, Clone, Copy)]
pub enum HostInput<'a, T> {
    /// A float tensor.
    Float(&'a [T]),
    /// An unsigned integer tensor.
    U32(&'a [u32]),
    /// A byte tensor.
    U8(&'a [u8]),
}

/// Elements of an output.
#[derive(Debug)]
pub enum HostOutput<'a, T> {
    /// A float tensor.
    Float(&'a mut [T]),
    /// An unsigned integer tensor.
    U32(&'a mut [u32]),
}

impl<'a> HostInput<'a, f32> {
    /// The elements of a tensor that is kept as 32-bit words, where they are no f16.
    fn from_words(words: &'a [u32], ty: &TensorType) -> Self {
        match ty.dtype {
            DType::F16 => Self::Float(&[]),
            DType::F32 => Self::Float(cast_slice(words)),
            DType::U32 => Self::U32(words),
            DType::U8 => {
                let bytes: &[u8] = cast_slice(words);
                Self::U8(&bytes[..ty.elements().min(bytes.len())])
            }
        }
    }
}

impl<'a> HostOutput<'a, f32> {
    /// The elements of a tensor that is kept as 32-bit words, where they are no f16.
    fn from_words(words: &'a mut [u32], ty: &TensorType) -> Self {
        match ty.dtype {
            DType::F16 => Self::Float(&mut []),
            DType::F32 => Self::Float(cast_slice_mut(words)),
            DType::U32 | DType::U8 => Self::U32(words),
        }
    }
}

/// The operands of one execution of reference code or of a host kernel.
///
/// Inputs and outputs are separate fields, so that outputs can be written while inputs are read.
/// An input that an output takes the place of (see [`super::Op::aliases`]) is not among the
/// inputs' data: its slice is empty, and the output holds its content on entry.
#[derive(Debug)]
pub struct HostIo<'a, T> {
    /// Operands that are read.
    pub inputs: Inputs<'a, T>,
    /// Operands that are written.
    pub outputs: Outputs<'a, T>,
}

/// Operands that are read. The accessors take a position that the op's own `infer` has checked.
#[derive(Debug, Clone)]
pub struct Inputs<'a, T> {
    data: Vec<HostInput<'a, T>>,
    types: Vec<&'a TensorType>,
}

/// Operands that are written.
#[derive(Debug)]
pub struct Outputs<'a, T> {
    data: Vec<HostOutput<'a, T>>,
    types: Vec<&'a TensorType>,
}

impl<'a, T: Real> HostIo<'a, T> {
    /// Binds operands to their types.
    pub fn new(
        inputs: Vec<(HostInput<'a, T>, &'a TensorType)>,
        outputs: Vec<(HostOutput<'a, T>, &'a TensorType)>,
    ) -> Self {
        let (input_data, input_types) = inputs.into_iter().unzip();
        let (output_data, output_types) = outputs.into_iter().unzip();
        Self {
            inputs: Inputs { data: input_data, types: input_types },
            outputs: Outputs { data: output_data, types: output_types },
        }
    }
}

/// Runs host code on tensors that are kept as 32-bit words. Floats of 16 bits are widened for it,
/// and rounded to the nearest ones afterwards: it sees f32 only.
pub fn run_on_words(
    inputs: &[(&[u32], &TensorType)],
    outputs: Vec<(&mut [u32], &TensorType)>,
    run: impl FnOnce(&mut HostIo<'_, f32>),
) {
    let wide = |words: &[u32], ty: &TensorType| {
        let stored = ty.dtype == DType::F16 && !words.is_empty();
        stored.then(|| {
            let mut values = vec![0.0; ty.elements()];
            widen(words, &mut values);
            values
        })
    };
    let input_types: Vec<TensorType> = inputs.iter().map(|(_, ty)| widened(ty)).collect();
    let output_types: Vec<TensorType> = outputs.iter().map(|(_, ty)| widened(ty)).collect();
    let wide_inputs: Vec<_> = inputs.iter().map(|(words, ty)| wide(words, ty)).collect();
    let mut wide_outputs: Vec<_> = outputs.iter().map(|(words, ty)| wide(words, ty)).collect();
    let read = inputs.iter().zip(&wide_inputs).zip(&input_types);
    let read = read.map(|((&(words, ty), wide), seen)| {
        let data = wide.as_deref().map(HostInput::Float);
        (data.unwrap_or_else(|| HostInput::from_words(words, ty)), seen)
    });
    let mut to_round = Vec::new();
    let written = outputs.into_iter().zip(&mut wide_outputs).zip(&output_types);
    let written = written.map(|(((words, ty), wide), seen)| {
        let data = match wide.as_deref_mut() {
            Some(values) => {
                to_round.push(words);
                HostOutput::Float(values)
            }
            None => HostOutput::from_words(words, ty),
        };
        (data, seen)
    });
    let written = written.collect();
    run(&mut HostIo::new(read.collect(), written));
    for (words, values) in to_round.into_iter().zip(wide_outputs.iter().flatten()) {
        narrow(values, words);
    }
}

impl<'a, T: Real> Inputs<'a, T> {
    /// Number of inputs.
    pub fn count(&self) -> usize {
        self.data.len()
    }

    /// Type of input `i`.
    pub fn ty(&self, i: usize) -> &'a TensorType {
        self.types[i]
    }

    /// Dimensions of input `i` as an array; `infer` has checked the rank.
    pub fn dims<const N: usize>(&self, i: usize) -> [usize; N] {
        <[usize; N]>::try_from(self.types[i].dims()).expect("infer has checked the rank")
    }

    /// Elements of the float input `i`.
    pub fn float(&self, i: usize) -> &'a [T] {
        match self.data[i] {
            HostInput::Float(values) => values,
            _ => &[],
        }
    }

    /// Elements of the unsigned integer input `i`.
    pub fn u32(&self, i: usize) -> &'a [u32] {
        match self.data[i] {
            HostInput::U32(values) => values,
            _ => &[],
        }
    }

    /// Elements of the byte input `i`.
    pub fn u8(&self, i: usize) -> &'a [u8] {
        match self.data[i] {
            HostInput::U8(values) => values,
            _ => &[],
        }
    }
}

impl<T: Real> Outputs<'_, T> {
    /// Type of output `o`.
    pub fn ty(&self, o: usize) -> &TensorType {
        self.types[o]
    }

    /// Dimensions of output `o` as an array; `infer` has made them.
    pub fn dims<const N: usize>(&self, o: usize) -> [usize; N] {
        <[usize; N]>::try_from(self.types[o].dims()).expect("infer has made the rank")
    }

    /// Elements of the float output `o`.
    pub fn float(&mut self, o: usize) -> &mut [T] {
        match &mut self.data[o] {
            HostOutput::Float(values) => values,
            HostOutput::U32(_) => &mut [],
        }
    }

    /// Elements of the unsigned integer output `o`.
    pub fn u32(&mut self, o: usize) -> &mut [u32] {
        match &mut self.data[o] {
            HostOutput::U32(values) => values,
            HostOutput::Float(_) => &mut [],
        }
    }

    /// Elements of the first output, which must be floats, and of the second one, which must be
    /// unsigned integers, to be written together.
    pub fn float_and_u32(&mut self) -> (&mut [T], &mut [u32]) {
        match &mut self.data[..] {
            [HostOutput::Float(values), HostOutput::U32(words), ..] => (values, words),
            _ => (&mut [], &mut []),
        }
    }

    /// Elements of all outputs, which must be floats, to be written together.
    pub fn floats<const N: usize>(&mut self) -> [&mut [T]; N] {
        let mut slices = self.data.iter_mut().map(|data| match data {
            HostOutput::Float(values) => &mut **values,
            HostOutput::U32(_) => &mut [],
        });
        std::array::from_fn(|_| slices.next().unwrap_or(&mut []))
    }
}
