//! Fills the inputs of a case with values that only its name decides.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

use crate::graph::{Case, Fill, TestInput};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, HostTensor, TensorType};

/// The inputs of a case, the same on every machine.
pub fn make_inputs(case: &Case) -> Vec<HostTensor> {
    case.inputs
        .iter()
        .enumerate()
        .map(|(i, input)| make_input(input, &format!("{}/{}/{i}", case.op.name(), case.name)))
        .collect()
}

/// A generator whose seed is the hash of a name.
pub(super) fn named_rng(name: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(Sha256::digest(name.as_bytes()).into())
}

/// A tensor of standard normal numbers.
pub(super) fn normal(ty: &TensorType, rng: &mut impl Rng) -> HostTensor {
    let values: Vec<f32> = (0..ty.elements()).map(|_| StandardNormal.sample(rng)).collect();
    let tensor = match ty.dtype {
        DType::F16 => HostTensor::from_f16(ty.shape.clone(), &values),
        _ => HostTensor::from_f32(ty.shape.clone(), &values),
    };
    tensor.expect("one value per element")
}

/// Numbers that are drawn one after another from one generator; each further block of them has a
/// generator of its own, so that large inputs are made on all cores.
fn drawn(n: usize, name: &str, draw: &(dyn Fn(&mut ChaCha8Rng) -> f32 + Sync)) -> Vec<f32> {
    const BLOCK: usize = 1 << 16;
    let mut values = vec![0.0; n];
    for_each_chunk(&mut values, BLOCK, &|block, values| {
        let mut rng = match block {
            0 => named_rng(name),
            _ => named_rng(&format!("{name}/{block}")),
        };
        values.fill_with(|| draw(&mut rng));
    });
    values
}

fn make_input(input: &TestInput, name: &str) -> HostTensor {
    let n = input.ty.elements();
    let rng = &mut named_rng(name);
    let values: Vec<f32> = match &input.fill {
        Fill::Normal => drawn(n, name, &|rng| StandardNormal.sample(rng)),
        &Fill::Uniform(low, high) => drawn(n, name, &|rng| rng.random_range(low..high)),
        Fill::Special => drawn(n, name, &normal_or_special),
        Fill::Distinct => distinct(n, rng),
        Fill::Probabilities => probabilities(&input.ty, rng),
        Fill::Floats(values) => values.clone(),
        Fill::Labels(_)
        | Fill::LabelsOrIgnored(_)
        | Fill::Bytes
        | Fill::Integers(_)
        | Fill::Permutation => return make_integers(input, rng),
    };
    let shape = input.ty.shape.clone();
    let tensor = match input.ty.dtype {
        DType::F16 => HostTensor::from_f16(shape, &values),
        _ => HostTensor::from_f32(shape, &values),
    };
    tensor.expect("cases give one value per element")
}

fn normal_or_special(rng: &mut ChaCha8Rng) -> f32 {
    /// NaN of the least bits.
    const FIRST_NAN: f32 = f32::from_bits(0x7f80_0001);
    match rng.random_range(0..33_u32) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        3 => 0.0,
        4 => -0.0,
        5 => 1.0,
        6 => -1.0,
        7 => 6.0,
        8 => 6.0_f32.next_down(),
        9 => FIRST_NAN,
        10 => -FIRST_NAN,
        _ => StandardNormal.sample(rng),
    }
}

fn make_integers(input: &TestInput, rng: &mut impl Rng) -> HostTensor {
    let n = input.ty.elements();
    let shape = input.ty.shape.clone();
    if input.ty.dtype == DType::U8 {
        let bytes: Vec<u8> = (0..n).map(|_| rng.random()).collect();
        return HostTensor::from_u8(shape, &bytes).expect("one value per element");
    }
    let values: Vec<u32> = match &input.fill {
        Fill::Labels(bound) => (0..n).map(|_| rng.random_range(0..*bound)).collect(),
        Fill::LabelsOrIgnored(bound) => (0..n)
            .map(|_| {
                let ignored = rng.random_range(0..4_u32) == 0;
                if ignored { u32::MAX } else { rng.random_range(0..*bound) }
            })
            .collect(),
        Fill::Integers(values) => values.clone(),
        _ => {
            let mut order: Vec<u32> = (0_u32..).take(n).collect();
            order.shuffle(rng);
            order
        }
    };
    HostTensor::from_u32(shape, &values).expect("cases give one value per element")
}

/// Distinct numbers around zero, none of them close to zero or to another.
fn distinct(n: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut ranks: Vec<usize> = (0..n).collect();
    ranks.shuffle(rng);
    #[expect(clippy::cast_precision_loss, reason = "cases are far smaller than 2^24")]
    let value = |rank: usize| (rank as f32 - (n / 2) as f32) * 0.0625 + 0.03;
    ranks.into_iter().map(value).collect()
}

fn probabilities(ty: &TensorType, rng: &mut impl Rng) -> Vec<f32> {
    let (rows, columns) = ty.rows_columns();
    let mut values = Vec::with_capacity(rows * columns);
    for _ in 0..rows {
        let row: Vec<f32> = (0..columns).map(|_| rng.random_range(0.05..1.0)).collect();
        let sum: f32 = row.iter().sum();
        values.extend(row.into_iter().map(|v| v / sum));
    }
    values
}
