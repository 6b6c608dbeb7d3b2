use super::decision::Decision;
use super::*;
use crate::graph::{HostInput, HostIo, HostOutput};

const SIZE: [usize; 3] = [28, 24, 1];

fn op(augment: Augment) -> AugmentBatch {
    AugmentBatch {
        gather: GatherBatch {
            batch: 1,
            steps_per_epoch: 1,
            mean: vec![0.0],
            std: vec![1.0],
            shard_len: 1,
            windowed: false,
        },
        augment,
        per_pixel: false,
        seed: 5,
        steps_per_pass: 10,
    }
}

fn decisions(augment: Augment, count: u32) -> Vec<Decision> {
    let op = op(augment);
    (0..count).map(|i| Decision::draw(&op, [SIZE[0], SIZE[1]], i, i / 100)).collect()
}

/// The chi-squared statistic of counts that should be equal.
fn chi_squared(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    let expected = f64::from(total) / f64::from(u32::try_from(counts.len()).expect("few"));
    counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum()
}

#[test]
fn crops_are_uniform_and_half_of_the_images_are_flipped() {
    let augment = Augment { crop_padding: 4, flip: Flip::Random, ..Augment::default() };
    let decisions = decisions(augment, 20_000);
    let mut offsets = [[0_u32; 9]; 2];
    for decision in &decisions {
        for (counts, at) in offsets.iter_mut().zip(decision.crop) {
            counts[usize::try_from(at + 4).expect("within the padding")] += 1;
        }
    }
    // 8 degrees of freedom: beyond 36 with a probability of 2e-5.
    for counts in offsets {
        assert!(chi_squared(&counts) < 36.0, "{counts:?}");
    }
    let flipped = decisions.iter().filter(|decision| decision.flipped).count();
    // Four standard deviations of a binomial count.
    assert!(flipped.abs_diff(10_000) < 283, "{flipped}");
}

#[test]
fn affine_maps_cover_their_ranges_evenly() {
    let augment = Augment { rotation: 30.0, translation: 0.25, ..Augment::default() };
    let mut angles = [0_u32; 10];
    let mut shifts = [0_u32; 10];
    for decision in decisions(augment, 20_000) {
        let [[cosine, sine], _] = decision.matrix.map(|row| row.map(f64::from));
        let degrees = sine.atan2(cosine).to_degrees();
        assert!(degrees.abs() < 30.01, "{degrees}");
        let center = f64::from(13 * (1 << 15) + (1 << 14));
        let pixels = (center - f64::from(decision.offset[1])) / 32_768.0;
        assert!(pixels.abs() <= 7.001, "{pixels}");
        for (counts, part) in [(&mut angles, degrees / 30.0), (&mut shifts, pixels / 7.0)] {
            let bin = (0..9).take_while(|&bin| part > f64::from(bin - 4) / 5.0).count();
            counts[bin] += 1;
        }
    }
    // 9 degrees of freedom: beyond 38 with a probability of 2e-5.
    assert!(chi_squared(&angles) < 38.0, "{angles:?}");
    assert!(chi_squared(&shifts) < 38.0, "{shifts:?}");
}

