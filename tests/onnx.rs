//! Models as ONNX files: every layer has a form there, and each file is sound in itself.
//!
//! That other programs compute the same is checked by `scripts/onnx/check`, which has this test keep what
//! it writes: `VERIGRAD_ONNX_CASES=FOLDER cargo test --test onnx` writes the models of all built-in recipes,
//! too, each as `NAME.onnx` beside `NAME.npz` with images `[n, h, w, c]` and the probabilities that the CPU
//! executor has for them.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "onnx/graphs.rs"]
mod graphs;
#[path = "random_networks/network.rs"]
#[expect(dead_code, reason = "only the networks are used, not how they are trained")]
mod network;
#[path = "onnx/odd.rs"]
mod odd;
#[path = "onnx/structure.rs"]
mod structure;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Deserialize;
use verigrad::analysis::{Granularity, QuantizedModel, Simulator};
use verigrad::data::{Dataset, Normalization};
use verigrad::exec::CpuExecutor;
use verigrad::graph::Activation;
use verigrad::nn::{Layer, Precision};
use verigrad::onnx::{About, OnnxModel};
use verigrad::tensor::HostTensor;
use verigrad::tensor::rng::{philox4x32, uniform};
use verigrad::train::{
    Evaluator, ModelPrograms, PendingWeights, Predictions, Recipe, builtin_recipes, write_npz,
};

type Weights = BTreeMap<String, HostTensor>;

/// Random networks beside those that are written by hand.
const NETWORKS: u32 = 24;

/// A model with weights, and images for it.
struct Case {
    name: String,
    model: ModelPrograms,
    weights: Weights,
    data: Dataset,
}

/// So many numbers from `low` to `high`, by a name.
fn random(name: &str, count: usize, [low, high]: [f32; 2]) -> Vec<f32> {
    let key = name.bytes().fold([7, 11], |[a, b]: [u32; 2], byte| {
        [b.wrapping_add(u32::from(byte)), a.wrapping_mul(31).wrapping_add(u32::from(byte))]
    });
    let words = (0..).flat_map(|counter| philox4x32([counter, 0, 0, 0], key));
    #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
    let number = |word| low + (high - low) * uniform(word) as f32;
    words.map(number).take(count).collect()
}

