//! Records that are lines of CSV files.
//!
//! Written without a CSV library: every field is a number, so nothing needs quoting.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A record that is one line of a CSV file.
pub(in crate::train) trait CsvRow: Sized {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The fields, in the order of the columns.
    fn fields(&self) -> Vec<String>;

    /// Reads the fields back; `None` when their number or one of them is wrong.
    fn from_fields(fields: &[&str]) -> Option<Self>;
}

/// The first line of a CSV file of `R`, with its newline.
pub(in crate::train) fn header<R: CsvRow>() -> String {
    R::COLUMNS.join(",") + "\n"
}

/// The lines of `rows`, each with its newline.
pub(in crate::train) fn lines<R: CsvRow>(rows: &[R]) -> String {
    rows.iter().map(|row| row.fields().join(",") + "\n").collect()
}

/// Reads the rows of a CSV file. A last line without a newline was cut off when a run was killed,
/// and is left out.
///
/// # Errors
/// The number of the first line, from 1, that is not what [`lines`] writes.
pub(in crate::train) fn parse<R: CsvRow>(text: &str) -> Result<Vec<R>, usize> {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut rows = Vec::new();
    for (index, line) in whole.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        if index > 0 {
            rows.push(R::from_fields(&fields).ok_or(index + 1)?);
        } else if fields != R::COLUMNS {
            return Err(1);
        }
    }
    Ok(rows)
}

/// Reads as [`parse`], and passes over lines that are no rows. Tells the number of the first such
/// line, from 1, too.
pub(in crate::train) fn readable<R: CsvRow>(text: &str) -> (Vec<R>, Option<usize>) {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let (mut rows, mut bad) = (Vec::new(), None);
    for (index, line) in whole.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let row = if index > 0 { R::from_fields(&fields) } else { None };
        let is_header = index == 0 && fields == R::COLUMNS;
        if row.is_none() && !is_header {
            bad.get_or_insert(index + 1);
        }
        rows.extend(row);
    }
    (rows, bad)
}

/// The shortest text that reads back as the same number; NaN and infinities as `NaN` and `inf`.
pub(super) fn number(value: f64) -> String {
    // Unlike `{}`, this switches to an exponent rather than write out hundreds of digits.
    format!("{value:?}")
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// An empty field is `Some(None)`.
pub(super) fn parse_optional<T: FromStr>(field: &str) -> Option<Option<T>> {
    if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) }
}

pub(in crate::train) fn null_is_nan<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{EpochRecord, StepRecord};
    use super::*;

    fn record() -> EpochRecord {
        EpochRecord {
            epoch: 3,
            step: 1407,
            train_loss: 0.1 + 0.2,
            train_accuracy: 1e-300,
            validation_loss: None,
            validation_accuracy: Some(0.5),
            test_loss: Some(f64::INFINITY),
            test_accuracy: None,
            learning_rate: 0.001,
            seconds: 12.0,
            images_per_second: f64::NEG_INFINITY,
            loss_scale: Some(32768.0),
            skipped_steps: Some(1),
        }
    }

    #[test]
    fn csv_keeps_every_number_exactly() {
        let rows = vec![record(), EpochRecord { train_loss: f64::NAN, ..record() }];
        let text = header::<EpochRecord>() + &lines(&rows);
        let read: Vec<EpochRecord> = parse(&text).expect("what was written");
        assert_eq!(read[0], rows[0]);
        assert!(read[1].train_loss.is_nan());
        let line = text.lines().nth(1).expect("a row");
        assert_eq!(line, "3,1407,0.30000000000000004,1e-300,,0.5,inf,,0.001,12.0,-inf,32768.0,1");
    }

    #[test]
    fn json_has_null_where_a_number_is_not_finite() {
        let json = serde_json::to_value(record()).expect("numbers only");
        assert!(json["test_loss"].is_null() && json["images_per_second"].is_null());
        let read: EpochRecord = serde_json::from_value(json).expect("what was written");
        assert!(read.images_per_second.is_nan());
        assert_eq!((read.test_loss, read.epoch), (None, 3));
    }

    #[test]
    fn columns_are_the_json_keys() {
        let json = serde_json::to_value(record()).expect("numbers only");
        let mut keys: Vec<_> = json.as_object().expect("an object").keys().collect();
        let mut columns = EpochRecord::COLUMNS.to_vec();
        keys.sort();
        columns.sort_unstable();
        assert_eq!(keys, columns);
    }

    #[test]
    fn a_cut_last_line_is_left_out_and_others_are_errors() {
        let good = "step,loss,learning_rate\n1,2.5,0.1\n";
        assert_eq!(parse::<StepRecord>(&format!("{good}2,1.")).expect("one row").len(), 1);
        assert_eq!(parse::<StepRecord>(&format!("{good}2,x,0.1\n")), Err(3));
        assert_eq!(parse::<StepRecord>("loss\n"), Err(1));
        assert_eq!(parse::<StepRecord>(""), Ok(vec![]));
    }
}
