//! `verigrad analyze`: looks into trained models.

mod adversarial;
mod histograms;
mod number;
pub(super) mod quantize;
mod saliency;

use clap::{Args, Subcommand};

use crate::cli::failure::Failure;

/// Arguments of `verigrad analyze`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AnalyzeArgs {
    #[command(subcommand)]
    command: AnalyzeCommand,
}

#[derive(Debug, Subcommand)]
enum AnalyzeCommand {
    /// Draw how the weights of each layer, and their gradients, are distributed over the epochs; only
    /// the weights where the recipe has no section `histograms`
    Histograms(histograms::HistogramsArgs),
    /// Measure the accuracy on images that were changed to mislead the model
    Adversarial(adversarial::AdversarialArgs),
    /// Store weights in 8 bits, compute on activations of 8 bits, and say what it costs
    Quantize(quantize::QuantizeArgs),
    /// Draw which pixels the score of the predicted class depends on, beside the images
    Saliency(saliency::SaliencyArgs),
}

/// Runs `verigrad analyze`.
pub(in crate::cli) fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    match &args.command {
        AnalyzeCommand::Histograms(args) => histograms::run(args),
        AnalyzeCommand::Adversarial(args) => adversarial::run(args),
        AnalyzeCommand::Quantize(args) => quantize::run(args),
        AnalyzeCommand::Saliency(args) => saliency::run(args),
    }
}
