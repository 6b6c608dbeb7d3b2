//! Floor 5: layers. A list of [`Layer`]s, or a well-known model ([`ModelConfig`]), becomes graph
//! nodes and a table of parameters.

mod build;
mod init;
mod layer_rates;
mod layers;
mod models;
mod parameters;
mod precision;
mod state_updates;
mod summary;

pub use crate::graph::Activation;
pub use crate::layers;
pub use build::{Mode, ModelBuilder};
pub use init::Init;
pub use layer_rates::LayerRates;
pub(crate) use layer_rates::fits_pattern;
pub use layers::{
    ActivationLayer, AdaptiveAvgPool2d, AvgPool2d, BatchNorm, Branch, Concat, Conv2d,
    ConvTranspose2d, CustomLayer, Dense, Dropout, Flatten, GlobalAvgPool2d, Layer, LayerDef,
    LocalResponseNorm, LrnForm, MaxPool2d, NamedPadding, Padding, Pair, Residual, Upsample2d,
    UpsampleMethod, Wrong,
};
pub use models::{AlexNet, AlexNet2012, Form, MobileNet, ModelConfig, ModelPlan, ResNet, Vgg};
pub use parameters::{Arena, ArenaEntry, ParameterSpec, StateEntry, StateSpec};
pub use precision::Precision;
pub use state_updates::StateUpdates;
pub use summary::{LayerSummary, summarize};
