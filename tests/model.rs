//! Models in code: what `fit`, `evaluate`, `predict`, `save` and `load` do is what their words say, and
//! what the program `verigrad` does.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "numbers of examples and pixels of small sets"
)]

use verigrad::data::{DataConfig, Dataset, Examples, TargetKind, TargetMut, Targets, load};
use verigrad::error::ShapeError;
use verigrad::exec::{CpuExecutor, DeviceChoice};
use verigrad::graph::Value;
use verigrad::model::{Accuracy, BinaryAccuracy, Fit, Model, ModelError};
use verigrad::nn::{
    Activation, BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Flatten, Init, Layer, LayerDef,
    MaxPool2d, ModelBuilder, Upsample2d, layers,
};
use verigrad::ops::Binary;
use verigrad::tensor::HostTensor;
use verigrad::train::{
    AugmentConfig, Loss, Observer, ObserverError, OptimizerConfig, Progress, Recipe, Trainer,
};

/// Numbers in [-1, 1) that look random.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    let one = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
    (0..n).map(one).collect()
}

fn cpu(input: impl Into<Vec<usize>>) -> Model {
    Model::new(input).on(DeviceChoice::Cpu)
}

/// A linear model with weights that are known, and what it makes of inputs, in f64.
fn linear(inputs: &[f32], units: usize, loss: Loss) -> (Model, Vec<f64>) {
    let features = 3;
    let (weight, bias) = (numbers(features * units, 5), numbers(units, 6));
    let outputs = inputs.chunks(features).flat_map(|x| {
        let unit = |u: usize| {
            let products = x.iter().enumerate().map(|(f, x)| x * weight[f * units + u]);
            f64::from(bias[u]) + products.map(f64::from).sum::<f64>()
        };
        (0..units).map(unit).collect::<Vec<f64>>()
    });
    let outputs = outputs.collect();
    let mut model = cpu([features]).add(Dense::new(units)).loss(loss);
    let tensor = |shape: &[usize], values: &[f32]| {
        HostTensor::from_f32(shape.to_vec(), values).expect("one number per element")
    };
    model.set_weights([
        ("dense1.weight".to_owned(), tensor(&[features, units], &weight)),
        ("dense1.bias".to_owned(), tensor(&[units], &bias)),
    ]);
    (model, outputs)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

/// As many examples as do not fill their batches: what fills them must not count.
const EXAMPLES: usize = 101;

#[test]
fn losses_of_numbers_are_as_their_formulas_say() {
    let (units, inputs) = (2, numbers(3 * EXAMPLES, 1));
    let targets = numbers(units * EXAMPLES, 2);
    let probabilities: Vec<f32> = targets.iter().map(|t| t.abs()).collect();
    type Formula = fn(f64, f64) -> f64;
    let formulas: [(Loss, &[f32], Formula); 5] = [
        (Loss::MeanSquaredError, &targets, |y, t| (y - t).powi(2)),
        (Loss::MeanAbsoluteError, &targets, |y, t| (y - t).abs()),
        (Loss::Huber { delta: 0.5 }, &targets, |y, t| {
            let d = (y - t).abs();
            if d <= 0.5 { d * d / 2.0 } else { 0.5 * (d - 0.25) }
        }),
        (Loss::Huber { delta: 100.0 }, &targets, |y, t| (y - t).powi(2) / 2.0),
        (Loss::BinaryCrossEntropy, &probabilities, |y, t| {
            y.max(0.0) - y * t + (-y.abs()).exp().ln_1p()
        }),
    ];
    for (loss, targets, formula) in formulas {
        let (mut model, outputs) = linear(&inputs, units, loss.clone());
        let data = Targets::numbers([units], targets.to_vec());
        let data = Dataset::of_numbers("x", [3], inputs.clone(), data, vec![]).expect("it fits");
        let expected = mean(outputs.iter().zip(targets).map(|(&y, &t)| formula(y, f64::from(t))));
        let evaluated = model.evaluate(&data).expect("it can be evaluated");
        let off = (evaluated.loss - expected).abs() / expected;
        assert!(off < 1e-5, "{loss:?}: {} instead of {expected}", evaluated.loss);
        assert_eq!((evaluated.accuracy, evaluated.examples), (None, EXAMPLES as u64));
        // The derivative: a step of plain descent moves the bias by it.
        let before = model.weights().expect("they are known")[1].1.floats();
        let fit = Fit {
            epochs: 1,
            batch_size: EXAMPLES,
            optimizer: OptimizerConfig::sgd(0.01, 0.0),
            ..Fit::default()
        };
        model.fit(&data, &fit).expect("it trains");
        let after = model.weights().expect("they are known")[1].1.floats();
        for unit in 0..units {
            let pairs = outputs.iter().zip(targets).skip(unit).step_by(units);
            let slope = |(&y, &t): (&f64, &f32)| {
                let (t, h) = (f64::from(t), 1e-6);
                (formula(y + h, t) - formula(y - h, t)) / (2.0 * h) / units as f64
            };
            let expected = mean(pairs.map(slope));
            let found = f64::from(before[unit] - after[unit]) / 0.01;
            assert!((found - expected).abs() < 1e-4, "{loss:?}: {found} instead of {expected}");
        }
    }
}

fn log_softmax(row: &[f64], class: usize) -> f64 {
    row[class] - row.iter().map(|x| x.exp()).sum::<f64>().ln()
}

#[test]
fn cross_entropy_takes_labels_probabilities_and_maps_of_labels() {
    let (classes, inputs) = (4, numbers(3 * EXAMPLES, 1));
    let names: Vec<String> = (0..classes).map(|i| format!("class {i}")).collect();
    let labels: Vec<u32> = (0..EXAMPLES as u32).map(|i| i * 7 % 4).collect();
    let of = |targets: Targets, names: Vec<String>| {
        let data = Dataset::of_numbers("x", [3], inputs.clone(), targets, names).expect("it fits");
        let (mut model, outputs) = linear(&inputs, classes, Loss::CrossEntropy);
        (model.evaluate(&data).expect("it can be evaluated"), outputs, data, model)
    };
    let (evaluated, outputs, data, mut model) = of(Targets::Class(labels.clone()), names);
    let rows: Vec<&[f64]> = outputs.chunks(classes).collect();
    let expected =
        mean(rows.iter().zip(&labels).map(|(row, &label)| -log_softmax(row, label as usize)));
    assert!((evaluated.loss - expected).abs() < 1e-5, "{} and {expected}", evaluated.loss);
    let accuracy = model.measure(&data, &[&Accuracy]).expect("it can be measured")[0];
    assert!(
        (evaluated.accuracy.expect("it classifies") - accuracy).abs() < 1e-12 && accuracy > 0.0
    );

    let soft: Vec<f32> = numbers(classes * EXAMPLES, 3).iter().map(|t| t.abs()).collect();
    let (evaluated, ..) = of(Targets::numbers([classes], soft.clone()), vec![]);
    let of_row = |(row, soft): (&&[f64], &[f32])| {
        let each = soft.iter().enumerate();
        each.map(|(class, &t)| -f64::from(t) * log_softmax(row, class)).sum::<f64>()
    };
    let expected = mean(rows.iter().zip(soft.chunks(classes)).map(of_row));
    assert!((evaluated.loss - expected).abs() < 1e-5, "{} and {expected}", evaluated.loss);
}

/// Pixels above zero are of class one, but for a column that nobody has labeled.
#[test]
fn a_model_learns_a_class_for_each_pixel() {
    let (n, side) = (40, 6);
    let inputs = numbers(n * side * side, 4);
    let label = |(i, &x): (usize, &f32)| match i % side {
        0 => u32::MAX,
        _ => u32::from(x > 0.0),
    };
    let labels: Vec<u32> = inputs.iter().enumerate().map(label).collect();
    let targets = Targets::Classes { shape: vec![side, side], labels };
    let names = ["low", "high"].map(str::to_owned).to_vec();
    let data = Dataset::of_numbers("maps", [side, side, 1], inputs, targets, names);
    let data = data.expect("it fits");
    let mut model =
        cpu([side, side, 1]).add(Conv2d::new(4, 3).same().relu()).add(Conv2d::new(2, 1));
    let optimizer = OptimizerConfig::adam(0.05);
    let fit = Fit { epochs: 30, batch_size: 16, optimizer, ..Fit::default() };
    let history = model.fit(&data, &fit).expect("it trains");
    assert!(history.last().loss < history.epochs[0].loss / 3.0, "{history:?}");
    assert_eq!(history.last().accuracy, None);
    let accuracy = model.measure(&data, &[&Accuracy]).expect("it can be measured")[0];
    assert!(accuracy > 0.97, "{accuracy}");
}

#[test]
fn examples_may_be_of_several_classes() {
    let inputs = numbers(2 * 300, 8);
    let answer =
        |x: &[f32]| [x[0] > 0.0, x[1] > 0.2, x[0] > x[1]].map(|b| if b { 1.0 } else { 0.0 });
    let targets = Targets::numbers([3], inputs.chunks(2).flat_map(answer).collect());
    let data = Dataset::of_numbers("flags", [2], inputs, targets, vec![]).expect("it fits");
    let mut model =
        cpu([2]).add(Dense::new(16).relu()).add(Dense::new(3)).loss(Loss::BinaryCrossEntropy);
    let optimizer = OptimizerConfig::adam(0.02);
    model.fit(&data, &Fit { epochs: 40, optimizer, ..Fit::default() }).expect("it trains");
    let accuracy = model.measure(&data, &[&BinaryAccuracy]).expect("it can be measured")[0];
    assert!(accuracy > 0.95, "{accuracy}");
    let p = model.predict(&[0.9, -0.9]).expect("it predicts").sigmoid().values;
    assert!(p[0] > 0.9 && p[1] < 0.1 && p[2] > 0.9, "{p:?}");
}

/// The same numbers as of a table, read one by one.
struct Read(Vec<f32>, Vec<u32>);

impl Examples for Read {
    fn len(&self) -> usize {
        self.1.len()
    }

    fn input(&self) -> Vec<usize> {
        vec![3]
    }

    fn target(&self) -> TargetKind {
        TargetKind::Class
    }

    fn read(&self, i: usize, input: &mut [f32], target: TargetMut<'_>) -> Result<(), String> {
        input.copy_from_slice(&self.0[3 * i..][..3]);
        match target {
            TargetMut::Classes(labels) => labels[0] = self.1[i],
            TargetMut::Numbers(_) => return Err("asked for numbers".to_owned()),
        }
        if self.1[i] == 9 { Err("nine is no answer".to_owned()) } else { Ok(()) }
    }
}

fn bits(model: &Model) -> Vec<u32> {
    let weights = model.weights().expect("they are known");
    weights.iter().flat_map(|(_, tensor)| tensor.floats()).map(f32::to_bits).collect()
}

#[test]
fn a_source_of_ones_own_trains_to_the_bits_of_a_table() {
    let (inputs, labels) =
        (numbers(3 * EXAMPLES, 1), (0..101).map(|i| i % 3).collect::<Vec<u32>>());
    let names = || (0..3).map(|i| format!("class {i}")).collect::<Vec<String>>();
    let targets = Targets::Class(labels.clone());
    let table = Dataset::of_numbers("t", [3], inputs.clone(), targets, names()).expect("it fits");
    let source = Read(inputs.clone(), labels.clone());
    let source = Dataset::of_examples("t", source, names()).expect("there are examples");
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let trained = |data: &Dataset| {
            let mut model = Model::new([3]).on(device.clone());
            model = model.add(Dense::new(8).relu()).add(BatchNorm::default()).add(Dense::classes());
            let fit = Fit { epochs: 3, batch_size: 4, ..Fit::default() };
            model.fit(data, &fit).expect("it trains");
            let evaluated = model.evaluate(data).expect("it can be evaluated");
            (bits(&model), evaluated)
        };
        assert_eq!(trained(&table), trained(&source), "{device}");
    }
    let mut broken = labels;
    broken[57] = 9;
    let broken = Dataset::of_examples("t", Read(inputs, broken), names()).expect("examples");
    let mut model = cpu([3]).add(Dense::classes());
    let error = model.fit(&broken, &Fit::default()).expect_err("an example is none").to_string();
    assert!(error.contains("example 57: nine is no answer"), "{error}");
}

