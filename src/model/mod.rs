//! Floor 7: a model in code. Layers, a loss, and then [`Model::fit`], [`Model::evaluate`],
//! [`Model::predict`], [`Model::save`] and [`Model::load`].
//!
//! What trains is the engine of the program `verigrad`, with the same kernels and the same bits.
//!
//! ```
//! use verigrad::data::{Dataset, Targets};
//! use verigrad::exec::DeviceChoice;
//! use verigrad::model::{Fit, Model};
//! use verigrad::nn::Dense;
//! use verigrad::train::{Loss, OptimizerConfig};
//!
//! // y = 2 a - b, from 64 examples.
//! let inputs: Vec<f32> = (0..128).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
//! let targets = inputs.chunks(2).map(|x| 2.0 * x[0] - x[1]).collect();
//! let data = Dataset::of_numbers("sums", [2], inputs, Targets::numbers([1], targets), vec![])?;
//!
//! let mut model = Model::new([2]).add(Dense::new(1)).loss(Loss::MeanSquaredError).on(DeviceChoice::Cpu);
//! let optimizer = OptimizerConfig::adam(0.1);
//! let history = model.fit(&data, &Fit { epochs: 60, batch_size: 16, optimizer, ..Fit::default() })?;
//!
//! assert!(history.last().loss < 1e-3);
//! let y = model.predict(&[3.0, 1.0])?;
//! assert!((y.values[0] - 5.0).abs() < 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod file;
mod fit;
mod metric;
mod network;
mod outputs;
mod session;

pub use error::ModelError;
pub use fit::{Epoch, Fit, History};
pub use metric::{Accuracy, BinaryAccuracy, Known, MeanAbsoluteError, Metric, RSquared};
pub use network::{Evaluated, Model};
pub use outputs::Outputs;
