//! A whole model: the graph from pixels to probabilities, and what a file says of it.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;

use super::error::OnnxError;
use super::order::IMAGE_AXES;
use super::proto::{
    DimensionProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use super::translate::Translator;
use super::weights::Weights;
use super::writer::{Attribute, Writer, ints};
use crate::analysis::QuantizedModel;
use crate::data::{Normalization, Task};
use crate::graph::{Graph, Value};
use crate::nn::{Mode, ModelBuilder};
use crate::tensor::{HostTensor, TensorType, permuted};
use crate::train::{CLASSES_KEY, ModelPrograms, write_atomically};

/// Name of the input.
pub const IMAGE: &str = "image";
/// Name of the output of the last layer.
pub const LOGITS: &str = "logits";
/// Name of the output where numbers are predicted.
pub const PREDICTIONS: &str = "predictions";
/// Name of the output of the softmax, or of the sigmoid where several classes apply.
pub const PROBABILITIES: &str = "probabilities";
/// Version of the set of operators: the first one with `Gelu`.
pub const OPSET: i64 = 20;

/// Version of the format that came with [`OPSET`].
const IR_VERSION: i64 = 9;
/// Name of the first dimension.
const BATCH: &str = "batch";
/// Images of the graph that is written; any number but one, which shapes could be mistaken for.
const EXAMPLE: usize = 2;
/// What readers of protocol buffers take.
const MOST_BYTES: usize = 0x7fff_ffff;

/// What a file says of its model beside the graph.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Name of the graph.
    pub name: String,
    /// Names of the classes, kept as a JSON list under `classes`.
    pub classes: Vec<String>,
    /// Further facts by name.
    pub facts: BTreeMap<String, String>,
}

/// A model in the form of ONNX.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxModel {
    proto: ModelProto,
}

impl OnnxModel {
    /// A model with weights by their names here: parameters and running statistics. All numbers are f32,
    /// whatever the run stored activations in.
    ///
    /// # Errors
    /// When an op has no form in ONNX, or a tensor is missing or has another shape; names it.
    pub fn new(
        model: &ModelPrograms,
        weights: &BTreeMap<String, HostTensor>,
        about: &About,
    ) -> Result<Self, OnnxError> {
        Self::of_weights(model, Weights::Floats(weights), about)
    }

    /// A model whose convolutions and dense layers multiply 8-bit weights and activations on 8-bit grids:
    /// `QuantizeLinear` and `DequantizeLinear` around each, with these scales and zero points. Biases and
    /// everything else stay f32.
    ///
    /// # Errors
    /// As for [`Self::new`], and when a layer has weights in 8 bits and no grid.
    pub fn quantized(
        model: &ModelPrograms,
        quantized: &QuantizedModel,
        about: &About,
    ) -> Result<Self, OnnxError> {
        Self::of_weights(model, Weights::Int8(quantized), about)
    }