/// What a recipe trains, to the bit.
#[test]
fn a_model_trains_as_a_recipe_does() {
    struct Silent;
    impl Observer for Silent {
        fn progress(&mut self, _: &Progress) {}
        fn epoch(
            &mut self,
            _: &verigrad::train::EpochResult,
            _: &[(String, HostTensor)],
        ) -> Result<(), ObserverError> {
            Ok(())
        }
    }
    let set = ["data.train_size=200", "data.test_size=20", "epochs=2", "batch_size=32", "seed=7"];
    let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
    let data = load(&recipe.data, None).expect("it is drawn");
    let mut executor = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut executor, &recipe, data.clone()).expect("it fits");
    trainer.run(&mut Silent).expect("it trains");
    let expected = trainer.weights().expect("weights");
    let mut model = cpu([28, 28, 1]).add_all(recipe.layers.clone()).seed(7);
    let fit = Fit {
        epochs: 2,
        batch_size: 32,
        seed: 7,
        shuffle: recipe.shuffle,
        drop_last: recipe.drop_last,
        optimizer: recipe.optimizer.clone(),
        schedule: recipe.schedule.clone(),
        augment: recipe.augment.clone(),
        validation: Some(data.test.clone()),
        ..Fit::default()
    };
    let mut told = 0;
    let history =
        model.fit_with(&data.train, &fit, Vec::new(), &mut |_| told += 1).expect("it trains");
    assert_eq!((history.epochs.len(), told), (2, 2));
    assert_eq!(model.weights().expect("weights"), expected);
    let last = history.last();
    let evaluated = model.evaluate(&data.test).expect("it can be evaluated");
    assert_eq!(last.validation_accuracy, evaluated.accuracy);
    assert_eq!(last.validation_loss.map(|loss| loss as f32), Some(evaluated.loss as f32));
    // One image alone, and the same among others.
    let all = model.predict_images(&data.test.images).expect("it predicts");
    let one = model.predict_images(&data.test.images[784..2 * 784]).expect("it predicts");
    assert_eq!((all.len(), one.len(), one.shape.as_slice()), (20, 1, &[10][..]));
    for (a, b) in one.values.iter().zip(all.rows().nth(1).expect("there are twenty")) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    let right =
        all.classes().iter().zip(&data.test.labels).filter(|(y, t)| **y == **t as usize).count();
    assert_eq!(evaluated.accuracy, Some(right as f64 / 20.0));
}

