//! Software devices compile a kernel when it is first dispatched: here that happens while a program
//! is loaded, on two cores.
//!
//! Such a driver compiles in the thread of a queue, one kernel after another. A second device has a
//! queue of its own; what it compiles reaches the first one through the cache that the driver keeps
//! on disk. A dispatch of no workgroups is enough, and it touches no memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::adapter::Opened;
use super::pipeline::{self, Pipeline, Planned};
use super::texture::Texture;
use crate::exec::ExecError;
use crate::graph::{Access, texels};

/// Fewest kernels that are worth a second device.
const WORTHWHILE: usize = 8;
/// A kernel that compiles in less was found in the driver's cache: nothing is left to share.
const COMPILED: Duration = Duration::from_millis(50);
/// Bytes of a buffer that kernels are bound to without running: as many as any kernel declares.
const BYTES: u64 = 256;

/// Makes the pipelines of kernels, in their order, and has the driver compile each.
///
/// # Errors
/// When the driver rejects a kernel.
pub(super) fn compile(
    opened: &Opened,
    kernels: &[Planned<'_>],
) -> Result<Vec<Pipeline>, ExecError> {
    // Long texts take longest: last, one could keep a core waiting.
    let mut order: Vec<usize> = (0..kernels.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(kernels[i].0.source.len()));
    let next = AtomicUsize::new(0);
    let take = || order.get(next.fetch_add(1, Ordering::Relaxed)).map(|&i| (i, kernels[i]));
    let site = Site::new(opened)?;
    let mut made: Vec<Option<Pipeline>> = vec![None; kernels.len()];
    let alone = kernels.len() < WORTHWHILE || rayon::current_num_threads() < 2;
    thread::scope(|scope| {
        let helper = (!alone).then(|| scope.spawn(|| help(opened, &take)));
        while let Some((i, kernel)) = take() {
            let pipeline = site.compile(kernel);
            // An error leaves nothing to do for the helper either.
            made[i] = Some(pipeline.inspect_err(|_| next.store(order.len(), Ordering::Relaxed))?);
        }
        if let Some(Err(error)) = helper.and_then(|helper| helper.join().ok()) {
            // The kernel in question is made again below, where its error counts.
            log::info!("no second device compiles kernels: {error}");
        }
        Ok::<(), ExecError>(())
    })?;
    let finish = |(made, kernel): (Option<Pipeline>, &Planned<'_>)| match made {
        Some(pipeline) => Ok(pipeline),
        None => site.compile(*kernel),
    };
    made.into_par_iter().zip(kernels).map(finish).collect()
}

/// Compiles kernels on a second device, for the driver's cache, as long as the driver keeps one.
fn help<'k>(
    opened: &Opened,
    take: &dyn Fn() -> Option<(usize, Planned<'k>)>,
) -> Result<(), ExecError> {
    let second = opened.open_second()?;
    let site = Site::new(&second)?;
    let mut unproven = true;
    let mut first: Option<(Planned<'_>, Duration)> = None;
    while let Some((_, kernel)) = take() {
        let time = site.time(kernel)?;
        match first {
            None => first = Some((kernel, time)),
            // By now the driver has had time to write the first one down.
            Some((kernel, time)) if unproven => {
                unproven = false;
                if time < COMPILED || site.time(kernel)? > time / 2 {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A device, and what kernels are bound to without running.
struct Site<'a> {
    opened: &'a Opened,
    read: wgpu::Buffer,
    written: wgpu::Buffer,
    texture: Texture,
}

impl<'a> Site<'a> {
    fn new(opened: &'a Opened) -> Result<Self, ExecError> {
        let buffer = || {
            opened.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("warm-up"),
                size: BYTES,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        opened.faults.scoped(&opened.device, "warm-up", 0, || Self {
            opened,
            read: buffer(),
            written: buffer(),
            texture: Texture::new(&opened.device, texels::rows_of(0)),
        })
    }

    fn time(&self, kernel: Planned<'_>) -> Result<Duration, ExecError> {
        let start = Instant::now();
        self.compile(kernel)?;
        Ok(start.elapsed())
    }

    /// Makes a pipeline, and waits until the driver has compiled it.
    fn compile(&self, kernel: Planned<'_>) -> Result<Pipeline, ExecError> {
        let Opened { device, queue, faults, .. } = self.opened;
        let pipeline = pipeline::create(device, faults, kernel)?;
        let (kernel, _) = kernel;
        let what = format!("kernel {}", kernel.name);
        let submission = faults.scoped(device, &what, 0, || {
            let entries: Vec<wgpu::BindGroupEntry<'_>> = (0_u32..)
                .zip(&kernel.accesses)
                .map(|(binding, access)| wgpu::BindGroupEntry {
                    binding,
                    resource: match access {
                        Access::Read => self.read.as_entire_binding(),
                        Access::Write | Access::Update => self.written.as_entire_binding(),
                        Access::Texels => wgpu::BindingResource::TextureView(&self.texture.view),
                    },
                })
                .collect();
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("warm-up"),
                layout: &pipeline.layout,
                entries: &entries,
            });
            let mut encoder = device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(0, 0, 0);
            drop(pass);
            queue.submit([encoder.finish()])
        })?;
        faults.wait(device, Some(submission), &format!("the compilation of {}", kernel.name))?;
        Ok(pipeline)
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapter;
    use super::*;
    use crate::compile::KernelText;
    use crate::exec::DeviceOptions;

    fn kernel(name: &str, body: &str) -> KernelText {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> x: array<f32>;\n\
             @group(0) @binding(1) var<storage, read_write> y: array<f32>;\n\
             @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) \
             {{ {body} }}"
        );
        KernelText { name: name.to_owned(), source, accesses: vec![Access::Read, Access::Write] }
    }

    /// On every adapter, with and without a second device: whoever compiles a kernel, it is made,
    /// and a wrong one is an error that names it.
    #[test]
    fn all_kernels_are_made_and_a_wrong_one_is_named() {
        for adapter in adapter::adapters() {
            let opened = adapter::open(&adapter, &DeviceOptions::default())
                .expect("the adapter can be opened");
            for count in [0, 1, 2 * WORTHWHILE] {
                let mut kernels: Vec<KernelText> = (0..count)
                    .map(|i| kernel(&format!("times{i}"), &format!("y[id.x] = {i}f * x[id.x];")))
                    .collect();
                let all: Vec<Planned<'_>> = kernels.iter().map(|kernel| (kernel, None)).collect();
                assert_eq!(compile(&opened, &all).expect("they are right").len(), count);
                kernels.insert(count / 2, kernel("wrong", "y[id.x] = nonsense;"));
                let all: Vec<Planned<'_>> = kernels.iter().map(|kernel| (kernel, None)).collect();
                let error = compile(&opened, &all).expect_err("one is wrong").to_string();
                assert!(error.contains("kernel wrong") && error.contains("nonsense"), "{error}");
            }
        }
    }
}
