//! Cases of [`Histogram`].

use super::Histogram;
use crate::graph::{Case, Fill};
use crate::tensor::TensorType;

/// A case over `x`, in the last step of a period of three.
fn case(name: &str, p: usize, x: Fill, ranges: &[[usize; 2]], bins: usize) -> Case {
    in_step(2, name, p, x, ranges, bins)
}

fn in_step(step: u32, name: &str, p: usize, x: Fill, ranges: &[[usize; 2]], bins: usize) -> Case {
    let counts = TensorType::u32([ranges.len(), Histogram::columns(bins)]);
    Case::new(name, Histogram { ranges: ranges.to_vec(), bins, period: 3 })
        .input(TensorType::f32([p]), x)
        .input(counts, Fill::Labels(1000))
        .input(TensorType::u32([1]), Fill::Integers(vec![step]))
        .forward_only()
}

/// A case over the given values.
fn given(name: &str, values: Vec<f32>, bins: usize) -> Case {
    let p = values.len();
    case(name, p, Fill::Floats(values), &[[0, p]], bins)
}

/// Every edge of bins and bounds near one, and its neighbors on both sides.
fn edges() -> Vec<f32> {
    let edges = (1_u32..=256).map(|i| f32::from_bits(0x3f00_0000 + (i << 16)));
    let near = edges.flat_map(|edge| [edge.next_down(), edge, edge.next_up()]);
    near.flat_map(|x| [x, -x, x / 64.0]).collect()
}

/// From the smallest magnitude to the largest one, of both signs.
fn all_magnitudes() -> Vec<f32> {
    let bits = (0..0x7f80_u32).step_by(37).map(|high| high << 16 | 0x1234);
    bits.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect()
}

/// Many equal values and a few of another size.
fn outliers(n: usize, few: usize) -> Vec<f32> {
    (0..n).map(|i| if i < few { 100.0 } else { -0.3 }).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let normal = Fill::Normal;
    let largest = f32::MAX;
    let tiny = f32::from_bits(1);
    let pairs: Vec<[usize; 2]> = (0..150).map(|i| [2 * i, 2]).collect();
    vec![
        case("one", 1, normal.clone(), &[[0, 1]], 8),
        case("two_ranges", 300, normal.clone(), &[[0, 67], [128, 172]], 64),
        case("gaps_and_order", 640, normal.clone(), &[[512, 100], [0, 3], [64, 1]], 16),
        in_step(3, "other_step", 300, normal.clone(), &[[0, 67], [128, 172]], 64),
        in_step(u32::MAX, "step_wraps", 70, normal.clone(), &[[0, 70]], 8),
        case("uniform", 5000, Fill::Uniform(-0.02, 0.01), &[[0, 5000]], 512),
        case("non_finite", 3000, Fill::Special, &[[0, 1000], [1000, 2000]], 32),
        case("across_parts", 3000, normal.clone(), &[[0, 900], [1000, 1900], [2950, 50]], 16),
        given("all_zero", vec![0.0, -0.0, 0.0], 8),
        given("no_number", vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN], 8),
        given("largest", vec![largest, -largest, 1.75 * 2_f32.powi(127), 1.0], 64),
        given("smallest", vec![tiny, -tiny, f32::MIN_POSITIVE, -2.0 * tiny], 64),
        given("subnormal", (1..200).map(|i| f32::from_bits(i << 15)).collect(), 256),
        given("edges_in_8", edges(), 8),
        given("edges_in_64", edges(), 64),
        given("edges_in_512", edges(), 512),
        given("all_magnitudes", all_magnitudes(), 64),
        given("as_many_outliers_as_may_be", outliers(4000, 4), 64),
        given("one_outlier_more", outliers(4000, 5), 64),
        given("one_value_less", outliers(3999, 4), 64),
        case("many_ranges", 300, normal.clone(), &pairs, 8),
        case("many", 300_007, normal.clone(), &[[0, 300_000], [300_000, 7]], 64),
        given("more_than_floats_count", vec![0.7; (1 << 24) + 3], 8),
        case("bench_mnist_cnn", 232_704, normal, &[[0, 230_000], [230_016, 2688]], 64).bench(),
    ]
}
