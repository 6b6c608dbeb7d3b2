//! The `verigrad` binary.

fn main() -> std::process::ExitCode {
    verigrad::cli::main()
}