#[test]
fn a_model_comes_back_from_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    let config = DataConfig { train_size: Some(100), test_size: Some(10), ..DataConfig::default() };
    let data = load(&config, None).expect("it is drawn");
    let mut model = cpu([28, 28, 1])
        .add(Conv2d::new(4, 3).stride(2).no_bias())
        .add(BatchNorm::default())
        .add(Activation::Relu)
        .add(Dropout::new(0.2))
        .add(MaxPool2d::new(2))
        .add(Flatten {})
        .add(Dense::classes());
    let normalization = Some(verigrad::data::Statistics::PerChannel);
    let fit = Fit { epochs: 1, normalization, ..Fit::default() };
    model.fit(&data.train, &fit).expect("it trains");
    model.save(&path).expect("it can be saved");
    let mut again = Model::load(&path).expect("it is there").on(DeviceChoice::Cpu);
    assert_eq!(again.layers(), model.layers());
    assert_eq!(again.class_names(), data.train.classes);
    assert_eq!(bits(&again), bits(&model));
    let images = &data.test.images;
    assert_eq!(again.predict_images(images).ok(), model.predict_images(images).ok());
    let evaluated = again.evaluate(&data.test).expect("it can be evaluated");
    assert_eq!(evaluated, model.evaluate(&data.test).expect("it can be evaluated"));
    // Into other layers behind the same ones.
    let mut other = cpu([28, 28, 1]).classes(["a", "b"]).add_all(model.layers()[..6].to_vec());
    other = other.add(Dense::new(2));
    let report = other.load_weights(&path).expect("most layers fit");
    assert_eq!(report.loaded, ["conv1", "norm1"], "{report}");
    assert_eq!(report.misfits.len(), 1, "{report}");
    assert_eq!(other.weights().expect("weights")[0], model.weights().expect("weights")[0]);

    std::fs::write(&path, b"no model").expect("written");
    assert!(matches!(Model::load(&path), Err(ModelError::File(_) | ModelError::Weights(_))));
}

