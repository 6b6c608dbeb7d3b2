//! `verigrad data get`: gets a published data set.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::failure::{Failure, Unknown};
use crate::cli::fetch::{self, Published};
use crate::cli::interrupt;
use crate::cli::output;
use crate::data::{self, DataConfig, DataError, DatasetKind, data_dir};
use crate::report::format::grouped;

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// Which set
    #[arg(value_enum)]
    set: Set,
    /// Folder of the data sets, which it is put into [default: $VERIGRAD_DATA, else ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of a folder that holds the files, by their names; asked before those that are known, and
    /// may be given repeatedly
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
}

/// A published data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Set {
    /// 60,000 + 10,000 digits of 28 x 28, 12 MB
    Mnist,
    /// 60,000 + 10,000 clothes of 28 x 28, 31 MB
    FashionMnist,
    /// 50,000 + 10,000 pictures of 32 x 32 in 10 classes, 170 MB
    Cifar10,
    /// 50,000 + 10,000 pictures of 32 x 32 in 100 classes, 169 MB
    Cifar100,
}

/// Gets what is missing, and reads it.
pub(super) fn get(args: &GetArgs) -> Result<(), Failure> {
    let dataset = match args.set {
        Set::Mnist => DatasetKind::Mnist,
        Set::FashionMnist => DatasetKind::FashionMnist,
        Set::Cifar10 => DatasetKind::Cifar10,
        Set::Cifar100 => DatasetKind::Cifar100,
    };
    let is_address = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
    if let Some(other) = args.mirror.iter().find(|url| !is_address(url)) {
        let problem = format!(
            "--mirror {other}: expected an address that begins with https:// or http://; a set in a \
             folder of this machine needs --data-dir alone"
        );
        return Err(Unknown(problem).into());
    }
    let unpublished = || Unknown(format!("{} is not published", dataset.name()));
    let set = Published::of(dataset).ok_or_else(unpublished)?;
    let folder = data_dir(args.data_dir.as_deref());
    let interrupted = interrupt::flag()?;
    match read(dataset, &folder) {
        Ok(told) => {
            output::line(format_args!("there    {told}"));
            return Ok(());
        }
        Err(DataError::Missing { .. }) => {}
        Err(error) => output::note(format_args!("{error}; it is got again")),
    }
    fetch::get(&set, &folder, &args.mirror, &interrupted)?;
    let told = read(dataset, &folder)?;
    output::line(format_args!("in       {}", fetch::place(&set, &folder).display()));
    output::line(format_args!("read     {told}"));
    Ok(())
}

/// Reads a set; tells what is in it.
fn read(dataset: DatasetKind, folder: &Path) -> Result<String, DataError> {
    let config = DataConfig { dataset, ..DataConfig::default() };
    let splits = data::load(&config, Some(folder))?;
    let (train, test) = (grouped(splits.train.len()), grouped(splits.test.len()));
    Ok(format!("{}: {train} training and {test} test images", dataset.name()))
}
