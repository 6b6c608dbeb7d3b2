//! Well-known models from PyTorch's weights: the forward pass, and one step of two optimizers. The
//! fixture, and the rule by which both sides draw weights and images, is
//! `assets/golden/make_models.py`.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use serde::Deserialize;
use verigrad::data::{Dataset, Splits};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor};
use verigrad::tensor::rng::{philox4x32, uniform};
use verigrad::tensor::{HostTensor, Shape};
use verigrad::train::{Evaluator, Exchange, ModelPrograms, PendingWeights, Recipe, Trainer};

use super::compare;

const SEED: u32 = 2027;
/// "init" and "data" in ASCII: the second key words of the two drawings.
const INIT: u32 = 0x696e_6974;
const DATA: u32 = 0x6461_7461;

/// What the fixture says about itself.
#[derive(Deserialize)]
struct About {
    /// Elements of each tensor that are kept, at most.
    kept: usize,
    /// In the order of the drawing.
    #[serde(deserialize_with = "in_order")]
    models: Vec<(String, Model)>,
}

/// One model.
#[derive(Deserialize)]
struct Model {
    options: String,
    images: [usize; 4],
    classes: usize,
    /// Factor on the weights of norms.
    scale: f64,
    names: Vec<String>,
}

/// The entries of a JSON object in the order in which they are written.
fn in_order<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<(String, Model)>, D::Error> {
    struct Entries;
    impl<'de> serde::de::Visitor<'de> for Entries {
        type Value = Vec<(String, Model)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of models")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    from.deserialize_map(Entries)
}

struct Fixture {
    bytes: Vec<u8>,
    about: About,
}

impl Fixture {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let bytes = std::fs::read(folder.join("models.safetensors")).expect("it is there");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let about = header.metadata().as_ref().expect("metadata")["models"].clone();
        Self { bytes, about: serde_json::from_str(&about).expect("what the script writes") }
    }

    /// A tensor in f32 and in f64.
    fn both(&self, name: &str) -> (Vec<f64>, Vec<f64>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        let data = |kind: &str| {
            let name = format!("{name}_{kind}");
            file.tensor(&name).expect("the script stores it").data().to_vec()
        };
        let single: Vec<f32> = bytemuck::pod_collect_to_vec(&data("f32"));
        let double: Vec<f64> = bytemuck::pod_collect_to_vec(&data("f64"));
        (single.into_iter().map(f64::from).collect(), double)
    }
}

/// Word `i` of a stream of a model's generator.
fn word(i: u32, stream: u32, model: u32, purpose: u32) -> u32 {
    let block = philox4x32([i / 4, stream, model, 0], [SEED, purpose]);
    block[usize::try_from(i % 4).expect("below 4")]
}

/// Tensor `t` of model `m`, in PyTorch's layout.
fn drawn((name, shape): (&str, &Shape), scale: f64, t: u32, m: u32) -> HostTensor {
    let dims = shape.dims();
    let count = u32::try_from(shape.elements()).expect("small models");
    let fan_in = u32::try_from(shape.elements() / dims[0]).expect("small models");
    let value = |i| {
        let v = 2.0 * uniform(word(i, t, m, INIT)) - 1.0;
        let value = if dims.len() > 1 {
            v * (6.0 / f64::from(fan_in)).sqrt()
        } else if name.ends_with("running_var") {
            1.0 + v / 2.0
        } else if name.ends_with("weight") {
            scale * (1.0 + v / 5.0)
        } else {
            v / 10.0
        };
        #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the rule")]
        let rounded = value as f32;
        rounded
    };
    let values: Vec<f32> = (0..count).map(value).collect();
    HostTensor::from_f32(shape.clone(), &values).expect("one value per element")
}

fn images(model: &Model, m: u32) -> Dataset {
    let [n, h, w, c] = model.images;
    let count = |n: usize| u32::try_from(n).expect("small images");
    let pixel = |i| u8::try_from(word(i, 0, m, DATA) >> 24).expect("8 bits");
    let pixels = (0..count(n * h * w * c)).map(pixel).collect();
    let labels = (0..count(n)).map(|i| word(i, 1, m, DATA) % count(model.classes)).collect();
    let classes = (0..model.classes).map(|class| class.to_string()).collect();
    Dataset::new("drawn", pixels, labels, [h, w, c], classes).expect("one label per image")
}

fn recipe(model: &Model, optimizer: &str) -> Recipe {
    let text = format!(
        "name = \"model\"\nepochs = 1\nbatch_size = {}\nshuffle = false\n\
         [data]\ndataset = \"folder\"\n[optimizer]\n{optimizer}\n[model]\n{}\n",
        model.images[0], model.options
    );
    Recipe::parse("model", &text, &[]).expect("a valid recipe")
}

