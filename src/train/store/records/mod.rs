//! The records in the files of a run directory: written and read through these types alone.
//!
//! | file | record |
//! |---|---|
//! | `result.json` | [`result::RunResult`]; of an ensemble's folder [`result::EnsembleResult`] |
//! | `evaluation.json` | [`evaluation::Evaluation`] |
//! | `device.json` | [`crate::exec::DeviceInfo`] |
//! | `data.json` | [`crate::data::DataAccount`] |
//! | `model.json` | [`model::ModelRecord`] |
//! | `plan.json` | [`plan::RunPlan`] |
//! | `metrics.csv`, `metrics.jsonl` | [`metrics::EpochRecord`], one per epoch |
//! | `steps.csv` | [`metrics::StepRecord`], one per step |
//! | `histograms.jsonl` | [`histograms::HistogramRecord`], one per parameter and epoch |
//! | `predictions.csv` | [`predictions::Predictions`], or [`targets::TargetPredictions`] of numbers |

pub(in crate::train) mod csv;
pub(in crate::train) mod evaluation;
pub(in crate::train) mod histograms;
pub(in crate::train) mod metrics;
pub(in crate::train) mod model;
pub(in crate::train) mod plan;
pub(in crate::train) mod predictions;
pub(in crate::train) mod result;
pub(in crate::train) mod targets;
