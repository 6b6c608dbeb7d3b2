//! verigrad: a GPU training engine on wgpu compute shaders, in which every kernel is checked, on
//! your own device, against a reference.
//!
//! # A tour
//!
//! A [`model::Model`] has layers ([`nn`]) and a loss ([`train::Loss`]); a [`data::Dataset`] has examples, in
//! memory or read when they are needed. That is all it takes to train:
//!
//! ```
//! use verigrad::data::{DataConfig, load};
//! use verigrad::exec::DeviceChoice;
//! use verigrad::model::{Fit, Model};
//! use verigrad::nn::{Conv2d, Dense, Flatten, MaxPool2d};
//!
//! // 600 handwritten digits, which are drawn: no files are needed. `Dataset::new` takes your own images.
//! let digits = DataConfig { train_size: Some(600), test_size: Some(100), ..DataConfig::default() };
//! let data = load(&digits, None)?;
//!
//! let mut model = Model::new([28, 28, 1])
//!     .add(Conv2d::new(8, 3).stride(2).relu())
//!     .add(MaxPool2d::new(2))
//!     .add(Flatten {})
//!     .add(Dense::classes())
//!     .on(DeviceChoice::Cpu); // Leave it out for the fastest device that there is.
//! let history = model.fit(&data.train, &Fit { epochs: 3, batch_size: 32, ..Fit::default() })?;
//! assert!(history.last().loss < history.epochs[0].loss);
//!
//! let seven = data.test.image(7).ok_or("there are 100")?;
//! let probabilities = model.predict_images(seven)?.softmax();
//! assert_eq!(probabilities.values.len(), 10);
//!
//! let file = std::env::temp_dir().join("verigrad_tour.safetensors");
//! model.save(&file)?;
//! assert_eq!(Model::load(&file)?.layers(), model.layers());
//! # std::fs::remove_file(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Further on: a layer of one's own is a type with [`nn::LayerDef`], a loss a function ([`train::Loss::custom`]),
//! a data set a type with [`data::Examples`], a metric one with [`model::Metric`], an op with its kernel one
//! with [`graph::OpDef`], which [`verify::diagnose_ops`] then holds to the same contract as those of this
//! crate. What happens between the steps of a training is a [`train::Hook`]. Recipes, the files that the
//! program `verigrad` trains, are [`train::Recipe`]s, and [`train::Trainer`] trains them. A training loop by hand
//! needs no more than [`graph`], [`compile`] and [`exec`]. The folder `examples` has one of each.
//!
//! # Floors
//!
//! The modules are floors: each uses only its own floor and lower ones. ARCHITECTURE.md tells the
//! life of a training step.
//!
//! Two features, both on by default, are what a program that only trains does without: `report`
//! makes pages, pictures and tables ([`report`]), and `cli`, which implies it, is the program
//! `verigrad` ([`cli`]). With `default-features = false`, neither is built.

pub mod analysis;
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compile;
pub mod data;
pub mod error;
pub mod exec;
pub mod graph;
mod input;
pub mod model;
pub mod nn;
pub mod onnx;
pub mod ops;
#[cfg(feature = "report")]
pub mod report;
pub mod tensor;
pub mod train;
pub mod tune;
pub mod verify;

/// The snippets of the page on the library, as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryPage;