const SGD: &str = "type = \"sgd\"\nlearning_rate = 0.05\nmomentum = 0.9\nweight_decay = 1e-3";
const ADAM: &str = "type = \"adam\"\nlearning_rate = 1e-3\nepsilon = 1e-3";

/// A model with PyTorch's weights.
struct Imported {
    programs: ModelPrograms,
    exchange: Exchange,
    weights: Vec<(String, HostTensor)>,
    data: Dataset,
}

impl Imported {
    fn new(model: &Model, m: u32) -> Self {
        let data = images(model, m);
        let recipe = recipe(model, SGD);
        let programs = ModelPrograms::of_recipe(&recipe, &data).expect("the model fits");
        let exchange = Exchange::of(recipe.model.as_ref(), &programs).expect("known names");
        let shapes: BTreeMap<String, Shape> = exchange.torch_tensors().into_iter().collect();
        let state = (0..).zip(&model.names).map(|(t, name)| {
            let shape = shapes.get(name).expect("a tensor of the model, too");
            (name.clone(), drawn((name, shape), model.scale, t, m))
        });
        let weights = exchange.from_torch(state.collect()).expect("all of PyTorch's tensors");
        Self { programs, exchange, weights, data }
    }
}

/// Compares everything that the fixture has about a model; gives the worst error as a part of what
/// is allowed.
fn check(fixture: &Fixture, m: usize, make: &dyn Fn() -> Box<dyn Executor>) -> f64 {
    let (name, model) = &fixture.about.models[m];
    let imported = Imported::new(model, u32::try_from(m).expect("few models"));
    let Imported { programs, exchange, weights, data } = &imported;

    let mut executor = make();
    let device = executor.info().name.clone();
    let by_name = weights.iter().cloned().collect();
    let pending = PendingWeights::check(programs, &by_name).expect("the model's weights");
    let evaluator = Evaluator::new(executor.as_mut(), programs, "test", data, data.len());
    let evaluator = evaluator.expect("it fits");
    pending.write(executor.as_mut()).expect("the device works");
    let (_, found) = evaluator.predict(executor.as_mut(), data).expect("the device works");
    let found = found.into_classes().expect("it classifies");
    let (single, double) = fixture.both(&format!("{name}.probabilities"));
    let mut worst = compare(
        &format!("{name} on {device}: probability"),
        &found.probabilities,
        &single,
        &double,
    );

    for (kind, optimizer) in [("sgd", SGD), ("adam", ADAM)] {
        let mut executor = make();
        let splits = Splits {
            train: data.clone(),
            validation: None,
            test: data.clone(),
            account: Default::default(),
        };
        let recipe = recipe(model, optimizer);
        let mut trainer = Trainer::new(executor.as_mut(), &recipe, splits).expect("it fits");
        trainer.set_weights(weights).expect("the model's weights");
        trainer.run_steps(1).expect("the device works");
        let what = |part: &str| format!("{name} by {kind} on {device}: {part}");
        let losses = trainer.losses().expect("the device works");
        let (single, double) = fixture.both(&format!("{name}.{kind}.loss"));
        worst = worst.max(compare(&what("loss"), &losses[..1], &single, &double));
        let after = trainer.weights().expect("the device works").into_iter().collect();
        let after: BTreeMap<String, HostTensor> =
            exchange.to_torch(&after).expect("the model's weights").into_iter().collect();
        let (single, double) = fixture.both(&format!("{name}.{kind}.state"));
        let mut start = 0;
        for tensor in &model.names {
            let values = after[tensor].f32s();
            let stride = values.len().div_ceil(fixture.about.kept);
            let found: Vec<f32> = values.iter().copied().step_by(stride).collect();
            let stored = start..start + found.len();
            start = stored.end;
            let (single, double) = (&single[stored.clone()], &double[stored]);
            worst = worst.max(compare(&what(tensor), &found, single, double));
        }
        assert_eq!(start, double.len(), "{name}: all of the fixture was compared");
    }
    worst
}

#[test]
fn models_with_pytorchs_weights_follow_pytorch_on_the_cpu() {
    let fixture = Fixture::read();
    for (m, (name, _)) in fixture.about.models.iter().enumerate() {
        let worst = check(&fixture, m, &|| Box::new(CpuExecutor::new()));
        println!("{name}: the worst error is {worst:.3} of the bound");
    }
}

/// One model on each GPU: its kernels are checked one by one elsewhere.
#[test]
fn a_residual_network_with_pytorchs_weights_follows_pytorch_on_gpus() {
    let fixture = Fixture::read();
    let m = fixture.about.models.iter().position(|(name, _)| name == "resnet20");
    for adapter in &adapters() {
        let make = || -> Box<dyn Executor> {
            Box::new(GpuExecutor::open(adapter).expect("the adapter opens"))
        };
        check(&fixture, m.expect("the script has it"), &make);
    }
}
