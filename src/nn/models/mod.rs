//! Well-known models: a few options in a recipe's `[model]` section become layers.
//!
//! ```
//! use verigrad::nn::{Layer, ModelConfig, Precision, summarize};
//!
//! let model: ModelConfig = toml::from_str("type = \"alexnet\"")?;
//! let layers = Layer::with_classes(&model.plan().layers, 1000);
//! let summary = summarize(&layers, [224, 224, 3], Precision::F32)?;
//! assert_eq!(summary.iter().map(|layer| layer.parameters).sum::<usize>(), 61_100_840);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alexnet;
mod mobilenet;
mod plan;
mod resnet;
mod vgg;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alexnet::{AlexNet, AlexNet2012};
pub use mobilenet::MobileNet;
pub use plan::ModelPlan;
pub use resnet::ResNet;
pub use vgg::Vgg;

/// For which images a model is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// About 224x224.
    Imagenet,
    /// About 32x32.
    Small,
}

/// A model by its name and options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is documented by its type")]
pub enum ModelConfig {
    Alexnet(AlexNet),
    #[serde(rename = "alexnet_2012")]
    Alexnet2012(AlexNet2012),
    Vgg(Vgg),
    Resnet(ResNet),
    Mobilenet(MobileNet),
}

impl ModelConfig {
    /// Says which option cannot be, and what is wrong with it.
    ///
    /// # Errors
    /// The option's key, and a message that says what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let classes = match self {
            Self::Alexnet(AlexNet { classes, .. })
            | Self::Alexnet2012(AlexNet2012 { classes, .. })
            | Self::Vgg(Vgg { classes, .. })
            | Self::Resnet(ResNet { classes, .. })
            | Self::Mobilenet(MobileNet { classes, .. }) => *classes,
        };
        if classes == Some(0) {
            let message = "must be at least 1, it is 0; leave it out for those of the data set";
            return Err(("classes", message.to_owned()));
        }
        match self {
            Self::Alexnet(model) => model.check(),
            Self::Alexnet2012(model) => model.check(),
            Self::Vgg(model) => model.check(),
            Self::Resnet(model) => model.check(),
            Self::Mobilenet(model) => model.check(),
        }
    }

    /// The layers, and what PyTorch calls them. No layers where [`Self::check`] finds a mistake.
    pub fn plan(&self) -> ModelPlan {
        if self.check().is_err() {
            return ModelPlan::default();
        }
        match self {
            Self::Alexnet(model) => model.plan(),
            Self::Alexnet2012(model) => model.plan(),
            Self::Vgg(model) => model.plan(),
            Self::Resnet(model) => model.plan(),
            Self::Mobilenet(model) => model.plan(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::nn::{Layer, Mode, ModelBuilder, Precision, summarize};
    use crate::tensor::TensorType;

    fn model(options: &str) -> ModelConfig {
        toml::from_str(options).expect("valid options")
    }

    fn parameters(options: &str, classes: usize, image: [usize; 3]) -> usize {
        let layers = Layer::with_classes(&model(options).plan().layers, classes);
        let summary = summarize(&layers, image, Precision::F32).expect("the layers fit");
        summary.iter().map(|layer| layer.parameters).sum()
    }

    /// The figures are those of torchvision's documentation and of the papers.
    #[test]
    fn parameters_are_as_many_as_published() {
        for (options, expected) in [
            ("type = \"alexnet\"", 61_100_840),
            ("type = \"alexnet_2012\"", 60_965_224),
            ("type = \"vgg\"\ndepth = 11\nbatch_norm = false", 132_863_336),
            ("type = \"vgg\"\ndepth = 11", 132_868_840),
            ("type = \"vgg\"\ndepth = 13", 133_053_736),
            ("type = \"vgg\"\nbatch_norm = false", 138_357_544),
            ("type = \"vgg\"\ndepth = 19", 143_678_248),
            ("type = \"resnet\"", 11_689_512),
            ("type = \"resnet\"\ndepth = 34", 21_797_672),
            ("type = \"resnet\"\ndepth = 50", 25_557_032),
            ("type = \"resnet\"\ndepth = 101", 44_549_160),
            ("type = \"mobilenet\"", 4_231_976),
            ("type = \"mobilenet\"\nversion = 2", 3_504_872),
        ] {
            assert_eq!(parameters(options, 1000, [224, 224, 3]), expected, "{options}");
        }
        let small = [32, 32, 3];
        assert_eq!(parameters("type = \"resnet\"\ndepth = 20", 10, small), 272_474);
        let resnet18 = "type = \"resnet\"\nform = \"small\"";
        assert_eq!(parameters(resnet18, 10, small), 11_173_962);
    }

    /// The names of PyTorch's modules go with the layers that have parameters, one by one.
    #[test]
    fn every_layer_with_parameters_has_a_module() {
        for (options, first, last) in [
            ("type = \"alexnet\"", "features.0", "classifier.6"),
            ("type = \"alexnet_2012\"", "features.0", "classifier.6"),
            ("type = \"vgg\"", "features.0", "classifier.6"),
            ("type = \"vgg\"\nform = \"small\"", "features.0", "classifier"),
            ("type = \"resnet\"\ndepth = 50", "conv1", "fc"),
            ("type = \"resnet\"\ndepth = 20", "conv1", "fc"),
            ("type = \"mobilenet\"\nform = \"small\"", "conv1", "linear"),
            ("type = \"mobilenet\"\nversion = 2", "features.0.0", "classifier.1"),
        ] {
            let plan = model(options).plan();
            let mut graph = Graph::default();
            let x = graph.source("x", TensorType::f32([1, 64, 64, 3]));
            let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
            let layers = Layer::with_classes(&plan.layers, 7);
            builder.layers(&layers, x).expect("the layers fit");
            let weights = builder.parameters().iter().filter(|p| p.name.ends_with(".weight"));
            assert_eq!(weights.count(), plan.modules.len(), "{options}");
            let ends = [plan.modules.first(), plan.modules.last()];
            assert_eq!(ends.map(|m| m.map(String::as_str)), [Some(first), Some(last)]);
        }
    }

    #[test]
    fn options_that_cannot_be_are_named() {
        for (options, key) in [
            ("type = \"vgg\"\ndepth = 12", "depth"),
            ("type = \"resnet\"\ndepth = 21", "depth"),
            ("type = \"mobilenet\"\nversion = 3", "version"),
            ("type = \"alexnet\"\nwidth = -1.0", "width"),
            ("type = \"alexnet\"\ndropout = 1.0", "dropout"),
            ("type = \"resnet\"\nclasses = 0", "classes"),
        ] {
            let (wrong, _) = model(options).check().expect_err(options);
            assert_eq!(wrong, key);
        }
        for unknown in ["type = \"lenet\"", "type = \"vgg\"\ndephts = 11"] {
            toml::from_str::<ModelConfig>(unknown).expect_err(unknown);
        }
    }
}