    /// Any graph from images `[n, h, w, c]`, f32 and as many as it likes but one, to logits `[n, classes]`.
    /// The input of the file takes what `images` takes, with the channels in front: normalization is left to
    /// the graph. All other sources are weights by their names.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn of_graph(
        graph: &Graph,
        [images, logits]: [Value; 2],
        weights: &BTreeMap<String, HostTensor>,
        about: &About,
    ) -> Result<Self, OnnxError> {
        let what = "numbers as the graph takes them".to_owned();
        let input = (None, what, Task::Classification);
        Self::assembled(graph, [images, logits], input, Weights::Floats(weights), about)
    }

    fn of_weights(
        model: &ModelPrograms,
        weights: Weights<'_>,
        about: &About,
    ) -> Result<Self, OnnxError> {
        let [h, w, c] = model.image();
        let mut graph = Graph::default();
        let images = graph.source(IMAGE, TensorType::f32([EXAMPLE, h, w, c]));
        let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
        let logits = builder.layers(model.layers(), images)?;
        let input = (Some(model.normalization()), pixels(c), model.task());
        Self::assembled(&graph, [images, logits], input, weights, about)
    }

    fn assembled(
        graph: &Graph,
        [images, logits]: [Value; 2],
        (normalization, what, task): (Option<&Normalization>, String, Task),
        weights: Weights<'_>,
        about: &About,
    ) -> Result<Self, OnnxError> {
        let [_, h, w, c] = graph.ty(images).ranked("onnx", "the input")?;
        let [_, classes] = graph.ty(logits).ranked("onnx", "the output")?;
        let mut writer = Writer::default();
        writer.input(value_info(IMAGE, &[c, h, w], &what));
        let input = match normalization {
            Some(numbers) => normalized(&mut writer, numbers, [h, w, c]),
            None => IMAGE.to_owned(),
        };
        let translator = Translator::new(graph, weights, writer, (images, input));
        let (mut writer, logits) = translator.run(logits)?;
        let (name, meaning) = match task {
            Task::Regression => (PREDICTIONS, "what the model predicts, a number for each target"),
            _ => (LOGITS, "what the last layer gives, a number for each class"),
        };
        let (softmax, sigmoid) = (
            "the softmax of the logits, a probability for each class",
            "the sigmoid of the logits, the probability that a class applies",
        );
        writer.set_scope(PROBABILITIES);
        let probabilities = match task {
            Task::Classification => {
                let axis = vec![("axis", Attribute::Int(1))];
                Some((writer.node("Softmax", &[&logits], axis), softmax))
            }
            Task::MultiLabel => Some((writer.node("Sigmoid", &[&logits], Vec::new()), sigmoid)),
            Task::Regression => None,
        };
        writer.output(&logits, value_info(name, &[classes], meaning));
        if let Some((probabilities, meaning)) = probabilities {
            writer.output(&probabilities, value_info(PROBABILITIES, &[classes], meaning));
        }

        let list = serde_json::json!(about.classes).to_string();
        let mut facts = about.facts.clone();
        facts.insert(CLASSES_KEY.to_owned(), list);
        facts.insert(IMAGE.to_owned(), what.clone());
        let facts = facts.into_iter().map(|(key, value)| StringStringEntryProto { key, value });
        // A graph must have a name.
        let name = if about.name.is_empty() { "model" } else { &about.name };
        let proto = ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: format!("{name}: classifies images; {IMAGE}: {what}"),
            graph: Some(writer.into_graph(name)),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: facts.collect(),
        };
        Ok(Self { proto })
    }

    /// The messages that a file consists of.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The bytes of a file. The same model gives the same bytes.
    ///
    /// # Errors
    /// When they are more than a file of protocol buffers holds, 2 GiB.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OnnxError> {
        self.within(MOST_BYTES)
    }

    fn within(&self, most: usize) -> Result<Vec<u8>, OnnxError> {
        let bytes = self.proto.encoded_len();
        if bytes > most {
            return Err(OnnxError::TooLarge { bytes, most });
        }
        Ok(self.proto.encode_to_vec())
    }

    /// Writes a file as a whole, or leaves what was there.
    ///
    /// # Errors
    /// As for [`Self::to_bytes`], and when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), OnnxError> {
        Ok(write_atomically(path, &self.to_bytes()?)?)
    }
}

/// What the input of a model means.
fn pixels(channels: usize) -> String {
    let channels = match channels {
        1 => "gray",
        3 => "red, green and blue",
        _ => "channels as in training",
    };
    format!("pixels from 0 to 255 as they are ({channels}); normalization is in the graph")
}

/// A float tensor whose first dimension is any number of images.
fn value_info(name: &str, sizes: &[usize], doc_string: &str) -> ValueInfoProto {
    let batch = DimensionProto { dim_value: None, dim_param: Some(BATCH.to_owned()) };
    let sizes = ints(sizes);
    let sizes = sizes.iter().map(|&n| DimensionProto { dim_value: Some(n), dim_param: None });
    let shape = Some(TensorShapeProto { dim: std::iter::once(batch).chain(sizes).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type }),
        doc_string: doc_string.to_owned(),
    }
}

/// `(pixel / 255 - mean) / std`, in these three steps, as [`crate::analysis`] has them: what lies on the
/// border of two levels of a grid must fall to the same side. Returns the name of the result.
fn normalized(writer: &mut Writer, numbers: &Normalization, [h, w, c]: [usize; 3]) -> String {
    writer.set_scope("normalize");
    let white = writer.scalar("white", 255.0);
    let mut x = writer.node("Div", &[IMAGE, &white], Vec::new());
    // What changes nothing is left out.
    let steps = [("mean", "Sub", &numbers.mean, 0.0), ("std", "Div", &numbers.std, 1.0)];
    for (name, function, values, nothing) in steps {
        if values.iter().all(|&value| value == nothing) {
            continue;
        }
        let name = format!("normalize/{name}");
        let values = if numbers.is_per_pixel(c) {
            let [_, axes @ ..] = IMAGE_AXES.map(|axis| axis.saturating_sub(1));
            writer.floats(&name, &[c, h, w], &permuted(values, &[h, w, c], &axes))
        } else {
            writer.floats(&name, &[c, 1, 1], values)
        };
        x = writer.node(function, &[&x, &values], Vec::new());
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        let model = OnnxModel { proto: ModelProto { ir_version: 9, ..ModelProto::default() } };
        let bytes = model.to_bytes().expect("it is small");
        assert_eq!(model.within(bytes.len()).expect("it just fits"), bytes);
        let error = model.within(bytes.len() - 1).expect_err("one byte too many").to_string();
        assert!(error.contains("takes 2 bytes as ONNX") && error.contains("at most 1"), "{error}");
    }
}
