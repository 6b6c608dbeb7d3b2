//! A model's weights, there and back: matched by name and shape, and laid out as PyTorch has them.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::error::ExchangeError;
use super::names;
use crate::nn::ModelConfig;
use crate::tensor::{HostTensor, Shape};
use crate::train::ModelPrograms;

/// Problems of one kind that a message lists before it only counts.
const LISTED: usize = 5;

/// How a model's weights are called and laid out in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    entries: Vec<Entry>,
}

impl Exchange {
    /// The tensors of a model. Models of a recipe's `[model]` section have the names of torchvision;
    /// others keep their own names, with `running_var` for the running variance.
    ///
    /// # Errors
    /// When an image is flattened inside a residual or concatenated branch, where the order of the
    /// features cannot be followed.
    pub fn of(config: Option<&ModelConfig>, model: &ModelPrograms) -> Result<Self, ExchangeError> {
        Ok(Self { entries: names::entries(config, model)? })
    }

    /// Name and shape of each tensor in PyTorch, in the order of the layers.
    pub fn torch_tensors(&self) -> Vec<(String, Shape)> {
        let tensors = self.entries.iter();
        tensors.map(|entry| (entry.theirs.clone(), entry.layout.torch_shape())).collect()
    }

    /// Weights as a PyTorch state dict has them.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn to_torch(
        &self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let sides = |entry: &Entry| (entry.ours.clone(), entry.shape.clone());
        let found = self.matched(weights, sides)?;
        let pairs = self.entries.iter().zip(found);
        let convert = |(entry, tensor): (&Entry, &HostTensor)| {
            Ok((entry.theirs.clone(), entry.layout.exported(tensor)?))
        };
        pairs.map(convert).collect()
    }

    /// Weights of a PyTorch state dict as the model has them. A prefix `module.`, `_orig_mod.` or
    /// `model.` that all names have is removed, and counters `num_batches_tracked` are passed over.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn from_torch(
        &self,
        weights: BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let weights = names::without_prefix(weights);
        let sides = |entry: &Entry| (entry.theirs.clone(), entry.layout.torch_shape());
        let found = self.matched(&weights, sides)?;
        let pairs = self.entries.iter().zip(found);
        let convert = |(entry, tensor): (&Entry, &HostTensor)| {
            Ok((entry.ours.clone(), entry.layout.imported(tensor)?))
        };
        pairs.map(convert).collect()
    }

    /// The tensors of a PyTorch state dict that are the model's by name and shape, as the model has
    /// them; the others stay as they are, under their names.
    ///
    /// # Errors
    /// When a tensor cannot be laid out anew.
    pub fn from_torch_in_part(
        &self,
        weights: BTreeMap<String, HostTensor>,
    ) -> Result<BTreeMap<String, HostTensor>, ExchangeError> {
        let mut weights = names::without_prefix(weights);
        let mut found = BTreeMap::new();
        for entry in &self.entries {
            match weights.remove(&entry.theirs) {
                Some(tensor) if tensor.ty().shape == entry.layout.torch_shape() => {
                    found.insert(entry.ours.clone(), entry.layout.imported(&tensor)?);
                }
                // Under our name, so that the report tells what does not fit.
                Some(tensor) => {
                    found.insert(entry.ours.clone(), tensor);
                }
                None => {}
            }
        }
        found.extend(weights);
        Ok(found)
    }

    /// Weights that have the model's own names and layouts already.
    ///
    /// # Errors
    /// Lists the tensors that are missing, have another shape, or do not belong.
    pub fn from_own(
        &self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Vec<(String, HostTensor)>, ExchangeError> {
        let sides = |entry: &Entry| (entry.ours.clone(), entry.shape.clone());
        let found = self.matched(weights, sides)?;
        let pairs = self.entries.iter().zip(found);
        Ok(pairs.map(|(entry, tensor)| (entry.ours.clone(), tensor.clone())).collect())
    }

    /// The tensors in the order of the entries, each under the name and with the shape of one side.
    fn matched<'a>(
        &self,
        weights: &'a BTreeMap<String, HostTensor>,
        side: impl Fn(&Entry) -> (String, Shape),
    ) -> Result<Vec<&'a HostTensor>, ExchangeError> {
        let sides: BTreeMap<String, Shape> = self.entries.iter().map(&side).collect();
        let mut found = Vec::with_capacity(self.entries.len());
        let (mut missing, mut wrong) = (Vec::new(), Vec::new());
        for (name, shape) in self.entries.iter().map(&side) {
            match weights.get(&name) {
                None => missing.push(format!("{name} {shape} is missing")),
                Some(tensor) if tensor.ty().shape != shape => {
                    let given = &tensor.ty().shape;
                    wrong.push(format!("{name} has shape {given}, the model expects {shape}"));
                }
                Some(tensor) => found.push(tensor),
            }
        }
        let extra: Vec<String> = weights
            .keys()
            .filter(|name| !sides.contains_key(*name))
            .map(|name| format!("the model has no tensor called {name}"))
            .collect();
        let problems: Vec<String> =
            [missing, wrong, extra].into_iter().flat_map(shortened).collect();
        if problems.is_empty() { Ok(found) } else { Err(ExchangeError::Mismatch { problems }) }
    }
}

/// The first problems, and how many there are more.
fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    if more > 0 {
        problems.push(format!("and {more} more like that"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normalization;
    use crate::nn::{Layer, ModelConfig};
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
            let names: Vec<_> =
                theirs.iter().map(|(n, t)| (n.clone(), t.ty().shape.clone())).collect();
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
        let theirs: BTreeMap<_, _> =
            exchange.to_torch(&weights).expect("all").into_iter().collect();
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
            Layer::Residual {
                layers: vec![Layer::Flatten {}],
                shortcut: vec![Layer::Flatten {}],
                activation: Default::default(),
            },
            toml::from_str("type = \"dense\"").expect("a layer"),
        ];
        let error = Exchange::of(None, &model(&nested, [4, 4, 3])).expect_err("unknown order");
        assert!(error.to_string().contains("residual1"), "{error}");
    }
}
