//! Numbers as arguments.

/// A number from 0 to 1.
pub(in crate::cli) fn share(text: &str) -> Result<f32, String> {
    let number: f32 = text.trim().parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=1.0).contains(&number) {
        // Adding zero turns -0 into 0.
        Ok(number + 0.0)
    } else {
        Err(format!("{text} is not between 0 and 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_lie_between_zero_and_one() {
        assert_eq!(share("0.15"), Ok(0.15));
        assert_eq!(share("-0").map(f32::to_bits), Ok(0));
        for bad in ["-0.1", "1.5", "NaN", "inf", "much", ""] {
            share(bad).expect_err(bad);
        }
    }
}
