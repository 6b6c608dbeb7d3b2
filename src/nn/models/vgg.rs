//! VGG: stacks of 3x3 convolutions, with and without batch norm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Form;
use super::plan::{Conv, ModelPlan, check_dropout, check_width, classifier, max_pool, scaled};
use crate::graph::Activation;
use crate::nn::{AdaptiveAvgPool2d, BatchNorm, Dense, Dropout, Flatten, GlobalAvgPool2d, Init};

/// VGG (Simonyan and Zisserman, 2014) as torchvision has it; 138,357,544 parameters at depth 16 and
/// 1,000 classes in the `imagenet` form. The `small` form, for images of 32x32, has one dense layer
/// behind the convolutions.
///
/// ```toml
/// [model]
/// type = "vgg"
/// depth = 11
/// form = "small"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vgg {
    /// Convolutions and dense layers of the `imagenet` form: 11, 13, 16 or 19.
    #[schemars(extend("enum" = [11, 13, 16, 19]))]
    pub depth: usize,
    /// Whether batch norm follows each convolution.
    pub batch_norm: bool,
    /// For which images.
    pub form: Form,
    /// Number of classes; that of the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub classes: Option<usize>,
    /// Factor on all numbers of channels and hidden units.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 16))]
    pub width: f32,
    /// Dropout behind hidden dense layers; in the `small` form in front of the dense layer.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f32,
}

impl Default for Vgg {
    fn default() -> Self {
        Self {
            depth: 16,
            batch_norm: true,
            form: Form::Imagenet,
            classes: None,
            width: 1.0,
            dropout: 0.5,
        }
    }
}

impl Vgg {
    /// Convolutions of each of the five stacks.
    fn stacks(&self) -> Option<[usize; 5]> {
        match self.depth {
            11 => Some([1, 1, 2, 2, 2]),
            13 => Some([2, 2, 2, 2, 2]),
            16 => Some([2, 2, 3, 3, 3]),
            19 => Some([2, 2, 4, 4, 4]),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.stacks().is_none() {
            return Err(("depth", format!("must be 11, 13, 16 or 19, it is {}", self.depth)));
        }
        check_width(self.width).and(check_dropout(self.dropout))
    }

    pub(super) fn plan(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let stacks = self.stacks().unwrap_or_default();
        // Torchvision numbers convolution, norm, ReLU and pooling alike.
        let mut module = 0;
        for (convolutions, channels) in stacks.into_iter().zip([64, 128, 256, 512, 512]) {
            let conv = Conv::same(scaled(channels, self.width), 3, 1);
            let (bias, activation) = (Some(Init::Zeros), Activation::Relu);
            for _ in 0..convolutions {
                if self.batch_norm {
                    let conv = Conv { bias, ..conv };
                    plan.named(format!("features.{module}"), conv.layer());
                    plan.named(format!("features.{}", module + 1), BatchNorm::default());
                    plan.plain(activation);
                    module += 3;
                } else {
                    let conv = Conv { bias, activation, ..conv };
                    plan.named(format!("features.{module}"), conv.layer());
                    module += 2;
                }
            }
            plan.plain(max_pool(2, 2, 0));
            module += 1;
        }
        let init = Init::Normal(0.01);
        match self.form {
            Form::Imagenet => {
                plan.plain(AdaptiveAvgPool2d::new(7));
                plan.plain(Flatten {});
                for module in ["classifier.0", "classifier.3"] {
                    let units = scaled(4096, self.width);
                    plan.named(module, Dense::new(units).relu().init(init));
                    plan.plain(Dropout::new(self.dropout));
                }
                plan.named("classifier.6", classifier(self.classes, init));
            }
            Form::Small => {
                plan.plain(GlobalAvgPool2d {});
                plan.plain(Dropout::new(self.dropout));
                plan.named("classifier", classifier(self.classes, init));
            }
        }
        plan
    }
}
