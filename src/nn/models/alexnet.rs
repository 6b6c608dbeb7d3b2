//! AlexNet: as torchvision has it, and the original with two groups and response normalization.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{Conv, ModelPlan, check_dropout, check_width, classifier, max_pool, scaled};
use crate::graph::Activation;
use crate::nn::{AdaptiveAvgPool2d, Dense, Dropout, Flatten, Init, LocalResponseNorm, LrnForm};

/// Torchvision's AlexNet (Krizhevsky, "One weird trick for parallelizing convolutional neural
/// networks", 2014), for images of 224x224: 61,100,840 parameters at 1,000 classes. Weights start
/// He normal, with which training starts sooner than with PyTorch's default.
///
/// ```toml
/// [model]
/// type = "alexnet"
/// width = 0.5
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlexNet {
    /// Number of classes; that of the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub classes: Option<usize>,
    /// Factor on all numbers of channels and hidden units.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 16))]
    pub width: f32,
    /// Dropout in front of both hidden dense layers.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f32,
}

impl Default for AlexNet {
    fn default() -> Self {
        Self { classes: None, width: 1.0, dropout: 0.5 }
    }
}

impl AlexNet {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_width(self.width).and(check_dropout(self.dropout))
    }

    pub(super) fn plan(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let conv = |channels, kernel_size, stride, padding| {
            let (bias, activation, init) = (Some(Init::Zeros), Activation::Relu, Init::HeNormal);
            let conv = Conv::same(scaled(channels, self.width), kernel_size, stride);
            Conv { padding, bias, activation, init, ..conv }.layer()
        };
        plan.named("features.0", conv(64, 11, 4, 2));
        plan.plain(max_pool(3, 2, 0));
        plan.named("features.3", conv(192, 5, 1, 2));
        plan.plain(max_pool(3, 2, 0));
        plan.named("features.6", conv(384, 3, 1, 1));
        plan.named("features.8", conv(256, 3, 1, 1));
        plan.named("features.10", conv(256, 3, 1, 1));
        plan.plain(max_pool(3, 2, 0));
        plan.plain(AdaptiveAvgPool2d::new(6));
        plan.plain(Flatten {});
        for module in ["classifier.1", "classifier.4"] {
            plan.plain(Dropout::new(self.dropout));
            let units = scaled(4096, self.width);
            plan.named(module, Dense::new(units).relu().init(Init::HeNormal));
        }
        plan.named("classifier.6", classifier(self.classes, Init::LecunNormal));
        plan
    }
}

/// The network of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep
/// Convolutional Neural Networks", 2012: two groups of channels, local response normalization,
/// overlapping pooling, weights from N(0, 0.01^2) and biases of one where the paper has them;
/// 60,965,224 parameters at 1,000 classes.
///
/// ```toml
/// [model]
/// type = "alexnet_2012"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlexNet2012 {
    /// Number of classes; that of the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub classes: Option<usize>,
    /// Factor on all numbers of channels and hidden units.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 16))]
    pub width: f32,
    /// Dropout behind both hidden dense layers.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f32,
    /// Zeros around the image: 2 for the 224 pixels that the paper names, 0 for the 227 that its
    /// sizes need.
    pub padding: usize,
}

impl Default for AlexNet2012 {
    fn default() -> Self {
        Self { classes: None, width: 1.0, dropout: 0.5, padding: 2 }
    }
}

impl AlexNet2012 {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        check_width(self.width).and(check_dropout(self.dropout))
    }

    pub(super) fn plan(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let init = Init::Normal(0.01);
        let (zeros, ones) = (Init::Zeros, Init::Constant(1.0));
        let conv = |channels, kernel_size, groups, bias| {
            let channels = scaled(channels, self.width).next_multiple_of(2);
            let activation = Activation::Relu;
            Conv {
                groups,
                bias: Some(bias),
                activation,
                init,
                ..Conv::same(channels, kernel_size, 1)
            }
        };
        let lrn = || LocalResponseNorm {
            form: LrnForm::Paper,
            k: Some(2.0),
            ..LocalResponseNorm::default()
        };
        let first = Conv { stride: 4, padding: self.padding, ..conv(96, 11, 1, zeros) };
        plan.named("features.0", first.layer());
        plan.plain(lrn());
        plan.plain(max_pool(3, 2, 0));
        plan.named("features.4", conv(256, 5, 2, ones).layer());
        plan.plain(lrn());
        plan.plain(max_pool(3, 2, 0));
        plan.named("features.8", conv(384, 3, 1, zeros).layer());
        plan.named("features.10", conv(384, 3, 2, ones).layer());
        plan.named("features.12", conv(256, 3, 2, ones).layer());
        plan.plain(max_pool(3, 2, 0));
        plan.plain(Flatten {});
        for module in ["classifier.0", "classifier.3"] {
            let units = scaled(4096, self.width);
            plan.named(module, Dense::new(units).relu().init(init).bias_init(ones));
            plan.plain(Dropout::new(self.dropout));
        }
        plan.named("classifier.6", classifier(self.classes, init));
        plan
    }
}
