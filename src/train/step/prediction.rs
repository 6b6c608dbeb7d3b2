//! The graph of a prediction: inputs that the host gives, and what the model makes of them.

use super::compiled::compiled;
use super::model::ModelPrograms;
use crate::compile::{CompileError, Picks, Program};
use crate::graph::{Caps, Graph};
use crate::nn::Mode;
use crate::tensor::TensorType;

impl ModelPrograms {
    /// Compiles the program `name` of one batch: from the state `name/inputs` `[batch, input]`, numbers as
    /// the first layer takes them, to the output `name/outputs` `[batch, ...]`.
    ///
    /// # Errors
    /// When an op rejects its operands, or the program does not fit the device.
    pub fn prediction(
        &self,
        name: &str,
        batch: usize,
        caps: &Caps,
        picks: &Picks,
    ) -> Result<Program, CompileError> {
        let mut graph = Graph::default();
        let inputs = TensorType::f32([&[batch], self.input()].concat());
        let x = graph.source(&format!("{name}/inputs"), inputs);
        let mut builder = self.builder(&mut graph, Mode::Evaluate);
        let outputs = builder.layers(self.layers(), x)?;
        graph.output("outputs", outputs);
        compiled(name, &graph, caps, picks)
    }
}