/// `y[i s + a - p] += x[i] w[a]`, down and across.
#[test]
fn images_are_made_larger_as_the_formulas_say() {
    let (h, w, c, o) = (3, 4, 2, 3);
    for (kernel, stride, padding, more) in [(3, 2, 1, 1), (2, 2, 0, 0), (4, 3, 1, 0), (3, 1, 2, 0)]
    {
        let layer =
            ConvTranspose2d::new(o, kernel).stride(stride).padding(padding).output_padding(more);
        let mut model = cpu([h, w, c]).add(layer);
        let weights = model.weights().expect("weights");
        let (weight, bias) = (weights[0].1.floats(), numbers(o, 3));
        let bias_tensor = HostTensor::from_f32([o], &bias).expect("one per channel");
        model.set_weights([weights[0].clone(), (weights[1].0.clone(), bias_tensor)]);
        let x = numbers(h * w * c, 1);
        let y = model.predict(&x).expect("it predicts");
        let [oh, ow] = [h, w].map(|n| (n - 1) * stride + kernel + more - 2 * padding);
        assert_eq!(y.shape, [oh, ow, o]);
        let mut expected: Vec<f64> = (0..oh * ow * o).map(|i| f64::from(bias[i % o])).collect();
        for (i, x) in x.iter().enumerate() {
            let (row, column, channel) = (i / c / w, i / c % w, i % c);
            for (a, b) in (0..kernel).flat_map(|a| (0..kernel).map(move |b| (a, b))) {
                let at = |n: usize, tap: usize| (n * stride + tap).checked_sub(padding);
                let (Some(y), Some(z)) = (at(row, a), at(column, b)) else { continue };
                if y < oh && z < ow {
                    for out in 0..o {
                        let w = weight[((a * kernel + b) * o + out) * c + channel];
                        expected[(y * ow + z) * o + out] += f64::from(x * w);
                    }
                }
            }
        }
        for (got, expected) in y.values.iter().zip(&expected) {
            assert!(
                (f64::from(*got) - expected).abs() < 1e-5,
                "{kernel} {stride}: {got} {expected}"
            );
        }
    }
    let mut model = cpu([2, 2, 1]).add(Upsample2d::new([1, 3]));
    let y = model.predict(&[1.0, 2.0, 3.0, 4.0]).expect("it predicts");
    // A layer more after a prediction.
    let mut flat = cpu([2, 2, 1]).add(Upsample2d::new([1, 3]));
    flat.predict(&[0.0; 4]).expect("it predicts");
    let flat = flat.add(Flatten {}).predict(&[1.0, 2.0, 3.0, 4.0]).expect("it predicts");
    assert_eq!((flat.shape, flat.values), (vec![12], y.values.clone()));
    assert_eq!(y.values, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0]);
    let mut model = cpu([2, 2, 1]).add(Upsample2d::new([1, 2]).bilinear());
    let y = model.predict(&[1.0, 2.0, 3.0, 4.0]).expect("it predicts");
    assert_eq!(
        (y.shape, y.values),
        (vec![2, 4, 1], vec![1.0, 1.25, 1.75, 2.0, 3.0, 3.25, 3.75, 4.0])
    );
}

