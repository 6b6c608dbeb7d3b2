//! Pipelines: a kernel's WGSL text as a device runs it.

use super::fault::Faults;
use super::texture;
use crate::compile::KernelText;
use crate::exec::ExecError;
use crate::graph::Access;

/// A pipeline and the layout of its only bind group.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Makes the pipeline of a kernel.
///
/// # Errors
/// When the driver rejects it.
pub(super) fn create(
    device: &wgpu::Device,
    faults: &Faults,
    kernel: &KernelText,
) -> Result<Pipeline, ExecError> {
    faults.scoped(device, &format!("kernel {}", kernel.name), 0, || build(device, kernel))
}

fn binding_type(access: Access) -> wgpu::BindingType {
    match access {
        Access::Read | Access::Write | Access::Update => wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: !access.writes() },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        Access::Texels => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::ReadOnly,
            format: texture::FORMAT,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    }
}

fn build(device: &wgpu::Device, kernel: &KernelText) -> Pipeline {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0_u32..)
        .zip(&kernel.accesses)
        .map(|(binding, &access)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: binding_type(access),
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