#[test]
fn alternating_flips_show_each_side_in_every_other_epoch() {
    let op = op(Augment { flip: Flip::Alternating, ..Augment::default() });
    let flipped = |example: u32, epoch: u32, step: u32| {
        Decision::draw(&op, [28, 24], example, epoch * 10 + step).flipped
    };
    let mut first = 0;
    for example in 0..2000 {
        let begin = flipped(example, 0, example % 10);
        first += u32::from(begin);
        for epoch in 1..6 {
            assert_eq!(flipped(example, epoch, (example + epoch) % 10), begin ^ (epoch % 2 == 1));
        }
    }
    assert!(first.abs_diff(1000) < 90, "{first} of 2000");
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let none = Augment::default();
    for (wrong, expected) in [
        (Augment { crop_padding: 24, ..none.clone() }, "random_crop: a padding of 24 pixels"),
        (Augment { cutout: 25, ..none.clone() }, "cutout: a square of 25 pixels"),
        (Augment { rotation: 180.0, ..none.clone() }, "rotation must lie in"),
        (Augment { zoom: 1.0, ..none.clone() }, "zoom must lie in"),
        (Augment { shear: f32::NAN, ..none.clone() }, "shear must lie in"),
        (Augment { brightness: -0.1, ..none }, "brightness must lie in"),
    ] {
        let error = wrong.check_for([28, 24]).expect_err(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}

/// The reference on one image of one channel, without normalization.
fn augmented(augment: Augment, image: &[u8], [h, w]: [usize; 2], example: u32) -> Vec<f32> {
    let mut op = op(augment);
    op.gather.windowed = true;
    let types = [
        TensorType::u32([1]),
        TensorType::u32([1]),
        TensorType::u32([1]),
        TensorType::u8([1, h, w, 1]),
    ];
    let outputs = op.infer(&types).expect("it fits");
    let (mut x, mut y) = (vec![0.0; h * w], [0]);
    let data = [
        HostInput::U32(&[3]),
        HostInput::U32(std::slice::from_ref(&example)),
        HostInput::U32(&[0]),
        HostInput::U8(image),
    ];
    let mut io = HostIo::new(
        data.into_iter().zip(&types).collect(),
        vec![(HostOutput::Float(&mut x), &outputs[0]), (HostOutput::U32(&mut y), &outputs[1])],
    );
    op.reference(&mut io);
    assert_eq!(y, [3]);
    x
}

#[test]
fn a_reflected_crop_and_a_flip_are_what_they_say() {
    let image: Vec<u8> = (0..12).collect();
    let augment = Augment {
        crop_padding: 2,
        crop_mode: PaddingMode::Reflect,
        flip: Flip::Random,
        ..Augment::default()
    };
    let mut seen = std::collections::HashSet::new();
    for example in 0..300 {
        let decision = Decision::draw(&op(augment.clone()), [3, 4], example, 0);
        // The columns of the padded image, from two to the left of it on.
        let columns = [2, 1, 0, 1, 2, 3, 2, 1];
        let mut expected = Vec::new();
        for row in 0..3 {
            for column in 0..4 {
                let column = if decision.flipped { 3 - column } else { column };
                let from_row = match row + decision.crop[0] {
                    3 => 1,
                    4 => 0,
                    at => at.abs(),
                };
                let at =
                    usize::try_from(column + decision.crop[1] + 2).expect("within the padding");
                let from_column = columns[at];
                let byte = u16::try_from(from_row * 4 + from_column).expect("a byte");
                expected.push(f32::from(byte) / 255.0);
            }
        }
        assert_eq!(augmented(augment.clone(), &image, [3, 4], example), expected);
        seen.insert((decision.crop, decision.flipped));
    }
    assert!(seen.len() > 45, "{} of 50 outcomes", seen.len());
}

/// What SciPy's `map_coordinates` and NumPy's `pad` give for `reflect` (`symmetric`), `nearest` (`edge`) and
/// `grid-wrap` (`wrap`); Keras names the first three as here.
#[test]
fn what_lies_around_an_image_is_what_scipy_and_keras_say() {
    for (fill, table) in [
        (FillMode::Reflect, "abcddcba|abcd|dcbaabcd"),
        (FillMode::Nearest, "aaaaaaaa|abcd|dddddddd"),
        (FillMode::Wrap, "abcdabcd|abcd|abcdabcd"),
        (FillMode::Constant, "00000000|abcd|00000000"),
    ] {
        let shown: String = (-8..12)
            .map(|at| match fill.place(at, 4).map(usize::try_from) {
                Some(place) => char::from(b"abcd"[place.expect("within the image")]),
                None => '0',
            })
            .collect();
        assert_eq!(shown, table.replace('|', ""), "{fill:?}");
        for (at, letter) in (-8..12).zip(shown.chars()) {
            assert_eq!(
                reference::filled(fill, at, 4),
                if letter == '0' {
                    at
                } else {
                    i64::try_from("abcd".find(letter).expect("one of four")).expect("small")
                }
            );
        }
    }
}

/// Images by float64 formulas and PyTorch's bilinear sampling; see `assets/golden/make_augment.py`.
#[test]
fn affine_maps_crops_and_colors_are_those_of_the_fixtures() {
    let bytes = include_bytes!("../../../../assets/golden/augment.safetensors");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).expect("a fixture");
    let cases = metadata.metadata().as_ref().and_then(|all| all.get("augment")).expect("cases");
    let cases: std::collections::BTreeMap<String, Augment> =
        serde_json::from_str(cases).expect("options of augmentation");
    let tensors = safetensors::SafeTensors::deserialize(bytes).expect("a fixture");
    let tensor = |name: &str| tensors.tensor(name).expect("it is there");
    let images = tensor("images");
    let shape = images.shape().to_vec();
    let examples: Vec<u32> = bytemuck::pod_collect_to_vec(tensor("examples").data());
    assert_eq!((cases.len(), examples.len()), (14, shape[0]));
    for (name, augment) in cases {
        let expected: Vec<f32> = bytemuck::pod_collect_to_vec(tensor(&name).data());
        let mut op = op(augment.clone());
        op.gather.batch = shape[0];
        op.gather.shard_len = shape[0];
        op.gather.windowed = true;
        op.gather.mean = vec![0.5, 0.25, 0.375];
        op.gather.std = vec![1.0; 3];
        op.seed = 1234;
        let n = [shape[0]];
        let types = [
            TensorType::u32(n),
            TensorType::u32(n),
            TensorType::u32([1]),
            TensorType::u8(shape.clone()),
        ];
        let outputs = op.infer(&types).expect("it fits");
        let (mut x, mut y) = (vec![0.0; expected.len()], [0; 4]);
        let data = [
            HostInput::U32(&[0; 4]),
            HostInput::U32(&examples),
            HostInput::U32(&[7]),
            HostInput::U8(images.data()),
        ];
        op.reference(&mut HostIo::new(
            data.into_iter().zip(&types).collect(),
            vec![(HostOutput::Float(&mut x), &outputs[0]), (HostOutput::U32(&mut y), &outputs[1])],
        ));
        // Coordinates are rounded to 1/256 pixel, and the matrix, five times, to 2^-15 of it over at
        // most 10 pixels and for the shift; the steepest edge goes from black to white, and colors
        // make it steeper. Their factors are rounded to 2^-15.
        let pixels =
            if augment.is_affine() { 2.0 * (1.0 / 512.0 + 5.0 * 11.0 / 32_768.0) } else { 0.0 };
        let steeper = f64::from((1.0 + augment.brightness) * (1.0 + augment.contrast));
        let colors = if augment.brightness > 0.0 { 4.0 / 32_768.0 } else { 0.0 };
        let allowed = steeper * pixels + colors + 1e-6;
        let far = x.iter().zip(&expected).map(|(x, e)| f64::from((x - e).abs()));
        let (worst, sum) =
            far.fold((0.0_f64, 0.0), |(worst, sum), far| (worst.max(far), sum + far));
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let mean = sum / expected.len() as f64;
        assert!(worst <= allowed, "{name}: {worst} > {allowed}");
        // Rounding goes both ways: on average, much less than its bound.
        assert!(mean <= allowed / 4.0, "{name}: {mean} on average");
    }
}
