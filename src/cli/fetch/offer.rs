//! What is said, and asked, where a published data set is missing.

use std::io::{self, BufRead, IsTerminal, Write};

use super::Published;
use crate::cli::args::DataArgs;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::read_data;
use crate::cli::interrupt;
use crate::cli::output;
use crate::data::{DataError, Splits, data_dir};
use crate::train::{Recipe, TrainError};

/// The data set of a recipe. Where it is missing, can be had, and somebody sits at a terminal who can say
/// so, it is got first.
pub(in crate::cli) fn read_or_get(recipe: &Recipe, args: &DataArgs) -> Result<Splits, Failure> {
    let error = match read_data(recipe, args) {
        Err(error) => error,
        Ok(splits) => return Ok(splits),
    };
    let is_missing = matches!(error, TrainError::Data(DataError::Missing { .. }));
    let set = Published::of(recipe.data.dataset).filter(|_| is_missing && can_ask());
    let Some(set) = set else { return Err(error.into()) };
    let folder = data_dir(args.data_dir.as_deref());
    let question = format!(
        "{} is not in {}. Get it now, {:.0} MB? [y/N] ",
        set.name,
        folder.display(),
        megabytes(set.bytes())
    );
    if !agrees(&question, &mut io::stdin().lock(), &mut io::stderr().lock())? {
        return Err(error.into());
    }
    super::get(&set, &folder, &[], interrupt::flag()?.as_ref())?;
    Ok(read_data(recipe, args)?)
}

/// Whether there is somebody to ask, who has not asked for silence.
fn can_ask() -> bool {
    !output::is_silent() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; whatever is not yes is no.
fn agrees(question: &str, answers: &mut impl BufRead, screen: &mut impl Write) -> io::Result<bool> {
    write!(screen, "{question}")?;
    screen.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[expect(clippy::cast_precision_loss, reason = "shown in whole megabytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, expected) in [
            ("y\n", true),
            ("Yes\n", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yo\n", false),
        ] {
            let mut screen = Vec::new();
            let agreed =
                agrees("Get it? ", &mut answer.as_bytes(), &mut screen).expect("in memory");
            assert_eq!((agreed, screen.as_slice()), (expected, &b"Get it? "[..]), "{answer:?}");
        }
    }
}
