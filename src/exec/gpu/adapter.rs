//! Adapters: listing, describing and opening them.

use super::fault::Faults;
use crate::exec::info::SOFTWARE_GPU;
use crate::exec::{DeviceInfo, DeviceOptions, ExecError, PlantedFaults};
use crate::graph::{Caps, DeviceModel};

/// All adapters on which kernels can run, real GPUs first. Numbers in `--device N` count them.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters.retain(|adapter| {
        let flags = adapter.get_downlevel_capabilities().flags;
        flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

/// Name, kind and driver of an adapter.
pub fn adapter_info(adapter: &wgpu::Adapter) -> DeviceInfo {
    let info = adapter.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => SOFTWARE_GPU,
        wgpu::DeviceType::Other => "GPU of unknown kind",
    };
    let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
    DeviceInfo {
        name: info.name,
        kind: kind.to_owned(),
        backend: info.backend.to_string(),
        driver: if driver.is_empty() { "unknown driver".to_owned() } else { driver },
    }
}

/// Limits and features of an adapter that matter to kernels, as lines of `name: value`.
pub fn adapter_report(adapter: &wgpu::Adapter) -> Vec<(String, String)> {
    let caps = caps_of(adapter, adapter.features());
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let has = |feature| if adapter.features().contains(feature) { "yes" } else { "no" };
    let info = adapter.get_info();
    vec![
        ("storage buffers per kernel".to_owned(), caps.max_storage_buffers.to_string()),
        ("largest binding".to_owned(), mebibytes(caps.max_binding_bytes)),
        ("largest buffer".to_owned(), mebibytes(caps.max_buffer_bytes)),
        ("invocations per workgroup".to_owned(), caps.max_invocations.to_string()),
        ("workgroup memory".to_owned(), format!("{} KiB", caps.max_workgroup_storage >> 10)),
        ("workgroups per dimension".to_owned(), caps.max_workgroups.to_string()),
        (
            "subgroup size".to_owned(),
            format!("{} to {}", info.subgroup_min_size, info.subgroup_max_size),
        ),
        ("subgroup operations".to_owned(), has(wgpu::Features::SUBGROUP).to_owned()),
        ("f16".to_owned(), has(wgpu::Features::SHADER_F16).to_owned()),
        (
            "cooperative matrices".to_owned(),
            caps.cooperative_size.map_or("no".to_owned(), |size| format!("{size}x{size} f16")),
        ),
        ("timestamps".to_owned(), has(wgpu::Features::TIMESTAMP_QUERY).to_owned()),
    ]
}

/// An opened device.
#[derive(Debug)]
pub(super) struct Opened {
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: DeviceInfo,
    pub caps: Caps,
    pub faults: Faults,
    options: DeviceOptions,
}

impl Opened {
    /// Opens the adapter once more, beside this device.
    pub fn open_second(&self) -> Result<Self, ExecError> {
        let options = DeviceOptions { planted: PlantedFaults::default(), ..self.options.clone() };
        open(&self.adapter, &options)
    }
}

impl Drop for Opened {
    /// Whoever gives back a queue that is stuck waits for ever: it stays until the process ends.
    fn drop(&mut self) {
        if self.faults.is_stuck() {
            std::mem::forget((self.device.clone(), self.queue.clone()));
        }
    }
}

/// Opens an adapter with the features that kernels use and all the limits it has.
pub(super) fn open(adapter: &wgpu::Adapter, options: &DeviceOptions) -> Result<Opened, ExecError> {
    let info = adapter_info(adapter);
    if options.planted.is_removed() {
        let message = "it is not there any more".to_owned();
        return Err(ExecError::Open { device: info.name, message });
    }
    let useful =
        wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16;
    let features = adapter.features() & useful;
    let with_matrices = features | COOPERATIVE_MATRICES;
    let has_matrices = caps_of(adapter, adapter.features()).cooperative_size.is_some();
    let log = |error: &ExecError| log::info!("without cooperative matrices: {error}");
    let opened = has_matrices.then(|| request(adapter, with_matrices).inspect_err(log));
    let opened = opened.and_then(Result::ok);
    let ((device, queue), features) = match opened {
        Some(opened) => (opened, with_matrices),
        None => (request(adapter, features)?, features),
    };
    let faults = Faults::watch(&device, &info.name, options);
    let caps = caps_of(adapter, features);
    let (adapter, options) = (adapter.clone(), options.clone());
    Ok(Opened { adapter, device, queue, info, caps, faults, options })
}

