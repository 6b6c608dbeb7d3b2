//! Writes what a run gives into its directory while it goes on.

use std::collections::BTreeMap;
use std::path::Path;

use super::progress::ProgressView;
use crate::report;
use crate::tensor::HostTensor;
use crate::train::{
    CLASSES_KEY, Checkpoint, EpochResult, EventLog, Observer, ObserverError, Progress, RunDir,
    StepLoss, StepRecord, WeightsError, save_weights,
};

/// Writes metrics, weights, curves and checkpoints into the run directory, and shows progress.
pub(in crate::cli) struct Recorder<'a> {
    run_dir: &'a RunDir,
    classes: &'a [String],
    /// Title of the picture of the curves.
    title: String,
    view: ProgressView,
    /// Number of checkpoints that are kept.
    keep: usize,
    /// Step of the last checkpoint that was saved.
    saved: Option<u64>,
    /// Why the last one could not be saved.
    failed: Option<ObserverError>,
    /// What TensorBoard reads, where the recipe asks for it.
    events: Option<&'a EventLog>,
}

impl<'a> Recorder<'a> {
    /// Records into `run_dir` a model that tells `classes` apart, where `saved` is the step of its newest checkpoint.
    pub fn new(
        (run_dir, classes): (&'a RunDir, &'a [String]),
        title: String,
        view: ProgressView,
        keep: usize,
        saved: Option<u64>,
    ) -> Self {
        Self { run_dir, classes, title, view, keep, saved, failed: None, events: None }
    }

    /// Tells of epochs in a file of events, too.
    pub fn with_events(self, events: Option<&'a EventLog>) -> Self {
        Self { events, ..self }
    }

    /// Ends the recording: an error if the last checkpoint could not be saved.
    ///
    /// # Errors
    /// Says why.
    pub fn finish(mut self) -> Result<(), ObserverError> {
        self.view.finish();
        self.failed.map_or(Ok(()), Err)
    }
}

/// What a reader of a weight file alone wants to know.
pub(in crate::cli) struct WeightsLabel<'a> {
    /// The epoch after which they were the weights.
    pub epoch: u32,
    /// Their accuracy on the test set.
    pub test_accuracy: f64,
    /// The classes that they tell apart.
    pub classes: &'a [String],
}

impl WeightsLabel<'_> {
    /// Saves weights that this is true of.
    pub fn save(&self, path: &Path, weights: &[(String, HostTensor)]) -> Result<(), WeightsError> {
        let metadata = BTreeMap::from([
            ("epoch".to_owned(), self.epoch.to_string()),
            ("test_accuracy".to_owned(), self.test_accuracy.to_string()),
            (CLASSES_KEY.to_owned(), serde_json::json!(self.classes).to_string()),
        ]);
        save_weights(path, weights, &metadata)
    }
}

impl Observer for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.view.show(progress);
    }

    fn evaluating(&mut self) {
        self.view.evaluating();
    }

    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        let (epoch, test_accuracy) = (result.epoch, result.test.accuracy);
        let label = WeightsLabel { epoch, test_accuracy, classes: self.classes };
        label.save(&self.run_dir.weights_last(), weights)?;
        if result.best {
            label.save(&self.run_dir.weights_best(), weights)?;
        }
        let record = result.record();
        self.run_dir.append_epoch(&record)?;
        let steps: Vec<StepRecord> = result.step_losses.iter().map(StepLoss::record).collect();
        self.run_dir.append_steps(&steps)?;
        self.run_dir.append_histograms(&result.histograms)?;
        if let Some(events) = self.events {
            events.epoch(&record, &steps, &result.histograms)?;
        }
        report::write_curves(&self.run_dir.curves(), &self.title, &self.run_dir.epochs()?)?;
        self.view.epoch(result);
        Ok(())
    }

    /// A checkpoint that cannot be saved does not end the run: what was saved before is still there.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ObserverError> {
        let step = checkpoint.state.step;
        match self.run_dir.checkpoints().save(checkpoint, self.keep) {
            Ok(_) => (self.saved, self.failed) = (Some(step), None),
            Err(error) => {
                let newest = match self.saved {
                    Some(saved) => format!("the newest checkpoint is that of step {saved}"),
                    None => "there is no checkpoint yet".to_owned(),
                };
                self.view.warn(&format!("step {step} was not saved: {error}; {newest}"));
                self.failed = Some(error.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;
    use crate::exec::{DeviceChoice, ExecError, open_gpu};
    use crate::train::{Recipe, RunError, TrainError, Trainer, load_weights};

    /// Records a run, and ends its device in the second epoch.
    struct Killing<'a> {
        recorder: Recorder<'a>,
        kill: &'a dyn Fn(),
        completed: usize,
        killed: bool,
    }

    impl Killing<'_> {
        fn kill(&mut self) {
            (self.kill)();
            self.killed = true;
        }
    }

    impl Observer for Killing<'_> {
        fn progress(&mut self, progress: &Progress) {
            if progress.epoch == 2 {
                self.kill();
            }
            self.recorder.progress(progress);
        }

        fn epoch(
            &mut self,
            result: &EpochResult,
            weights: &[(String, HostTensor)],
        ) -> Result<(), ObserverError> {
            assert!(!self.killed, "no epoch ends on a dead device");
            self.completed += 1;
            self.recorder.epoch(result, weights)?;
            if result.epoch == 2 {
                // A device so fast that the epoch had no progress to tell.
                self.kill();
            }
            Ok(())
        }
    }

    #[test]
    fn a_lost_device_is_an_error_and_leaves_the_weights_of_the_last_epoch() {
        let set = ["epochs=3", "data.train_size=1280", "data.test_size=64"].map(str::to_owned);
        let recipe = Recipe::builtin("digits", &set).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        let mut gpu = open_gpu(&DeviceChoice::Gpu).expect("a GPU adapter");
        let kill = gpu.killer();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run_dir = RunDir::create(folder.path(), "lost").expect("it can be made");
        let mut trainer = Trainer::new(&mut gpu, &recipe, data).expect("a trainer");
        let view = ProgressView::new(recipe.epochs, None);
        let recorder = Recorder::new((&run_dir, &[]), "lost".to_owned(), view, 2, None);
        let mut observer = Killing { recorder, kill: &kill, completed: 0, killed: false };
        let error = trainer.run(&mut observer).expect_err("the device is gone");
        let RunError::Train(TrainError::Exec(lost)) = &error else {
            unreachable!("{error:?}");
        };
        assert!(matches!(lost, ExecError::Lost { .. }), "{lost}");
        assert!(lost.to_string().contains("was lost"), "{lost}");
        // Whatever is tried on it later is the same error, and no panic.
        assert!(trainer.run_steps(1).is_err() && trainer.weights().is_err());
        let kept = load_weights(&run_dir.weights_last()).expect("they are intact");
        let kept: Vec<(String, HostTensor)> = kept.into_iter().collect();
        assert!(observer.completed > 0);
        assert_eq!(run_dir.epochs().expect("they can be read").len(), observer.completed);
        assert_eq!(kept.len(), trainer.model().arena.entries.len());
    }
}
