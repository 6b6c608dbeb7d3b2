//! Variants that a measurement chose, pinned by name and by the text of their kernels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checks::{AuditCounts, Checks};
use super::program::Program;
use crate::graph::{DeviceModel, Lowering, Op, Signature};
use crate::tensor::TensorType;

/// The variant of one op on given shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// Registry name of the op.
    pub op: String,
    /// Its attributes, as JSON.
    pub attributes: String,
    /// Types of its inputs, e.g. `f32[128, 13, 13, 32]`.
    pub inputs: Vec<String>,
    /// Name of the variant.
    pub variant: String,
    /// Fingerprint of its kernels, by [`fingerprint`].
    pub kernels: String,
    /// Time of one run when it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microseconds: Option<f64>,
    /// Whether it came with the program: then nobody is told where it no longer holds.
    #[serde(skip)]
    pub preset: bool,
}

/// Pinned variants for one device and driver. Nodes without a pick, or whose pick names kernels
/// that have changed since, take their best guess.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picks {
    /// Name of the device.
    pub device: String,
    /// Driver and its version.
    pub driver: String,
    /// What the device was taken for, on which the kernels depend that have no pick, and shares of
    /// sums in those that have one; none for devices that no model describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DeviceModel>,
    /// Which kernels are compiled with checks: last bits may depend on it.
    #[serde(default, skip_serializing_if = "Checks::is_default")]
    pub checks: Checks,
    /// What audits told of a run's kernels; a record only.
    #[serde(default, skip_serializing_if = "AuditCounts::is_empty")]
    pub audits: AuditCounts,
    /// Leaves every op a step of its own: what fusion is checked against. Never kept.
    #[serde(skip)]
    pub unfused: bool,
    #[serde(default, rename = "pick", with = "as_list")]
    picks: BTreeMap<Key, Pick>,
}

/// Op, attributes and inputs.
type Key = (String, String, Vec<String>);

impl Picks {
    /// No picks yet for a device.
    pub fn new(device: &str, driver: &str) -> Self {
        let (device, driver) = (device.to_owned(), driver.to_owned());
        Self { device, driver, ..Self::default() }
    }

    /// The variants that a program uses, for nodes that run kernels.
    pub fn of_program(device: &str, driver: &str, program: &Program) -> Self {
        let mut picks = Self::new(device, driver);
        for step in program.steps.iter().filter(|step| !step.dispatches.is_empty()) {
            let kernels = step.dispatches.iter().map(|dispatch| {
                (program.kernels[dispatch.kernel].source.as_str(), dispatch.workgroups)
            });
            let sig = step.signature();
            picks.insert(step.op.as_ref(), &sig, &step.variant, hash(kernels), None);
        }
        picks
    }

    /// Reads picks from TOML.
    ///
    /// # Errors
    /// When the text is not what [`Self::to_toml`] writes; the message names the line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The picks as TOML.
    ///
    /// # Errors
    /// When a value cannot be written, which no pick holds.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// The same picks, as such that came with the program.
    #[must_use]
    pub fn into_preset(mut self) -> Self {
        self.picks.values_mut().for_each(|pick| pick.preset = true);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.picks.is_empty()
    }

    /// All picks, by op and shapes.
    pub fn iter(&self) -> impl Iterator<Item = &Pick> {
        self.picks.values()
    }

    /// Pins a lowering of an op.
    pub fn pin(&mut self, op: &dyn Op, sig: &Signature, lowering: &Lowering, seconds: Option<f64>) {
        self.insert(op, sig, &lowering.variant, fingerprint(lowering), seconds);
    }

    fn insert(
        &mut self,
        op: &dyn Op,
        sig: &Signature,
        variant: &str,
        kernels: String,
        seconds: Option<f64>,
    ) {
        let key = key_of(op, sig);
        let (op, attributes, inputs) = key.clone();
        let variant = variant.to_owned();
        let microseconds = seconds.map(|seconds| (seconds * 1e7).round() / 10.0);
        let pick = Pick { op, attributes, inputs, variant, kernels, microseconds, preset: false };
        self.picks.insert(key, pick);
    }

    /// Adds the picks and the model of `other`, which go before these.
    pub fn merge(&mut self, other: Self) {
        self.model = other.model.or(self.model);
        self.picks.extend(other.picks);
    }

    /// Whether a pick for these shapes names one of these lowerings, kernels unchanged.
    pub fn covers(&self, op: &dyn Op, sig: &Signature, lowerings: &[Lowering]) -> bool {
        self.position(op, sig, lowerings).is_some()
    }

    /// Position of the pinned lowering; 0, the best guess, where there is none.
    pub fn choose(&self, op: &dyn Op, sig: &Signature, lowerings: &[Lowering]) -> usize {
        self.position(op, sig, lowerings).unwrap_or(0)
    }

