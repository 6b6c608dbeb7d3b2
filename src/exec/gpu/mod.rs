//! The GPU executor: the only place that names wgpu.

mod adapter;
mod audit;
mod executor;
mod fault;
mod in_flight;
mod pipeline;
mod pipeline_cache;
mod readback;
mod texture;
mod timestamps;
mod warm_up;

pub use adapter::{adapter_info, adapter_report, adapters};
pub use executor::GpuExecutor;
pub use fault::panic_is_caught;
