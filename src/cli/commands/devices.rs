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

/// A value as JSON has it: numbers as numbers, sizes in bytes, yes and no as such.
fn plain(value: &str) -> serde_json::Value {
    let size = |unit: &str, shift: u32| {
        let number = value.strip_suffix(unit)?.trim().parse::<u64>().ok()?;
        number.checked_mul(1 << shift)
    };
    let number = value.parse().ok().or(size("KiB", 10)).or(size("MiB", 20));
    match (number, value) {
        (Some(number), _) => number.into(),
        (None, "yes") => true.into(),
        (None, "no") => false.into(),
        (None, text) => text.into(),
    }
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
                    adapter_report(adapter).into_iter().map(|(k, v)| (k, plain(&v))).collect();
                serde_json::json!({
                    "device": number.to_string(),
                    "info": adapter_info(adapter),
                    "limits": report,
                })
            })
            .chain([serde_json::json!({ "device": "cpu", "info": DeviceInfo::cpu() })])
            .collect();
        return Ok(output::json(&devices)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_where_they_can_be() {
        for (text, value) in [
            ("10", serde_json::json!(10)),
            ("128 MiB", serde_json::json!(134_217_728)),
            ("32 KiB", serde_json::json!(32_768)),
            ("yes", serde_json::json!(true)),
            ("no", serde_json::json!(false)),
            ("4 to 32", serde_json::json!("4 to 32")),
        ] {
            assert_eq!(plain(text), value);
        }
    }
}
