//! `verigrad devices`: what kernels can run on.

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::exec::DeviceInfo;
use crate::exec::gpu::{adapter_info, adapter_report, adapters};

/// Arguments of `verigrad devices`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the CPU executor and all adapters with drivers, limits and features.
pub(in crate::cli) fn list(args: &DevicesArgs) -> Result<(), Failure> {
    let adapters = adapters();
    if args.json {
        let devices: Vec<serde_json::Value> = adapters
            .iter()
            .enumerate()
            .map(|(number, adapter)| {
                let report: serde_json::Map<String, serde_json::Value> =
                    adapter_report(adapter).into_iter().map(|(k, v)| (k, v.into())).collect();
                serde_json::json!({
                    "device": number.to_string(),
                    "info": adapter_info(adapter),
                    "limits": report,
                })
            })
            .chain([serde_json::json!({ "device": "cpu", "info": DeviceInfo::cpu() })])
            .collect();
        output::line(format_args!("{}", serde_json::to_string_pretty(&devices)?));
        return Ok(());
    }
    for (number, adapter) in adapters.iter().enumerate() {
        output::line(format_args!("{number}    {}", adapter_info(adapter)));
        for (name, value) in adapter_report(adapter) {
            output::line(format_args!("     {name:<28} {value}"));
        }
    }
    if adapters.is_empty() {
        output::line(format_args!(
            "no GPU adapter was found; install a Vulkan driver, e.g. mesa-vulkan-drivers"
        ));
    }
    output::line(format_args!("cpu  {}", DeviceInfo::cpu()));
    output::line(format_args!("\nChoose one by --device NUMBER, --device NAME or --device cpu."));
    Ok(())
}