/// Adds one number to all.
#[derive(Debug)]
struct Shift;

impl LayerDef for Shift {
    fn stem(&self) -> &'static str {
        "shift"
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let bias = builder.vector("bias", 1, Init::Constant(0.25), (1, 1));
        builder.push(Binary::ADD, &[x, bias])
    }
}

#[test]
fn layers_of_ones_own_have_names_weights_and_limits() {
    let inputs = numbers(30, 1);
    let targets = Targets::numbers([1], inputs.iter().map(|x| x + 3.0).collect());
    let data = Dataset::of_numbers("x", [1], inputs, targets, vec![]).expect("it fits");
    let mut model = cpu([1]).add(Shift).add(Shift).loss(Loss::MeanSquaredError);
    let names = |model: &Model| {
        let weights = model.weights().expect("weights");
        weights.into_iter().map(|(name, _)| name).collect::<Vec<String>>()
    };
    assert_eq!(names(&model), ["shift1.bias", "shift2.bias"]);
    let optimizer = OptimizerConfig::sgd(0.1, 0.0);
    let fit = Fit { epochs: 40, optimizer, freeze: vec!["shift1".to_owned()], ..Fit::default() };
    model.fit(&data, &fit).expect("it trains");
    let weights = model.weights().expect("weights");
    assert_eq!(weights[0].1.floats(), [0.25]);
    assert!((weights[1].1.floats()[0] - 2.75).abs() < 1e-3, "{weights:?}");
    let error = model.to_toml().expect_err("it has layers in code").to_string();
    assert!(error.contains("in code only"), "{error}");
    let inside: Vec<Layer> = layers![Shift];
    assert_eq!(inside, layers![Shift]);
}

