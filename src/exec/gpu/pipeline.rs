//! Pipelines: a kernel's WGSL text as a device runs it.

use super::audit::Proof;
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

/// A kernel, and what shows that it needs no checks.
pub(super) type Planned<'k> = (&'k KernelText, Option<Proof>);

/// Makes the pipeline of a kernel; without checks of its indices, loops and divisors where these are
/// proved.
///
/// # Errors
/// When the driver rejects it.
pub(super) fn create(
    device: &wgpu::Device,
    faults: &Faults,
    (kernel, proof): Planned<'_>,
) -> Result<Pipeline, ExecError> {
    faults.scoped(device, &format!("kernel {}", kernel.name), 0, || build(device, kernel, proof))
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

fn build(device: &wgpu::Device, kernel: &KernelText, proof: Option<Proof>) -> Pipeline {
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
    let text = wgpu::ShaderModuleDescriptor {
        label,
        source: wgpu::ShaderSource::Wgsl(kernel.source.as_str().into()),
    };
    let module = match proof {
        Some(proof) => unchecked(device, text, proof),
        None => device.create_shader_module(text),
    };
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

/// Compiles a text without checks.
#[expect(unsafe_code, reason = "wgpu's checks cost a tenth to a quarter of a step")]
fn unchecked(
    device: &wgpu::Device,
    text: wgpu::ShaderModuleDescriptor<'_>,
    _proof: Proof,
) -> wgpu::ShaderModule {
    // SAFETY: wgpu asks that the kernel reaches no element outside of its arrays and bindings, that its
    // loops end, and that it divides no integer by zero and none by -1 that this would overflow. Only
    // `Auditor::prove` makes a proof, for kernels in which nothing but shapes and the invocation's place
    // decides these (`audit/analysis.rs`), and for which this device has evaluated each of them, for
    // every invocation of every dispatch with these very sizes, and found it inside (`audit/form.rs`).
    // A pipeline is bound by the program it was proved for, whose sizes never change.
    unsafe { device.create_shader_module_trusted(text, wgpu::ShaderRuntimeChecks::unchecked()) }
}
