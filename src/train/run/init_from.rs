//! Initial weights from another run: layers that fit are taken over, the others start afresh.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::tensor::{HostTensor, Shape};
use crate::train::step::model::ModelPrograms;
use crate::train::{TrainError, Trainer};

/// Which layers took over weights, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InitReport {
    /// Layers all of whose tensors were taken over.
    pub loaded: Vec<String>,
    /// Layers that start afresh since a tensor has another shape, with what differs.
    pub misfits: Vec<(String, String)>,
    /// Layers that start afresh since the weights have no such layer, or not all of it.
    pub missing: Vec<String>,
    /// Layers of the weights that the model lacks.
    pub unused: Vec<String>,
    /// The layer of the classes, where it starts afresh because they are others.
    pub head: Option<String>,
}

impl fmt::Display for InitReport {
    /// A line for each kind of layers that there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = if self.loaded.is_empty() { "nothing" } else { &self.loaded.join(", ") };
        write!(f, "loaded   {loaded}")?;
        for (layer, why) in &self.misfits {
            write!(f, "\nfresh    {layer}: {why}")?;
        }
        if !self.missing.is_empty() {
            write!(f, "\nfresh    {}: not in the weights", self.missing.join(", "))?;
        }
        if !self.unused.is_empty() {
            write!(f, "\nunused   {}: not in the model", self.unused.join(", "))?;
        }
        Ok(())
    }
}

/// The layer that a tensor belongs to.
fn layer_of(tensor: &str) -> &str {
    tensor.rsplit_once('.').map_or(tensor, |(layer, _)| layer)
}

/// Compares weights with the layers of a model.
fn compare(model: &ModelPrograms, weights: &BTreeMap<String, HostTensor>) -> InitReport {
    let parameters = model.parameters.iter().map(|spec| (spec.name.as_str(), &spec.shape));
    let states = model.states.iter().map(|state| (state.name.as_str(), &state.shape));
    let expected: Vec<(&str, &Shape)> = parameters.chain(states).collect();
    let mut report = InitReport::default();
    let mut seen = BTreeSet::new();
    for &(name, _) in &expected {
        let layer = layer_of(name);
        if !seen.insert(layer) {
            continue;
        }
        let own = expected.iter().filter(|(name, _)| layer_of(name) == layer);
        let misfit = own.clone().find_map(|(name, shape)| {
            let given = &weights.get(*name)?.ty().shape;
            let part = name.rsplit('.').next().unwrap_or(name);
            (given != *shape).then(|| format!("its {part} is {shape}, the weights have {given}"))
        });
        let complete = own.clone().all(|(name, _)| weights.contains_key(*name));
        match misfit {
            Some(why) => report.misfits.push((layer.to_owned(), why)),
            None if complete => report.loaded.push(layer.to_owned()),
            None => report.missing.push(layer.to_owned()),
        }
    }
    let others: BTreeSet<&str> = weights.keys().map(|name| layer_of(name)).collect();
    report.unused = others.difference(&seen).map(|&layer| layer.to_owned()).collect();
    report
}

impl Trainer<'_> {
    /// Replaces the weights of the layers that fit by name and shape; a layer is taken over as a
    /// whole or not at all. The others keep their weights, and so does the last layer, whose outputs
    /// are the classes, unless the weights tell the `same_classes` apart in the same order.
    ///
    /// # Errors
    /// When no layer fits, or the device fails.
    pub fn init_from(
        &mut self,
        weights: &BTreeMap<String, HostTensor>,
        same_classes: bool,
    ) -> Result<InitReport, TrainError> {
        let mut all = self.weights()?;
        let report = take_over(self.model(), &mut all, weights, same_classes)?;
        self.set_weights(&all)?;
        Ok(report)
    }
}

/// Replaces those of the weights of a model whose layers fit, by the rules of [`Trainer::init_from`].
///
/// # Errors
/// When no layer fits.
pub fn take_over(
    model: &ModelPrograms,
    all: &mut [(String, HostTensor)],
    weights: &BTreeMap<String, HostTensor>,
    same_classes: bool,
) -> Result<InitReport, TrainError> {
    let mut report = compare(model, weights);
    let head = model.parameters.last().map(|spec| layer_of(&spec.name).to_owned());
    if let Some(head) = head.filter(|head| !same_classes && report.loaded.contains(head)) {
        report.loaded.retain(|layer| *layer != head);
        report.head = Some(head);
        if report.loaded.is_empty() {
            return Ok(report);
        }
    }
    if report.loaded.is_empty() {
        let found = if report.unused.is_empty() { "none" } else { &report.unused.join(", ") };
        return Err(TrainError::Weights(match report.misfits.first() {
            Some((layer, why)) => format!("no layer fits; {layer}: {why}"),
            None => format!("no layer of the model is among theirs ({found})"),
        }));
    }
    for (name, tensor) in all {
        if report.loaded.iter().any(|layer| layer == layer_of(name))
            && let Some(given) = weights.get(name)
        {
            *tensor = given.clone();
        }
    }
    Ok(report)
}