/// What does not go together is refused in words.
#[test]
fn mistakes_are_named() {
    let labels = Targets::Class(vec![0, 1, 0, 1]);
    let names = || vec!["a".to_owned(), "b".to_owned()];
    let data =
        Dataset::of_numbers("d", [2], numbers(8, 1), labels.clone(), names()).expect("it fits");
    let dense = || cpu([2]).add(Dense::new(2));
    let fit = Fit::default;
    let mirrored: AugmentConfig = toml::from_str("horizontal_flip = true").expect("valid");
    let numbers_of = |n: usize| {
        let targets = Targets::numbers([n], numbers(4 * n, 2));
        Dataset::of_numbers("n", [2], numbers(8, 1), targets, vec![]).expect("it fits")
    };
    let cases: Vec<(Result<_, ModelError>, &str)> = vec![
        (
            cpu([3]).add(Dense::new(2)).fit(&data, &fit()),
            "inputs have shape [2]: the model expects [3]",
        ),
        (cpu([2]).add(Dense::new(5)).fit(&data, &fit()), "end with a dense layer of 2 units"),
        (cpu([2]).add(Dropout::new(1.5)).fit(&data, &fit()), "layer 0.rate: must lie in [0, 1)"),
        (dense().loss(Loss::MeanSquaredError).fit(&data, &fit()), "the data set has labels"),
        (dense().loss(Loss::MeanSquaredError).fit(&numbers_of(3), &fit()), "expected the same"),
        (
            dense().loss(Loss::Huber { delta: -1.0 }).fit(&data, &fit()),
            "loss.delta: must be above 0",
        ),
        (
            dense().fit(&data, &Fit { augment: mirrored, ..fit() }),
            "augmentation takes 8-bit images",
        ),
        (dense().fit(&data, &Fit { batch_size: 0, ..fit() }), "batch_size: must be at least 1"),
        (dense().fit(&data, &Fit { epochs: 0, ..fit() }), "ended before its first epoch"),
        (dense().classes(["x", "y"]).fit(&data, &fit()), "its classes are a, b"),
        (cpu([2]).add(Conv2d::new(2, 3)).fit(&data, &fit()), "conv"),
        (dense().loss(Loss::custom(|_, y, _| Ok(y))).fit(&data, &fit()), "a loss for each example"),
    ];
    for (result, part) in cases {
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    let error = dense().predict(&[1.0; 3]).expect_err("three are no twos").to_string();
    assert!(error.contains("3 numbers were given") && error.contains("of 2 each"), "{error}");
    for (inputs, targets, part) in [
        (vec![0.0; 7], labels.clone(), "expected 2 and 1 for each example"),
        (vec![0.0; 6], labels, "inputs of 3 examples do not go with targets of 4"),
        (vec![0.0; 2], Targets::Class(vec![2]), "label 2 was given, but there are 2 classes"),
        (vec![], Targets::Class(vec![]), "holds no examples"),
    ] {
        let set = Dataset::of_numbers("d", [2], inputs, targets, names());
        let error = set.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}