/// Images of random bytes.
fn images(image: [usize; 3], n: usize, classes: usize) -> Dataset {
    let numbers = random("images", n * image.iter().product::<usize>(), [0.0, 255.99]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
    let bytes = numbers.into_iter().map(|number| number as u8).collect();
    let classes = (0..classes).map(|class| format!("class {class}")).collect();
    Dataset::new("images", bytes, vec![0; n], image, classes).expect("it is consistent")
}

/// Random parameters and running statistics: none is at a value that would hide that it is left out.
fn weights(model: &ModelPrograms) -> Weights {
    let parameter = |spec: &verigrad::nn::ParameterSpec| {
        let range = match (spec.shape.rank(), spec.name.ends_with(".weight")) {
            (1, true) => [0.5, 1.5],
            (1, _) => [-0.3, 0.3],
            _ => {
                #[expect(clippy::cast_precision_loss, reason = "a count of inputs")]
                let bound = (3.0 / spec.fan_in.max(1) as f32).sqrt();
                [-bound, bound]
            }
        };
        (spec.name.clone(), spec.shape.clone(), range)
    };
    let state = |spec: &verigrad::nn::StateSpec| {
        let range = if spec.name.ends_with("mean") { [-0.3, 0.3] } else { [0.5, 1.5] };
        (spec.name.clone(), spec.shape.clone(), range)
    };
    let all = model.parameters.iter().map(parameter).chain(model.states.iter().map(state));
    let tensor = |(name, shape, range): (String, verigrad::tensor::Shape, _)| {
        let values = random(&name, shape.elements(), range);
        (name, HostTensor::from_f32(shape, &values).expect("as many"))
    };
    all.map(tensor).collect()
}

impl Case {
    fn new(name: &str, model: ModelPrograms, data: Dataset) -> Self {
        let weights = weights(&model);
        Self { name: name.to_owned(), model, weights, data }
    }

    /// Layers in the form of recipes.
    fn of_layers(name: &str, image: [usize; 3], layers: &str) -> Self {
        #[derive(Deserialize)]
        struct Written {
            layers: Vec<Layer>,
        }
        let written: Written = toml::from_str(&format!("layers = [{layers}\n]"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        const CLASSES: usize = 6;
        let channels = random("mean", image[2], [0.2, 0.6]);
        let normalization = Normalization::new(image[2], channels, vec![0.3; image[2]]);
        let normalization = normalization.expect("one for each channel");
        let model = ModelPrograms::new(&written.layers, image, CLASSES, normalization)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::new(name, model, images(image, 5, CLASSES))
    }

    fn of_recipe(recipe: &Recipe, n: usize) -> Self {
        let image = recipe.data.image().expect("recipes say how large images are");
        let data = images(image, n, recipe.data.dataset.classes().unwrap_or(10));
        let model = ModelPrograms::of_recipe(recipe, &data).expect("it fits");
        Self::new(&recipe.name, model.with_precision(Precision::F32), data)
    }

    fn about(&self) -> About {
        let facts = BTreeMap::from([("recipe".to_owned(), self.name.clone())]);
        About { name: self.name.clone(), classes: self.data.classes.clone(), facts }
    }

    fn predictions(&self) -> Predictions {
        let mut executor = CpuExecutor::new();
        let (model, data) = (&self.model, &self.data);
        let evaluator = Evaluator::new(&mut executor, model, "images", data, data.len());
        let evaluator = evaluator.expect("it compiles");
        let weights = PendingWeights::check(model, &self.weights).expect("they are the model's");
        weights.write(&mut executor).expect("they fit");
        let (_, predicted) = evaluator.predict(&mut executor, data).expect("it runs");
        predicted.into_classes().expect("it classifies")
    }

    /// Scales the weights of the last product until no class is sure, and not all are alike: else wrong
    /// logits would give the right probabilities.
    fn made_undecided(mut self) -> (Self, Predictions) {
        let last = self.model.parameters.iter().rfind(|spec| spec.shape.rank() > 1);
        let last = last.expect("a product").name.clone();
        #[expect(clippy::cast_precision_loss, reason = "a count of classes")]
        let even = 1.0 / self.model.classes() as f32;
        for _ in 0..24 {
            let predictions = self.predictions();
            let likeliest = (0..predictions.len())
                .map(|i| predictions.row(i).iter().copied().fold(0.0, f32::max))
                .fold(0.0, f32::max);
            let factor = if likeliest.is_nan() || likeliest > 0.9 {
                0.3
            } else if likeliest < 1.5 * even {
                2.0
            } else {
                return (self, predictions);
            };
            let tensor = self.weights.get_mut(&last).expect("it is the model's");
            let values: Vec<f32> = tensor.f32s().iter().map(|value| value * factor).collect();
            *tensor = HostTensor::from_f32(tensor.ty().shape.clone(), &values).expect("as many");
        }
        panic!("{}: the probabilities say nothing", self.name)
    }

    fn write_floats(self, folder: &Path) {
        let (case, predictions) = self.made_undecided();
        let onnx = OnnxModel::new(&case.model, &case.weights, &case.about())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        write(folder, &case.name, &onnx, &case.data, &predictions.probabilities);
    }

    /// The same in 8 bits, with what the simulation has for it.
    fn write_int8(self, folder: &Path, granularity: Granularity) {
        let (case, _) = self.made_undecided();
        let (model, data) = (&case.model, &case.data);
        let mut executor = CpuExecutor::new();
        let simulator = Simulator::new(&mut executor, model, data.len()).expect("it compiles");
        let weights = PendingWeights::check(model, &case.weights).expect("they are the model's");
        weights.write(&mut executor).expect("they fit");
        let grids = simulator.calibrate(&mut executor, data).expect("it runs");
        let quantized = QuantizedModel::new(&case.weights, grids, granularity).expect("finite");
        let weights = quantized.pending(model).expect("they are the model's");
        weights.write(&mut executor).expect("they fit");
        simulator.set_grids(&mut executor, &quantized.grids).expect("they fit");
        let logits = simulator.evaluate(&mut executor, data).expect("it runs").logits;
        let onnx = OnnxModel::quantized(model, &quantized, &case.about())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let products = simulator.layers().len();
        let graph = onnx.proto().graph.as_ref().expect("a graph");
        let count = |op: &str| graph.node.iter().filter(|node| node.op_type == op).count();
        let quantized = quantized.grids.values().filter(|grid| grid.scale > 0.0).count();
        assert_eq!(count("QuantizeLinear"), quantized, "{}", case.name);
        assert_eq!(count("DequantizeLinear"), quantized + products, "{}", case.name);
        let probabilities: Vec<f32> = logits.chunks(model.classes()).flat_map(softmax).collect();
        let name = format!("{}-int8", case.name);
        write(folder, &name, &onnx, data, &probabilities);
    }
}

/// Looks at a file, and keeps it with what is to come out of it.
fn write(folder: &Path, name: &str, onnx: &OnnxModel, data: &Dataset, probabilities: &[f32]) {
    let path = folder.join(format!("{name}.onnx"));
    onnx.save(&path).expect("it can be written");
    let bytes = fs::read(&path).expect("it was written");
    assert!(bytes == onnx.to_bytes().expect("it is small"), "{name}");
    let proto = structure::decoded(&bytes);
    assert_eq!(proto, *onnx.proto(), "{name}");
    let (image, classes) = ([data.height, data.width, data.channels], data.classes.len());
    structure::check(name, &proto.graph.expect("a graph"), image, classes);

    let [h, w, c] = image;
    let n = data.len();
    let pixels: Vec<f32> = data.images.iter().map(|&byte| f32::from(byte)).collect();
    let pixels = HostTensor::from_f32([n, h, w, c], &pixels).expect("as many");
    let probabilities = HostTensor::from_f32([n, classes], probabilities).expect("as many");
    let arrays = [("images".to_owned(), pixels), ("probabilities".to_owned(), probabilities)];
    write_npz(&folder.join(format!("{name}.npz")), &arrays).expect("it can be written");
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Where files are kept, and whether they are to be kept at all.
fn folder() -> (Option<tempfile::TempDir>, PathBuf) {
    if let Some(folder) = std::env::var_os("VERIGRAD_ONNX_CASES") {
        fs::create_dir_all(&folder).expect("a folder");
        return (None, folder.into());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_owned();
    (Some(folder), path)
}

fn networks() -> Vec<Recipe> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let draw = |number| {
        let tree = network::network().new_tree(&mut runner).expect("a network");
        let text = tree.current().toml();
        let name = [format!("name=random_{number}")];
        Recipe::parse("random", &text, &name).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    (0..NETWORKS).map(draw).collect()
}

#[test]
fn odd_models_are_written() {
    let (_kept, folder) = folder();
    for (name, image, layers) in odd::ODD {
        Case::of_layers(name, *image, layers).write_floats(&folder);
    }
    for (name, image, layers) in odd::poolings() {
        Case::of_layers(&name, image, &layers).write_floats(&folder);
    }
}

#[test]
fn random_networks_are_written() {
    let (_kept, folder) = folder();
    for recipe in networks() {
        Case::of_recipe(&recipe, 3).write_floats(&folder);
    }
}

#[test]
fn models_in_8_bits_are_written() {
    let (_kept, folder) = folder();
    for (name, image, layers) in odd::ODD {
        Case::of_layers(name, *image, layers).write_int8(&folder, Granularity::PerChannel);
    }
    let recipe = Recipe::builtin("digits", &[]).expect("a built-in recipe");
    Case::of_recipe(&recipe, 20).write_int8(&folder, Granularity::PerTensor);
}

/// What own layers and losses may be made of, by the reference.
#[test]
fn graphs_with_other_ops_are_written() {
    let (_kept, folder) = folder();
    let data = images(graphs::IMAGE, graphs::IMAGES, graphs::CLASSES);
    let own = graphs::other_ops().expect("it fits");
    let weights = own.weights(|name, count| random(name, count, [-0.4, 0.4]));
    let about = About { classes: data.classes.clone(), ..About::default() };
    let onnx = OnnxModel::of_graph(&own.graph, own.ends, &weights, &about).expect("it has a form");
    let probabilities = own.probabilities(&data.images, &weights);
    write(&folder, "other_ops", &onnx, &data, &probabilities);
}

#[test]
fn what_has_no_form_is_refused_by_name() {
    for (own, parts) in graphs::without_form() {
        let own = own.expect("it fits");
        let weights = own.weights(|name, count| random(name, count, [-1.0, 1.0]));
        let error = OnnxModel::of_graph(&own.graph, own.ends, &weights, &About::default());
        let text = error.expect_err("it has no form").to_string();
        for part in [&parts[..], &["layer mine", "--format safetensors"]].concat() {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}

/// The large ones take a while to write: without a folder, the small ones are enough.
#[test]
fn models_of_recipes_are_written() {
    let (kept, folder) = folder();
    for recipe in builtin_recipes() {
        let recipe = Recipe::builtin(recipe.name, &[]).expect("a built-in recipe");
        let [h, w, _] = recipe.data.image().expect("recipes say how large images are");
        if kept.is_none() || h * w <= 28 * 28 {
            Case::of_recipe(&recipe, 2).write_floats(&folder);
        }
    }
}

/// Names of all kinds of layers, as the error for an unknown one lists them.
fn kinds() -> Vec<String> {
    let error = toml::from_str::<Layer>("type = \"none\"").expect_err("there is no such layer");
    let text = error.to_string();
    let (_, expected) = text.split_once("expected").expect("it lists what there is");
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn all_layers_and_functions_are_in_the_models() {
    let texts: String = odd::ODD.iter().map(|(_, _, layers)| *layers).collect();
    let texts =
        texts + &odd::poolings().into_iter().map(|(_, _, layers)| layers).collect::<String>();
    let kinds = kinds();
    assert!(kinds.len() >= 12, "{kinds:?}");
    for kind in kinds {
        assert!(texts.contains(&format!("type = \"{kind}\"")), "no model has a {kind}");
    }
    for function in Activation::ALL {
        let name = serde_json::to_string(&function).expect("it has a name");
        let is_used =
            ["activation", "function"].iter().any(|key| texts.contains(&format!("{key} = {name}")));
        assert!(is_used, "no model has {name}");
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let mut case = Case::of_layers("gray_flat", [6, 6, 1], odd::ODD[9].2);
    let error = |case: &Case| {
        let error = OnnxModel::new(&case.model, &case.weights, &case.about());
        error.expect_err("the weights do not fit").to_string()
    };
    case.weights.insert("dense1.bias".to_owned(), HostTensor::from_f32([1], &[0.0]).expect("one"));
    let text = error(&case);
    assert!(text.contains("dense1.bias [8] is needed") && text.contains("[1]"), "{text}");
    case.weights.remove("dense1.bias");
    assert!(error(&case).contains("dense1.bias [8] is needed, the weights have none"));
}
