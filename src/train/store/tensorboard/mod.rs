//! A run as TensorBoard reads it: an event file for each session of the run.

mod proto;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::files::{FileError, append_bytes};
use super::records::histograms::HistogramRecord;
use super::records::metrics::{EpochRecord, StepRecord};
use crate::ops::HistogramCounts;
use crate::train::step::histograms::HistogramOf;
use proto::{
    Content, Event, Experiment, HParamInfo, HParams, HParamsPluginData, HistogramProto, Image,
    Kind, MetricInfo, MetricName, PluginData, SessionEndInfo, SessionLog, SessionStartInfo,
    Summary, SummaryMetadata, SummaryValue, TensorProto, TensorShapeProto, Value, What,
};

/// Metrics that runs are compared by.
const COMPARED: [&str; 2] = ["test/accuracy", "test/loss"];

/// Writes an event file, which grows with the run.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
}

impl EventLog {
    /// Begins a file in `folder`, which is made where there is none. A run that goes on after `step` steps
    /// voids what earlier files tell of later ones.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(folder: &Path, step: u64) -> Result<Self, FileError> {
        std::fs::create_dir_all(folder).map_err(FileError::of("make the folder", folder))?;
        let name = |n: u32| {
            let seconds = now().floor();
            folder.join(format!("events.out.tfevents.{seconds:.0}.verigrad.{n}"))
        };
        let path = (0..).map(name).find(|path| !path.exists());
        let log = Self { path: path.unwrap_or_else(|| name(0)) };
        let events = [
            What::FileVersion("brain.Event:2".to_owned()),
            What::SessionLog(SessionLog { status: 1 }),
        ];
        // The first step that is yet to come.
        log.append(events.map(|what| event(step + 1, what)).as_slice())?;
        Ok(log)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the recipe: as a text, and as hyperparameters to compare runs by.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn recipe(&self, toml: &str) -> Result<(), FileError> {
        let text = format!("```toml\n{toml}\n```");
        let tensor = TensorProto {
            dtype: 7,
            shape: Some(TensorShapeProto {}),
            string_val: vec![text.into_bytes()],
        };
        let text = SummaryValue {
            tag: "recipe".to_owned(),
            metadata: Some(of_plugin("text", Vec::new())),
            content: Some(Content::Tensor(tensor)),
        };
        let mut hparams = BTreeMap::new();
        if let Ok(table) = toml.parse::<toml::Table>() {
            flatten("", &toml::Value::Table(table), &mut hparams);
        }
        let hparam_infos = hparams.iter().map(|(name, value)| {
            let r#type = match value.kind {
                Some(Kind::Bool(_)) => 2,
                Some(Kind::Number(_)) => 3,
                _ => 1,
            };
            HParamInfo { name: name.clone(), r#type }
        });
        let metric_infos = COMPARED
            .map(|tag| MetricInfo { name: Some(MetricName { tag: tag.to_owned() }) })
            .to_vec();
        let experiment = Experiment { hparam_infos: hparam_infos.collect(), metric_infos };
        let start = SessionStartInfo { hparams, start_time_secs: now() };
        self.append(&[of_values(
            0,
            vec![
                text,
                hparams_value("experiment", HParams::Experiment(experiment)),
                hparams_value("session_start_info", HParams::SessionStart(start)),
            ],
        )])
    }

