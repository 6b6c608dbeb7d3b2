//! The synthetic set is reproducible, and neither too easy nor too hard.

use super::*;

/// FNV-1a, 64 bits: enough to notice a changed pixel.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

fn drawn(part: Part, n: usize, seed: u64) -> Dataset {
    generate(part, n, seed).expect("the size is fine")
}

#[test]
fn the_pixels_of_a_seed_never_change() {
    let hashes = [Part::Train, Part::Test].map(|part| hash(&drawn(part, 200, 0).images));
    assert_eq!(
        hashes,
        [0x644E_4EEA_2EA5_E6F7, 0xEF32_BED3_5F71_0471],
        "published accuracies refer to these pixels"
    );
}

#[test]
fn a_larger_set_starts_with_the_smaller_one() {
    let large = drawn(Part::Train, 50, 9);
    assert_eq!(large.take_first(20), drawn(Part::Train, 20, 9));
}

#[test]
fn threads_do_not_matter() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    assert_eq!(one.install(|| drawn(Part::Test, 64, 1)), drawn(Part::Test, 64, 1));
}

#[test]
fn parts_and_seeds_differ_everywhere() {
    let base = drawn(Part::Train, 30, 1);
    for other in [drawn(Part::Test, 30, 1), drawn(Part::Train, 30, 2)] {
        assert!((0..30).all(|i| base.image(i) != other.image(i)));
    }
    assert_eq!(base.class_counts(), [3; 10]);
    assert_eq!(base.label(13), Some(3));
}

#[test]
fn sizes_that_cannot_be_drawn_are_refused() {
    let message = generate(Part::Test, 0, 0).expect_err("no examples").to_string();
    assert!(message.contains("test_size: 0 examples asked for"), "{message}");
    assert!(generate(Part::Train, usize::MAX, 0).is_err());
}

/// Multinomial logistic regression on `pixel / 255`, trained by mini-batch gradient descent with a
/// falling learning rate; weights `[10, 784 + 1]`, the last one of each row the bias.
struct Linear(Vec<[f32; AREA + 1]>);

impl Linear {
    fn train(set: &Dataset, epochs: u8) -> Self {
        const BATCH: usize = 50;
        let mut model = Self(vec![[0.0; AREA + 1]; 10]);
        for epoch in 0..epochs {
            let step = 0.5 * (1.0 - f32::from(epoch) / f32::from(epochs)) / 50.0;
            for start in (0..set.len()).step_by(BATCH) {
                let mut gradient = vec![[0.0; AREA + 1]; 10];
                for i in start..(start + BATCH).min(set.len()) {
                    let (x, label) = example(set, i);
                    let logits = model.logits(&x);
                    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let exps = logits.map(|logit| (logit - top).exp());
                    let sum: f32 = exps.iter().sum();
                    for (class, row) in gradient.iter_mut().enumerate() {
                        let d = exps[class] / sum - if class == label { 1.0 } else { 0.0 };
                        row.iter_mut().zip(&x).for_each(|(g, x)| *g += d * x);
                    }
                }
                for (w, g) in model.0.iter_mut().flatten().zip(gradient.iter().flatten()) {
                    *w -= step * g;
                }
            }
        }
        model
    }

    fn logits(&self, x: &[f32; AREA + 1]) -> [f32; 10] {
        std::array::from_fn(|class| self.0[class].iter().zip(x).map(|(w, x)| w * x).sum())
    }

    fn accuracy(&self, set: &Dataset) -> f64 {
        let right = (0..set.len()).filter(|&i| {
            let (x, label) = example(set, i);
            let logits = self.logits(&x);
            (0..10).all(|class| class == label || logits[class] < logits[label])
        });
        let count = |n: usize| f64::from(u32::try_from(n).expect("a few thousand examples"));
        count(right.count()) / count(set.len())
    }
}

/// The pixels, with a 1 for the bias after them, and the label.
fn example(set: &Dataset, i: usize) -> ([f32; AREA + 1], usize) {
    let mut x = [1.0; AREA + 1];
    let pixels = set.image(i).expect("within the set");
    x.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = f32::from(pixel) / 255.0);
    (x, set.labels[i] as usize)
}

/// A set that a linear model solves could not tell a working convolution from a broken one, and one
/// on which it fails altogether would teach nothing in a short run.
#[test]
fn a_linear_model_learns_the_set_but_does_not_solve_it() {
    let model = Linear::train(&drawn(Part::Train, DEFAULT_TRAIN_SIZE, 0), 15);
    let accuracy = model.accuracy(&drawn(Part::Test, DEFAULT_TEST_SIZE, 0));
    assert!((0.7..0.92).contains(&accuracy), "linear test accuracy {accuracy}");
}
