//! Weights there and back, and what does not belong.

use super::*;
use crate::data::Normalization;
use crate::nn::{Flatten, Layer, ModelConfig, Residual, layers};
use crate::train::Recipe;

fn model(layers: &[Layer], image: [usize; 3]) -> ModelPrograms {
    let normalization = Normalization::new(image[2], vec![0.0; image[2]], vec![1.0; image[2]]);
    ModelPrograms::new(layers, image, 5, normalization.expect("valid")).expect("it fits")
}

fn builder(options: &str, image: [usize; 3]) -> (ModelConfig, ModelPrograms) {
    let config: ModelConfig = toml::from_str(options).expect("valid options");
    let programs = model(&config.plan().layers, image);
    (config, programs)
}

/// Weights with a number of its own in each element.
fn numbered(model: &ModelPrograms) -> BTreeMap<String, HostTensor> {
    let mut next = 0.0_f32;
    let mut tensor = |shape: &Shape| {
        let values: Vec<f32> = (0..shape.elements())
            .map(|_| {
                next += 1.0;
                next
            })
            .collect();
        HostTensor::from_f32(shape.clone(), &values).expect("one value per element")
    };
    let parameters = model.parameters.iter().map(|p| (p.name.clone(), tensor(&p.shape)));
    let mut all: BTreeMap<_, _> = parameters.collect();
    all.extend(model.states.iter().map(|s| (s.name.clone(), tensor(&s.shape))));
    all
}

#[test]
fn round_trips_keep_every_bit() {
    for (options, image) in [
        ("type = \"alexnet\"\nwidth = 0.1", [64, 64, 3]),
        ("type = \"alexnet_2012\"\nwidth = 0.1", [67, 67, 3]),
        ("type = \"vgg\"\nwidth = 0.1", [32, 32, 3]),
        ("type = \"resnet\"\ndepth = 50\nwidth = 0.1", [32, 32, 3]),
        ("type = \"mobilenet\"\nversion = 2\nwidth = 0.1", [32, 32, 3]),
    ] {
        let (config, programs) = builder(options, image);
        let exchange = Exchange::of(Some(&config), &programs).expect("known names");
        let weights = numbered(&programs);
        let theirs = exchange.to_torch(&weights).expect("the model's own weights");
        let names: Vec<_> = theirs.iter().map(|(n, t)| (n.clone(), t.ty().shape.clone())).collect();
        assert_eq!(names, exchange.torch_tensors());
        let back = exchange.from_torch(theirs.into_iter().collect()).expect("as exported");
        assert_eq!(back.into_iter().collect::<BTreeMap<_, _>>(), weights, "{options}");
    }
}

/// Elements land where PyTorch has them: `[out, in, kh, kw]`, `[out, in]`, and features of an
/// image in the order channel, height, width.
#[test]
fn elements_move_to_pytorchs_places() {
    let text = "name = \"x\"\nepochs = 1\nbatch_size = 1\ndata = { dataset = \"mnist\" }\n\
                layers = [\n{ type = \"conv2d\", out_channels = 3, kernel_size = [1, 2] },\n\
                { type = \"flatten\" },\n{ type = \"batch_norm\" },\n\
                { type = \"dropout\", rate = 0.5 },\n{ type = \"dense\", units = 4 },\n\
                { type = \"dense\", units = 5 },\n]";
    let layers = Recipe::parse("x", text, &[]).expect("valid").layers;
    // The convolution gives 4 x 2 pixels of 3 channels.
    let programs = model(&layers, [4, 3, 2]);
    let exchange = Exchange::of(None, &programs).expect("known names");
    let weights = numbered(&programs);
    let theirs: BTreeMap<_, _> = exchange.to_torch(&weights).expect("all").into_iter().collect();
    let ours = |name: &str| weights[name].f32s().to_vec();
    let torch = |name: &str| theirs[name].f32s().to_vec();
    assert_eq!(theirs["conv1.weight"].ty().dims(), [3, 2, 1, 2]);
    let (w, t) = (ours("conv1.weight"), torch("conv1.weight"));
    for (o, i, x) in [(0, 0, 0), (2, 1, 0), (1, 0, 1)] {
        assert_eq!(t[(o * 2 + i) * 2 + x], w[(x * 2 + i) * 3 + o]);
    }
    let (w, t) = (ours("dense1.weight"), torch("dense1.weight"));
    let (scale, torch_scale) = (ours("norm1.weight"), torch("norm1.weight"));
    assert_eq!(theirs["norm1.running_var"].ty().dims(), [24]);
    for (c, y, x, o) in [(0, 0, 0, 0), (2, 3, 1, 3), (1, 2, 0, 1)] {
        let (feature, torch_feature) = ((y * 2 + x) * 3 + c, (c * 4 + y) * 2 + x);
        assert_eq!(t[o * 24 + torch_feature], w[feature * 4 + o]);
        assert_eq!(torch_scale[torch_feature], scale[feature]);
    }
    let (w, t) = (ours("dense2.weight"), torch("dense2.weight"));
    assert_eq!(t[3 * 4 + 1], w[5 + 3]);
    assert_eq!(torch("dense2.bias"), ours("dense2.bias"));
}

#[test]
fn what_does_not_belong_is_listed() {
    let (config, programs) = builder("type = \"resnet\"\ndepth = 20", [16, 16, 3]);
    let exchange = Exchange::of(Some(&config), &programs).expect("known names");
    let theirs = exchange.to_torch(&numbered(&programs)).expect("all");
    let whole: BTreeMap<String, HostTensor> =
        theirs.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    let counter = HostTensor::from_f32([1], &[3.0]).expect("one");
    let mut tracked = whole.clone();
    tracked.insert("module.bn1.num_batches_tracked".to_owned(), counter.clone());
    exchange.from_torch(tracked).expect("prefix and counters are passed over");

    let mut wrong = whole.clone();
    wrong.remove("module.fc.bias");
    wrong.insert("module.head.weight".to_owned(), counter.clone());
    wrong.insert("module.conv1.weight".to_owned(), counter);
    let error = exchange.from_torch(wrong).expect_err("three mistakes").to_string();
    for part in [
        "fc.bias [5] is missing",
        "conv1.weight has shape [1], the model expects [16, 3, 3, 3]",
        "no tensor called head.weight",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = exchange.from_torch(BTreeMap::new()).expect_err("nothing").to_string();
    assert!(error.contains("more like that"), "{error}");
}

#[test]
fn a_flatten_in_a_branch_is_refused() {
    let nested = vec![
        Residual::new(layers![Flatten {}]).shortcut(layers![Flatten {}]).into(),
        toml::from_str("type = \"dense\"").expect("a layer"),
    ];
    let error = Exchange::of(None, &model(&nested, [4, 4, 3])).expect_err("unknown order");
    assert!(error.to_string().contains("residual1"), "{error}");
}
