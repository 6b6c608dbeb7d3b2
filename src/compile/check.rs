//! Checks a kernel without a device: valid WGSL, within the limits.

use thiserror::Error;

use crate::graph::{Access, Caps, Kernel, texels};

/// Why a kernel cannot run on a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KernelError {
    /// The text is no valid WGSL.
    #[error("{kernel}: {message}")]
    Invalid {
        /// Stem of the WGSL file.
        kernel: String,
        /// naga's report, with the line.
        message: String,
    },
    /// A limit is exceeded.
    #[error("{kernel}: needs {needed} {what}, the device has {available}")]
    Limit {
        /// Stem of the WGSL file.
        kernel: String,
        /// What is limited.
        what: &'static str,
        /// What the kernel needs.
        needed: u64,
        /// What the device has.
        available: u64,
    },
}

/// Parses and validates a kernel and compares it with the limits of a device.
///
/// # Errors
/// The first violation.
pub fn check_kernel(kernel: &Kernel, caps: &Caps) -> Result<(), KernelError> {
    let invalid = |message: String| KernelError::Invalid { kernel: kernel.name.clone(), message };
    let module = naga::front::wgsl::parse_str(&kernel.source)
        .map_err(|error| invalid(error.emit_to_string(&kernel.source)))?;
    let mut capabilities = naga::valid::Capabilities::empty();
    capabilities.set(naga::valid::Capabilities::SUBGROUP, caps.subgroup_size.is_some());
    capabilities.set(naga::valid::Capabilities::SHADER_FLOAT16, caps.f16);
    let cooperative = caps.cooperative_size.is_some();
    capabilities.set(naga::valid::Capabilities::COOPERATIVE_MATRIX, cooperative);
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
    validator
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all());
    let info = validator
        .validate(&module)
        .map_err(|error| invalid(error.emit_to_string(&kernel.source)))?;
    let entry = module
        .entry_points
        .iter()
        .find(|entry| entry.name == "main")
        .ok_or_else(|| invalid("has no entry point called main".to_owned()))?;
    let entry_index = module.entry_points.iter().position(|e| e.name == "main").unwrap_or(0);

    let limit = |what, needed: u64, available: u64| {
        if needed <= available {
            Ok(())
        } else {
            Err(KernelError::Limit { kernel: kernel.name.clone(), what, needed, available })
        }
    };
    let invocations: u32 = entry.workgroup_size.iter().product();
    limit("invocations per workgroup", invocations.into(), caps.max_invocations.into())?;
    let textures = kernel.bindings.iter().filter(|b| b.access == Access::Texels).count();
    let buffers = kernel.bindings.len() - textures;
    limit("storage buffers", buffers as u64, caps.max_storage_buffers.into())?;
    limit("storage textures", textures as u64, texels::MOST as u64)?;
    for count in kernel.workgroups {
        limit("workgroups in a dimension", count.into(), caps.max_workgroups.into())?;
    }
    let entry_info = info.get_entry_point(entry_index);
    let workgroup_bytes: u64 = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| {
            variable.space == naga::AddressSpace::WorkGroup && !entry_info[*handle].is_empty()
        })
        .map(|(_, variable)| u64::from(module.types[variable.ty].inner.size(module.to_ctx())))
        .sum();
    limit("bytes of workgroup memory", workgroup_bytes, caps.max_workgroup_storage.into())?;
    check_bindings(&module, kernel).map_err(invalid)
}

/// Bindings must be numbered as the kernel lists them, with the access it states.
fn check_bindings(module: &naga::Module, kernel: &Kernel) -> Result<(), String> {
    let mut seen = vec![false; kernel.bindings.len()];
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        let (writes, texels) = match (variable.space, &module.types[variable.ty].inner) {
            (naga::AddressSpace::Storage { access }, _) => {
                (access.contains(naga::StorageAccess::STORE), false)
            }
            (_, naga::TypeInner::Image { .. }) => (false, true),
            _ => continue,
        };
        let name = variable.name.as_deref().unwrap_or("?");
        let slot = binding.binding as usize;
        let Some(listed) = kernel.bindings.get(slot) else {
            return Err(format!("binding {slot} ({name}) is not listed"));
        };
        let is_texels = listed.access == Access::Texels;
        if (listed.access.writes(), is_texels) != (writes, texels) {
            return Err(format!("binding {slot} ({name}) is listed with another access"));
        }
        seen[slot] = true;
    }
    match seen.iter().position(|seen| !seen) {
        Some(slot) => Err(format!("listed binding {slot} does not exist in the text")),
        None => Ok(()),
    }
}
