//! `verigrad man`: manual pages, one for each command.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::train::write_atomically;

/// Arguments of `verigrad man`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// Folder for the pages, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages of `command`, the whole command line.
pub(in crate::cli) fn run(args: &ManArgs, command: Command) -> Result<(), Failure> {
    let folder = &args.folder;
    fs::create_dir_all(folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let pages = write(&command, folder)?;
    output::line(format_args!("{pages} pages in {}", folder.display()));
    Ok(())
}

/// Writes the page of a command and those of the commands below it; tells how many.
fn write(command: &Command, folder: &Path) -> Result<usize, Failure> {
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages += write(below, folder)?;
    }
    let man = Man::new(command.clone())
        .manual("verigrad")
        .source(concat!("verigrad ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    write_atomically(&folder.join(man.get_filename()), &page)?;
    Ok(pages)
}
