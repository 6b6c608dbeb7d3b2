//! What the environment says of how devices are opened.

use std::env;
use std::sync::OnceLock;
use std::time::Duration;

use crate::cli::failure::{Failure, Unknown};
use crate::cli::output;
use crate::exec::DeviceOptions;

/// Seconds that a device may take without finishing anything.
const TIMEOUT: &str = "VERIGRAD_DEVICE_TIMEOUT";
/// Faults for tests: what CONTRIBUTING.md says of them.
const FAULTS: &str = "VERIGRAD_TEST_FAULTS";

/// Read once: faults are counted over all devices of the process.
static OPTIONS: OnceLock<Result<DeviceOptions, String>> = OnceLock::new();

/// The options that the process opens its devices with.
pub(in crate::cli) fn options() -> Result<DeviceOptions, Failure> {
    let read = || {
        let value = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        parse(value(TIMEOUT).as_deref(), value(FAULTS).as_deref())
    };
    OPTIONS.get_or_init(read).clone().map_err(|message| Unknown(message).into())
}

fn parse(timeout: Option<&str>, faults: Option<&str>) -> Result<DeviceOptions, String> {
    let mut options = DeviceOptions::default();
    if let Some(text) = timeout.filter(|text| !text.is_empty()) {
        let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
        let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        options.wait_limit = limit.ok_or_else(|| {
            let default = options.wait_limit.as_secs();
            format!("{TIMEOUT}={text}: give seconds above 0, such as {default}, the default")
        })?;
    }
    if let Some(text) = faults.filter(|text| !text.is_empty()) {
        options.planted = text.parse().map_err(|error| format!("{FAULTS}: {error}"))?;
    }
    Ok(options)
}

/// Says what became of planted faults, where there are any.
pub(in crate::cli) fn tell_faults() {
    if let Some(Ok(options)) = OPTIONS.get()
        && options.planted.are_planted()
    {
        let (happened, count) = (options.planted.happened(), options.planted.count());
        output::note(format_args!("{FAULTS}: {happened} happened, {count} counted"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_seconds_above_zero() {
        let limit = |text| parse(Some(text), None).map(|options| options.wait_limit);
        assert_eq!(limit("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(limit(""), Ok(Duration::from_secs(600)));
        for text in ["0", "-1", "ten", "nan", "inf", "1e300"] {
            let error = limit(text).expect_err("no limit");
            assert!(error.contains(text) && error.contains("600"), "{error}");
        }
        let error = parse(None, Some("nonsense")).expect_err("no fault");
        assert!(error.contains(FAULTS) && error.contains("nonsense"), "{error}");
    }
}
