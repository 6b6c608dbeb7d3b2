//! Histograms of weights and gradients: what the device counts is what the host counts.

use verigrad::exec::{CpuExecutor, Executor};
use verigrad::ops::HistogramCounts;
use verigrad::tensor::HostTensor;
use verigrad::train::{
    EpochResult, HistogramOf, HistogramRecord, Observer, ObserverError, Progress, Recipe,
    TrainError, Trainer,
};

use super::gpu;
use super::small::{SGD, Weights, small};

/// Keeps histograms, and the weights that they are of.
#[derive(Default)]
struct Kept(Vec<(Vec<HistogramRecord>, Weights)>);

impl Observer for Kept {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        self.0.push((result.histograms.clone(), weights.to_vec()));
        Ok(())
    }
}

/// A run of three epochs with further keys; also checks that nothing is allocated in it.
fn epochs(executor: &mut dyn Executor, extra: &str) -> Kept {
    let (recipe, data) = small(&format!("{extra}\n{SGD}"), &["epochs=3"]);
    let mut trainer = Trainer::new(executor, &recipe, data).expect("a trainer");
    let before = trainer.allocations();
    let mut kept = Kept::default();
    trainer.run(&mut kept).expect("a run");
    assert_eq!(trainer.allocations(), before, "no buffer is allocated while training");
    kept
}

const PARAMETERS: [&str; 8] = [
    "conv1.weight",
    "conv1.bias",
    "norm1.weight",
    "norm1.bias",
    "dense1.weight",
    "dense1.bias",
    "dense2.weight",
    "dense2.bias",
];

/// Weights are counted as the host counts them, after each epoch; gradients are all counted, and
/// neither changes the run.
#[test]
fn the_device_counts_as_the_host_does() {
    let executors: [&mut dyn Executor; 2] = [&mut gpu(), &mut CpuExecutor::new()];
    for executor in executors {
        let kept = epochs(executor, "histograms = { bins = 32 }");
        assert_eq!(kept.0.len(), 3);
        for (epoch, (records, weights)) in (1..).zip(&kept.0) {
            let names = records.iter().map(|record| (record.parameter.as_str(), record.of));
            let expected = PARAMETERS
                .into_iter()
                .flat_map(|name| [(name, HistogramOf::Weights), (name, HistogramOf::Gradients)]);
            assert!(names.eq(expected), "{records:?}");
            for record in records {
                assert_eq!((record.epoch, record.step), (epoch, 10 * u64::from(epoch)));
                let tensor = weights.iter().find(|(name, _)| *name == record.parameter);
                let (_, tensor) = tensor.expect("it is a parameter");
                let counts = &record.counts;
                assert_eq!(counts.values(), tensor.f32s().len() as u64, "{}", record.parameter);
                match record.of {
                    HistogramOf::Weights => {
                        assert_eq!(*counts, HistogramCounts::of(tensor.f32s(), 32));
                    }
                    HistogramOf::Gradients => {
                        let finite = counts.nan == 0 && counts.infinite == 0;
                        assert!(finite && counts.largest > 0.0, "{}", record.parameter);
                    }
                }
            }
        }
    }
    let without = epochs(&mut CpuExecutor::new(), "");
    let with = epochs(&mut CpuExecutor::new(), "histograms = { every_epochs = 2 }");
    let counted: Vec<usize> = with.0.iter().map(|(records, _)| records.len()).collect();
    assert_eq!(counted, [0, 16, 0], "every second epoch");
    for ((_, with), (none, without)) in with.0.iter().zip(&without.0) {
        assert!(none.is_empty());
        assert_eq!(with, without, "counting changes nothing");
    }
}

/// Gradients are those of the loss: clipping does not show in them. Frozen layers have none.
#[test]
fn gradients_are_counted_before_they_are_clipped() {
    let largest = |extra: &str| {
        let kept = epochs(&mut CpuExecutor::new(), &format!("{extra}\nhistograms = {{}}"));
        let records = kept.0.into_iter().next().expect("an epoch").0;
        let gradients = records.into_iter().filter(|r| r.of == HistogramOf::Gradients);
        let largest: Vec<(String, f32)> =
            gradients.map(|record| (record.parameter, record.counts.largest)).collect();
        largest
    };
    let clipped = largest("clipping = { by_value = 1e-6 }");
    assert!(clipped.iter().any(|(_, largest)| *largest > 1e-3), "{clipped:?}");
    let frozen = largest("freeze = [\"conv1\"]");
    assert_eq!(frozen.len(), 6);
    assert!(frozen.iter().all(|(name, _)| !name.starts_with("conv1")), "{frozen:?}");
}

#[test]
fn numbers_of_bins_that_cannot_be_are_refused() {
    for (set, part) in [
        ("histograms.bins=48", "power of two from 8 to 512, it is 48"),
        ("histograms.bins=1024", "power of two"),
        ("histograms.every_epochs=0", "at least 1"),
        ("histograms.bin=8", "unknown field"),
    ] {
        let error = Recipe::builtin("digits", &[set.to_owned()]).expect_err(set);
        assert!(matches!(error, TrainError::Override { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}
