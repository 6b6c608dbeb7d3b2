//! The log: errors always, more by `-v` and `-vv`; where `RUST_LOG` is set, it decides.

use clap::{ArgAction, Args};

/// How much the log tells.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LogArgs {
    /// Tell what happens and how long it takes; -vv tells more, and RUST_LOG decides where it is set
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
}

impl LogArgs {
    /// Starts the log of this process, on standard error.
    pub fn start(self) {
        let default = match self.verbose {
            0 => "error",
            1 => "error,verigrad=info",
            _ => "error,verigrad=debug",
        };
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(default))
            .filter_module("wgpu_hal", log::LevelFilter::Off)
            .parse_default_env()
            .init();
    }
}
