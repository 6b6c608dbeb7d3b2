//! Pipelines, cached by the hash of their WGSL text.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::fault::Faults;
use crate::compile::KernelText;
use crate::exec::ExecError;

/// A pipeline and the layout of its only bind group.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// All pipelines made so far.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    by_hash: HashMap<[u8; 32], Pipeline>,
}

impl PipelineCache {
    /// The pipeline of a kernel, made now if it is new.
    pub fn get(
        &mut self,
        device: &wgpu::Device,
        faults: &Faults,
        kernel: &KernelText,
    ) -> Result<Pipeline, ExecError> {
        let hash: [u8; 32] = Sha256::digest(kernel.source.as_bytes()).into();
        if let Some(pipeline) = self.by_hash.get(&hash) {
            return Ok(pipeline.clone());
        }
        let what = format!("kernel {}", kernel.name);
        let pipeline = faults.scoped(device, &what, 0, || create(device, kernel))?;
        self.by_hash.insert(hash, pipeline.clone());
        Ok(pipeline)
    }
}

fn create(device: &wgpu::Device, kernel: &KernelText) -> Pipeline {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0_u32..)
        .zip(&kernel.writes)
        .map(|(binding, &writes)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !writes },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let label = Some(kernel.name.as_str());
    let layout = device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        ..Default::default()
    });
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label,
        source: wgpu::ShaderSource::Wgsl(kernel.source.as_str().into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // Kernels write workgroup memory before they read it.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
}