    fn position(&self, op: &dyn Op, sig: &Signature, lowerings: &[Lowering]) -> Option<usize> {
        if self.picks.is_empty() {
            return None;
        }
        let pick = self.picks.get(&key_of(op, sig))?;
        let found = lowerings.iter().position(|lowering| {
            lowering.variant == pick.variant && fingerprint(lowering) == pick.kernels
        });
        if found.is_none()
            && let Some(notice) = pick.void_notice()
        {
            log::warn!("{notice}");
        }
        found
    }
}

impl Pick {
    /// What to tell the user where the pick is void; nothing on one that nobody here has made.
    fn void_notice(&self) -> Option<String> {
        let notice = || {
            format!(
                "the pinned variant {} of {} {} is not what this version compiles; taking the best \
                 guess (measure again with `verigrad tune`)",
                self.variant,
                self.op,
                self.inputs.join(", ")
            )
        };
        (!self.preset).then(notice)
    }
}

/// The first 64 bits of the SHA-256 over the texts and workgroup counts of a lowering's kernels.
pub fn fingerprint(lowering: &Lowering) -> String {
    hash(lowering.kernels.iter().map(|kernel| (kernel.source.as_str(), kernel.workgroups)))
}

fn hash<'a>(kernels: impl Iterator<Item = (&'a str, [u32; 3])>) -> String {
    let mut hasher = Sha256::new();
    for (source, workgroups) in kernels {
        hasher.update(source.as_bytes());
        for count in workgroups {
            hasher.update(count.to_le_bytes());
        }
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn key_of(op: &dyn Op, sig: &Signature) -> Key {
    let inputs = sig.inputs.iter().map(TensorType::to_string).collect();
    (op.name().to_owned(), op.attributes().to_string(), inputs)
}

/// The map as a list of its values, which hold their keys.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Key, Pick};

    pub fn serialize<S: Serializer>(
        picks: &BTreeMap<Key, Pick>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(picks.values())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Key, Pick>, D::Error> {
        let picks = Vec::<Pick>::deserialize(deserializer)?;
        let keyed =
            |pick: Pick| ((pick.op.clone(), pick.attributes.clone(), pick.inputs.clone()), pick);
        Ok(picks.into_iter().map(keyed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Caps, Graph};
    use crate::ops::Matmul;

    fn product() -> (Matmul, Signature, Vec<Lowering>) {
        let op = Matmul::default();
        let inputs = vec![TensorType::f32([37, 64]), TensorType::f32([64, 32])];
        let outputs = op.infer(&inputs).expect("shapes fit");
        let sig = Signature { inputs, outputs };
        let lowerings = op.lowerings(&sig, &Caps::webgpu_default());
        assert!(lowerings.len() > 1, "nothing to choose from");
        (op, sig, lowerings)
    }

    #[test]
    fn picks_survive_their_file_and_choose_by_name_and_text() {
        let (op, sig, mut lowerings) = product();
        let last = lowerings.len() - 1;
        let mut picks = Picks::new("a device", "a driver");
        picks.pin(&op, &sig, &lowerings[last], Some(1.23456e-3));
        let text = picks.to_toml().expect("it can be written");
        let read = Picks::parse(&text).expect("it can be read");
        assert_eq!(read, picks);
        assert_eq!(read.iter().next().and_then(|pick| pick.microseconds), Some(1234.6));
        assert_eq!(read.choose(&op, &sig, &lowerings), last);

        let transposed = Matmul { transpose_b: true, ..Matmul::default() };
        assert_eq!(read.choose(&transposed, &sig, &lowerings), 0, "other attributes");
        lowerings[last].kernels[0].source.push_str("// changed\n");
        assert_eq!(read.choose(&op, &sig, &lowerings), 0, "another text");
        assert!(!read.covers(&op, &sig, &lowerings));
        let told = |picks: &Picks| picks.iter().filter_map(Pick::void_notice).count();
        assert_eq!(told(&read), 1, "the user's own pick is void, which is said");
        let preset = read.into_preset();
        assert_eq!(preset.choose(&op, &sig, &lowerings), 0, "a void preset is harmless");
        assert_eq!(told(&preset), 0, "and silent");
    }

    #[test]
    fn a_program_gives_the_picks_that_make_it_again() {
        let mut graph = Graph::default();
        let (op, sig, lowerings) = product();
        let a = graph.source("a", sig.inputs[0].clone());
        let b = graph.source("b", sig.inputs[1].clone());
        let y = graph.push(op.clone(), &[a, b]).expect("shapes fit");
        graph.output("y", y);
        let last = lowerings.len() - 1;
        let caps = Caps::webgpu_default();
        let program = super::super::compile("p", &graph, &caps, &|_, _, _| last).expect("it fits");
        let picks = Picks::of_program("a device", "a driver", &program);
        assert_eq!(picks.choose(&op, &sig, &lowerings), last);
    }

    #[test]
    fn unknown_keys_are_errors_with_their_line() {
        let error = Picks::parse("device = \"d\"\ndriver = \"e\"\nvariant = 1\n");
        let message = error.expect_err("there is no such key").to_string();
        assert!(message.contains("line 3") && message.contains("variant"), "{message}");
    }
}
