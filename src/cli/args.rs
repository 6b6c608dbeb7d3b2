//! Arguments that several commands share: which recipe, which device, where the data are.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Which recipe, and what to change in it.
#[derive(Debug, Clone, Args)]
pub(super) struct RecipeArgs {
    /// Name of a built-in recipe (see `verigrad recipes`), or path to a .toml file
    #[arg(default_value = "digits", value_name = "NAME|FILE.toml")]
    pub recipe: String,
    /// Change a value of the recipe: `epochs=1`, `optimizer.learning_rate=0.01`,
    /// `layers.0.out_channels=16`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(super) struct DeviceArgs {
    /// Device: auto, cpu, gpu, a number or part of a name from `verigrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = NonEmptyStringValueParser::new())]
    pub device: String,
}

/// Where data sets are.
#[derive(Debug, Clone, Args)]
pub(super) struct DataArgs {
    /// Folder of the data sets [default: $VERIGRAD_DATA, else ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Leave out pictures of a folder that cannot be used, and count them
    #[arg(long)]
    pub skip_damaged: bool,
}