/// An experimental feature of wgpu.
const COOPERATIVE_MATRICES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;

/// Opens an adapter with given features.
fn request(
    adapter: &wgpu::Adapter,
    features: wgpu::Features,
) -> Result<(wgpu::Device, wgpu::Queue), ExecError> {
    let experimental_features = if features.contains(COOPERATIVE_MATRICES) {
        experimental_features()
    } else {
        wgpu::ExperimentalFeatures::disabled()
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("verigrad"),
        required_features: features,
        required_limits: adapter.limits(),
        experimental_features,
        // Buffers are few, large and live as long as the run.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
        let device = adapter_info(adapter).name;
        ExecError::Open { device, message: error.to_string() }
    })
}

/// wgpu's token for experimental features.
#[expect(unsafe_code, reason = "wgpu asks for it, and touches no memory")]
fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: by this, the caller acknowledges that wgpu's code for these features may have bugs. Of
    // what they offer, kernels only load, multiply and store matrices that lie wholly in workgroup
    // memory: their places follow from constants, and `check_kernel` validates the texts in tests.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Rows and columns of the largest square matrices of f16 that subgroups multiply into sums of f32.
fn cooperative_size(adapter: &wgpu::Adapter) -> Option<u32> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let fits = |p: &wgpu::CooperativeMatrixProperties| {
        [p.n_size, p.k_size] == [p.m_size; 2]
            && (p.ab_type, p.cr_type, p.saturating_accumulation) == (F16, F32, false)
    };
    let properties = adapter.cooperative_matrix_properties();
    properties.iter().filter(|p| fits(p)).map(|p| p.m_size).max()
}

/// What an adapter that is opened with given features offers to kernels.
fn caps_of(adapter: &wgpu::Adapter, features: wgpu::Features) -> Caps {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let one_size = info.subgroup_min_size == info.subgroup_max_size;
    let subgroups = features.contains(wgpu::Features::SUBGROUP) && one_size;
    let f16 = features.contains(wgpu::Features::SHADER_F16);
    let matrices = features.contains(COOPERATIVE_MATRICES) && subgroups && f16;
    Caps {
        max_invocations: limits.max_compute_invocations_per_workgroup,
        max_workgroup_storage: limits.max_compute_workgroup_storage_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        max_workgroups: limits.max_compute_workgroups_per_dimension,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        // WebGPU's default, whatever the device would allow: programs stay portable.
        offset_alignment: 256,
        subgroup_size: subgroups.then_some(info.subgroup_max_size),
        f16,
        cooperative_size: matrices.then(|| cooperative_size(adapter)).flatten(),
        texel_intensity: texel_intensity(&info),
        long_kernels: !is_swiftshader(&info),
        model: DeviceModel::MEDIUM,
        kernels: true,
    }
}

/// Whether this is SwiftShader, the software device of browsers. From some length of a kernel on, its
/// compiler comes to no end: 24 GiB did not do for a convolution in tiles of 32 x 32 that loads one channel
/// at a time (that of Chromium 156).
fn is_swiftshader(info: &wgpu::AdapterInfo) -> bool {
    info.driver.starts_with("SwiftShader")
}

/// See [`Caps::texel_intensity`]. llvmpipe reads a vector of four for all lanes at once from a texture.
/// Old versions load from storage buffers lane by lane, for which even an op that reads each number
/// once is worth a copy (measured on 22.3.6); others in fewer instructions, so that only products are
/// (measured on 25.0.7 and 26.2.6).
fn texel_intensity(info: &wgpu::AdapterInfo) -> Option<u32> {
    const FIRST_WITH_FAST_BUFFERS: u32 = 25;
    const PRODUCTS: u32 = 8;
    if info.driver != "llvmpipe" {
        return None;
    }
    let version = info.driver_info.strip_prefix("Mesa ")?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    Some(if major < FIRST_WITH_FAST_BUFFERS { 0 } else { PRODUCTS })
}
