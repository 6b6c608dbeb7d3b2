//! Runs audit forms, all of a program in one submission.

use rayon::prelude::*;

use super::analysis::{Reason, follow};
use super::form::{Form, make};
use super::identity::Shape;
use crate::compile::KernelText;
use crate::exec::gpu::adapter::Opened;
use crate::exec::{Audit, ExecError};

/// Audits kernels, each with its shapes: what became of them, by key.
///
/// # Errors
/// When the device fails.
pub(super) fn audit(
    opened: &Opened,
    kernels: &[(&KernelText, Vec<&Shape>)],
) -> Result<Vec<(String, Audit)>, ExecError> {
    let forms = |(kernel, shapes): &(&KernelText, Vec<&Shape>)| forms_of(kernel, shapes);
    let made: Vec<Result<Vec<Form>, Reason>> = kernels.par_iter().map(forms).collect();
    let mut told = Vec::new();
    let mut runs = Vec::new();
    for ((kernel, shapes), made) in kernels.iter().zip(made) {
        match made {
            Ok(forms) => {
                runs.extend(shapes.iter().zip(forms).map(|(&shape, form)| (*kernel, shape, form)));
            }
            Err(reason) => {
                log::info!("{} keeps its checks: {reason}", kernel.name);
                told.extend(shapes.iter().map(|shape| (shape.key.clone(), Audit::ByData)));
            }
        }
    }
    // Where there is no index to test, there is nothing to run.
    let idle = |run: &Run<'_>| run.2.tests.is_empty();
    told.extend(runs.iter().filter(|&run| idle(run)).map(|run| (run.1.key.clone(), Audit::Proved)));
    runs.retain(|run| !idle(run));
    let verdicts = run(opened, &runs)?;
    for ((kernel, shape, form), verdict) in runs.iter().zip(verdicts) {
        let refused = match verdict {
            Told::Nothing => None,
            Told::Test(code) => {
                let test = form.tests.get((code as usize).wrapping_sub(1));
                Some(format!("it reaches {}", test.map_or("what it must not", String::as_str)))
            }
            Told::Failure(error) => Some(format!("its audit failed: {error}")),
        };
        let audit = match refused {
            None => Audit::Proved,
            Some(why) => {
                log::warn!("{} keeps its checks: {why}", kernel.name);
                Audit::Refused
            }
        };
        told.push((shape.key.clone(), audit));
    }
    Ok(told)
}

/// An audit form of a kernel, and of which shape.
type Run<'a> = (&'a KernelText, &'a Shape, Form);

/// The audit forms of a kernel, by shape.
fn forms_of(kernel: &KernelText, shapes: &[&Shape]) -> Result<Vec<Form>, Reason> {
    let unknown = |_| Reason::Unknown("its text");
    let module =
        naga::front::wgsl::parse_str(&kernel.source).map_err(|_| Reason::Unknown("its text"))?;
    let info = validator().validate(&module).map_err(unknown)?;
    let data = follow(&module, &info)?;
    shapes.iter().map(|shape| make(&module, &info, &data, &shape.bound, &kernel.source)).collect()
}

/// Knows what a device may offer: whether it does, wgpu has tested.
pub(super) fn validator() -> naga::valid::Validator {
    use naga::valid::{
        Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator,
    };
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    validator
}

/// What an audit form told.
enum Told {
    Nothing,
    /// The number of a test.
    Test(u32),
    /// The driver rejects it.
    Failure(ExecError),
}

/// Bytes from one verdict to the next: WebGPU's alignment of bindings, which every device can do.
const VERDICT_BYTES: usize = 256;

fn run(opened: &Opened, runs: &[Run<'_>]) -> Result<Vec<Told>, ExecError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let layouts = Layouts::new(opened)?;
    let make = |(kernel, _, form): &Run<'_>| layouts.pipeline(opened, &kernel.name, form);
    let pipelines: Vec<Result<wgpu::ComputePipeline, ExecError>> =
        runs.par_iter().map(make).collect();
    // What the device lacks today says nothing of a kernel.
    let is_of_device =
        |error: &&ExecError| error.ends_device() || matches!(error, ExecError::OutOfMemory { .. });
    let mut failures = pipelines.iter().filter_map(|pipeline| pipeline.as_ref().err());
    if let Some(error) = failures.find(is_of_device) {
        return Err(error.clone());
    }
    let verdicts = submit(opened, &layouts, runs, &pipelines)?;
    let told = pipelines.into_iter().zip(verdicts).map(|(pipeline, verdict)| match pipeline {
        Err(error) => Told::Failure(error),
        Ok(_) if verdict == 0 => Told::Nothing,
        Ok(_) => Told::Test(verdict),
    });
    Ok(told.collect())
}

struct Layouts {
    bindings: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

impl Layouts {
    fn new(opened: &Opened) -> Result<Self, ExecError> {
        let Opened { device, faults, .. } = opened;
        faults.scoped(device, "layout of audits", 0, || {
            let label = Some("audit");
            let entries = [wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: false },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }];
            let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label,
                entries: &entries,
            });
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&bindings)],
                ..Default::default()
            });
            Self { bindings, pipeline }
        })
    }

    fn pipeline(
        &self,
        opened: &Opened,
        name: &str,
        form: &Form,
    ) -> Result<wgpu::ComputePipeline, ExecError> {
        let Opened { device, faults, .. } = opened;
        faults.scoped(device, &format!("audit of {name}"), 0, || {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(form.module.clone())),
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&self.pipeline),
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        })
    }
}

/// Runs the pipelines there are; the verdict of each.
fn submit(
    opened: &Opened,
    layouts: &Layouts,
    runs: &[Run<'_>],
    pipelines: &[Result<wgpu::ComputePipeline, ExecError>],
) -> Result<Vec<u32>, ExecError> {
    let Opened { device, queue, faults, .. } = opened;
    let bytes = (runs.len() * VERDICT_BYTES) as u64;
    let buffer = |usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("audits"),
            size: bytes,
            usage,
            mapped_at_creation: false,
        })
    };
    let (staging, submission) =
        faults.scoped(device, "audits", VERDICT_BYTES * runs.len(), || {
            let verdicts = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
            let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for (i, ((_, shape, _), pipeline)) in runs.iter().zip(pipelines).enumerate() {
                let Ok(pipeline) = pipeline else { continue };
                let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("audit"),
                    layout: &layouts.bindings,
                    entries: &[wgpu::BindGroupEntry {
                        binding: 0,
                        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                            buffer: &verdicts,
                            offset: (i * VERDICT_BYTES) as u64,
                            size: wgpu::BufferSize::new(4),
                        }),
                    }],
                });
                let [x, y, z] = shape.workgroups;
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &bind_group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
            drop(pass);
            encoder.copy_buffer_to_buffer(&verdicts, 0, &staging, 0, bytes);
            let submission = queue.submit([encoder.finish()]);
            (staging, submission)
        })?;
    staging.map_async(wgpu::MapMode::Read, .., |_| {});
    faults.wait(device, Some(submission), "audits of kernels")?;
    let range = staging.get_mapped_range(..).map_err(|error| faults.lost(error.to_string()))?;
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&range);
    Ok(words.into_iter().step_by(VERDICT_BYTES / 4).collect())
}