    /// Tells of an epoch: loss and learning rate of its steps, its metrics, and histograms where there are
    /// such.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn epoch(
        &self,
        epoch: &EpochRecord,
        steps: &[StepRecord],
        histograms: &[HistogramRecord],
    ) -> Result<(), FileError> {
        let mut events: Vec<Event> = steps
            .iter()
            .map(|step| {
                let rate = scalar("train/learning_rate", f64::from(step.learning_rate));
                of_values(step.step, vec![scalar("train/loss", step.loss.into()), rate])
            })
            .collect();
        let mut values = vec![scalar("train/images_per_second", epoch.images_per_second)];
        let if_there = [
            ("train/accuracy", Some(epoch.train_accuracy).filter(|share| !share.is_nan())),
            ("validation/loss", epoch.validation_loss),
            ("validation/accuracy", epoch.validation_accuracy),
            ("test/loss", epoch.test_loss),
            ("test/accuracy", epoch.test_accuracy),
            ("train/loss_scale", epoch.loss_scale),
        ];
        values.extend(if_there.into_iter().filter_map(|(tag, value)| Some(scalar(tag, value?))));
        values.extend(histograms.iter().map(histogram));
        events.push(of_values(epoch.step, values));
        self.append(&events)
    }

    /// Shows a picture, a whole PNG file of `width` by `height` pixels.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn picture(
        &self,
        tag: &str,
        step: u64,
        (png, [width, height]): (Vec<u8>, [u32; 2]),
    ) -> Result<(), FileError> {
        let [width, height] = [width, height].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
        let image = Image { height, width, colorspace: 4, encoded: png };
        let (tag, content) = (tag.to_owned(), Some(Content::Image(image)));
        self.append(&[of_values(step, vec![SummaryValue { tag, metadata: None, content }])])
    }

    /// Tells that the run is done.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(&self, step: u64) -> Result<(), FileError> {
        let end = SessionEndInfo { status: 1, end_time_secs: now() };
        let value = hparams_value("session_end_info", HParams::SessionEnd(end));
        self.append(&[of_values(step, vec![value])])
    }

    fn append(&self, events: &[Event]) -> Result<(), FileError> {
        let records: Vec<u8> =
            events.iter().flat_map(|event| record(&event.encode_to_vec())).collect();
        append_bytes(&self.path, &records)
    }
}

/// A record of a file: its length and its bytes, each with a checksum.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let (of_length, of_bytes) = (masked_crc(&length), masked_crc(bytes));
    [&length[..], &of_length.to_le_bytes(), bytes, &of_bytes.to_le_bytes()].concat()
}

/// The CRC-32C, turned and moved so that checksums of checksums are no trouble.
fn masked_crc(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

fn event(step: u64, what: What) -> Event {
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    Event { wall_time: now(), step, what: Some(what) }
}

fn of_values(step: u64, value: Vec<SummaryValue>) -> Event {
    event(step, What::Summary(Summary { value }))
}

fn scalar(tag: &str, value: f64) -> SummaryValue {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits")]
    let content = Some(Content::SimpleValue(value as f32));
    SummaryValue { tag: tag.to_owned(), metadata: None, content }
}

fn of_plugin(name: &str, content: Vec<u8>) -> SummaryMetadata {
    let plugin_data = Some(PluginData { plugin_name: name.to_owned(), content });
    SummaryMetadata { plugin_data, data_class: 2 }
}

fn hparams_value(tag: &str, data: HParams) -> SummaryValue {
    let content = HParamsPluginData { data: Some(data) }.encode_to_vec();
    SummaryValue {
        tag: format!("_hparams_/{tag}"),
        metadata: Some(of_plugin("hparams", content)),
        content: None,
    }
}

/// All numbers, texts and truth values of a table, by their keys; layers are no hyperparameters.
fn flatten(key: &str, value: &toml::Value, found: &mut BTreeMap<String, Value>) {
    #[expect(clippy::cast_precision_loss, reason = "to be looked at")]
    let kind = match value {
        toml::Value::Table(table) => {
            let entries = table.iter().filter(|(name, _)| !(key.is_empty() && *name == "layers"));
            for (name, value) in entries {
                let name = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&name, value, found);
            }
            return;
        }
        toml::Value::Integer(number) => Kind::Number(*number as f64),
        toml::Value::Float(number) => Kind::Number(*number),
        toml::Value::Boolean(flag) => Kind::Bool(*flag),
        toml::Value::String(text) => Kind::Text(text.clone()),
        other => Kind::Text(other.to_string()),
    };
    found.insert(key.to_owned(), Value { kind: Some(kind) });
}

fn histogram(record: &HistogramRecord) -> SummaryValue {
    let of = match record.of {
        HistogramOf::Weights => "weights",
        HistogramOf::Gradients => "gradients",
    };
    let content = Some(Content::Histogram(buckets(&record.counts)));
    SummaryValue { tag: format!("{of}/{}", record.parameter), metadata: None, content }
}

