//! `verigrad weights export --format onnx`: a run's model as a file that other programs run.

use std::collections::BTreeMap;
use std::path::Path;

use super::analyze::quantize::{INT8_FILE, MADE_OF};
use crate::analysis::QuantizedModel;
use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::StoredRun;
use crate::cli::inputs::trained::TrainedModel;
use crate::cli::output;
use crate::data::Task;
use crate::onnx::{About, IMAGE, LOGITS, OPSET, OnnxModel, PREDICTIONS, PROBABILITIES};
use crate::report::format::grouped;
use crate::train::{sha256_of_weights, weights_metadata};

/// Writes the model of a run, in 8 bits where that is asked for, and tells how it is used.
pub(super) fn export_onnx(run: &StoredRun, int8: bool, path: &Path) -> Result<(), Failure> {
    let TrainedModel { recipe, model, tensors, record, .. } = &run.trained;
    let sha256 = sha256_of_weights(&model.ordered(tensors));
    let facts = [
        ("recipe", recipe.name.as_str()),
        ("weights", run.which.name()),
        ("weights_sha256", sha256.as_str()),
        ("precision", if int8 { "8 bits: weights, and what products read" } else { "f32" }),
    ];
    let about = About {
        name: recipe.name.clone(),
        classes: record.classes.clone(),
        facts: facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    let onnx = if int8 {
        OnnxModel::quantized(model, &quantized(run, &sha256)?, &about)?
    } else {
        OnnxModel::new(model, tensors, &about)?
    };
    onnx.save(path)?;

    run.tell_weights();
    let nodes = onnx.proto().graph.as_ref().map_or(0, |graph| graph.node.len());
    let bits = if int8 { ", 8 bits" } else { "" };
    output::line(format_args!(
        "{}: ONNX, opset {OPSET}{bits}, {nodes} nodes, {} parameters",
        path.display(),
        grouped(model.arena.parameter_count())
    ));
    let [h, w, c] = model.image();
    output::line(format_args!("input    {IMAGE} f32 [batch, {c}, {h}, {w}], pixels from 0 to 255"));
    let classes = model.classes();
    let names = match model.task() {
        Task::Regression => PREDICTIONS.to_owned(),
        _ => format!("{LOGITS}, {PROBABILITIES}"),
    };
    output::line(format_args!("output   {names} f32 [batch, {classes}]"));
    Ok(())
}

/// What `verigrad analyze quantize` made of the weights with this hash.
fn quantized(run: &StoredRun, sha256: &str) -> Result<QuantizedModel, Failure> {
    let file = run.dir.path().join("analysis").join(INT8_FILE);
    let advice = format!(
        "measure what 8 bits cost first, with verigrad analyze quantize {} --weights {}",
        run.dir.path().display(),
        run.which.name()
    );
    if !file.exists() {
        return Err(format!("there is no {}: {advice}", file.display()).into());
    }
    let metadata: BTreeMap<String, String> = weights_metadata(&file)?;
    if metadata.get(MADE_OF).map(String::as_str) != Some(sha256) {
        let which = run.which.name();
        let file = file.display();
        return Err(
            format!("{file} was not made of the {which} weights of this run: {advice}").into()
        );
    }
    Ok(QuantizedModel::load(&file)?)
}
