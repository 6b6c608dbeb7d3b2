//! A GPU training engine on wgpu compute shaders.

pub mod data;