/// Buckets with their upper edges; zeros are in the one that ends at zero. Sums are those of the middles.
fn buckets(counts: &HistogramCounts) -> HistogramProto {
    let (bound, largest) = (f64::from(counts.bound), f64::from(counts.largest));
    #[expect(clippy::cast_precision_loss, reason = "there are at most 512")]
    let width = 2.0 * bound / counts.bins.len().max(1) as f64;
    let mut buckets = vec![(-bound, f64::from(counts.below))];
    for (i, &count) in (1..).zip(&counts.bins) {
        let zeros = if 2 * i == counts.bins.len() { counts.zeros } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "there are at most 512")]
        buckets.push((i as f64 * width - bound, f64::from(count) + f64::from(zeros)));
    }
    buckets.push((largest.max(bound) * (1.0 + f64::EPSILON), f64::from(counts.above)));
    let middles = || buckets.iter().map(|(edge, count)| (edge - width / 2.0, count));
    HistogramProto {
        min: -largest,
        max: largest,
        num: buckets.iter().map(|(_, count)| count).sum(),
        sum: middles().map(|(middle, count)| middle * count).sum(),
        sum_squares: middles().map(|(middle, count)| middle * middle * count).sum(),
        bucket_limit: buckets.iter().map(|(edge, _)| *edge).collect(),
        bucket: buckets.iter().map(|(_, count)| *count).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, whose checksums must be right.
    fn events(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
            let (of_length, rest) = rest.split_first_chunk::<4>().expect("its checksum");
            assert_eq!(u32::from_le_bytes(*of_length), masked_crc(length));
            let (event, rest) =
                rest.split_at(usize::try_from(u64::from_le_bytes(*length)).expect("it fits"));
            let (of_event, rest) = rest.split_first_chunk::<4>().expect("its checksum");
            assert_eq!(u32::from_le_bytes(*of_event), masked_crc(event));
            events.push(Event::decode(event).expect("an event"));
            bytes = rest;
        }
        events
    }

    /// The check value of CRC-32C, masked as TensorFlow's `crc32c.h` does.
    #[test]
    fn checksums_are_those_of_the_format() {
        let expected = 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(b"123456789"), expected);
    }

    #[test]
    fn a_file_tells_its_sessions_recipe_and_pictures() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = EventLog::begin(folder.path(), 40).expect("it can be written");
        let second = EventLog::begin(folder.path(), 40).expect("it can be written");
        assert_ne!(log.path(), second.path());
        let toml = "epochs = 3\nshuffle = true\n[optimizer]\ntype = \"adam\"\nlearning_rate = 0.5\n\
                    [[layers]]\ntype = \"flatten\"\n";
        log.recipe(toml).expect("it can be written");
        log.picture("curves", 7, (vec![1, 2, 3], [20, 10])).expect("it can be written");
        log.end(80).expect("it can be written");
        let events = events(&std::fs::read(log.path()).expect("it is there"));
        let steps: Vec<i64> = events.iter().map(|event| event.step).collect();
        assert_eq!(steps, [41, 41, 0, 7, 80]);
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        assert_eq!(events[1].what, Some(What::SessionLog(SessionLog { status: 1 })));
        let Some(What::Summary(summary)) = &events[2].what else { unreachable!("{events:?}") };
        let content = |value: &SummaryValue| {
            let data = value.metadata.clone().and_then(|metadata| metadata.plugin_data);
            HParamsPluginData::decode(data.expect("a plugin").content.as_slice())
                .expect("hparams")
                .data
        };
        let Some(HParams::SessionStart(start)) = content(&summary.value[2]) else {
            unreachable!("{summary:?}")
        };
        let names: Vec<&str> = start.hparams.keys().map(String::as_str).collect();
        assert_eq!(names, ["epochs", "optimizer.learning_rate", "optimizer.type", "shuffle"]);
        let rate = start.hparams["optimizer.learning_rate"].kind.clone();
        assert_eq!(rate, Some(Kind::Number(0.5)));
    }

    /// Every value is in a bucket whose edges it lies between.
    #[test]
    fn histograms_keep_all_values() {
        let values = [-0.9, -0.3, 0.1, 0.1, 0.0, 0.9, f32::NAN];
        let histogram = buckets(&HistogramCounts::of(&values, 8));
        assert_eq!(histogram.num, 6.0);
        assert!(histogram.bucket_limit.is_sorted(), "{histogram:?}");
        let below = |edge: f64| {
            let pairs = histogram.bucket_limit.iter().zip(&histogram.bucket);
            pairs.filter(|(limit, _)| **limit <= edge).map(|(_, count)| count).sum::<f64>()
        };
        assert_eq!((below(-0.75), below(0.0), below(0.25), below(2.0)), (1.0, 3.0, 5.0, 6.0));
        assert!((histogram.sum - -0.1).abs() < 6.0 * 0.125, "{histogram:?}");
    }
}
