//! What Keras' callbacks do with series of metrics: `assets/golden/callbacks.json`, made by
//! `assets/golden/make_callbacks.py`.

use serde::Deserialize;

use crate::train::recipe::monitor::Monitor;

/// A series of metrics and what a callback made of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::train) struct Case {
    callback: String,
    pub monitor: Monitor,
    pub values: Vec<f64>,
    pub patience: u32,
    pub min_delta: f64,
    /// Epoch after which early stopping ended the run, from one.
    pub stopped_epoch: Option<u32>,
    /// Epoch whose weights it would restore, from one.
    pub best_epoch: Option<u32>,
    pub factor: Option<f64>,
    pub cooldown: Option<u32>,
    pub min_rate: Option<f64>,
    pub base_rate: Option<f64>,
    /// Rate after each epoch.
    #[serde(default)]
    pub rates: Vec<f64>,
}

/// The cases of a callback.
pub(in crate::train) fn cases(callback: &str) -> Vec<Case> {
    let text = include_str!("../../../../assets/golden/callbacks.json");
    let cases: Vec<Case> = serde_json::from_str(text).expect("the script writes cases");
    cases.into_iter().filter(|case| case.callback == callback).collect()
}
