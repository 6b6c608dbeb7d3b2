//! The frame of kernels with two stages of both tiles in workgroup memory, which take turns: one is
//! multiplied while the next one arrives. There is one barrier for each stage.

use super::{Form, frame};

/// What `main` does in its frame.
pub(super) struct Stages<'a> {
    /// Further parameters of `main`, a line each.
    pub parameters: &'a str,
    /// Before the loop over the terms: where the worker's block lies, its rows and its sums, and the
    /// variables that `load` sets.
    pub before: String,
    /// Loads the tiles that start at a term, given as WGSL.
    pub load: &'a dyn Fn(&str) -> String,
    /// Puts what was loaded into a stage, given as WGSL.
    pub put: &'a dyn Fn(&str) -> String,
    /// Adds the products of the stage `stage`.
    pub products: String,
    /// Behind the loop: stores the sums.
    pub results: String,
}

impl Stages<'_> {
    /// `main`, for a product of the given form.
    pub fn main(&self, form: Form) -> String {
        let Self { before, products, results, .. } = self;
        let head = frame::head(self.parameters);
        let [per_split, all, step] = frame::units(form);
        let (first, next) = ((self.load)("at"), (self.load)(&format!("at + {step}")));
        let (put_first, put_next) = ((self.put)("0u"), (self.put)("(1u - stage)"));
        format!(
            "{head}{before}  let end = min((split + 1u) * {per_split}, {all});
  var at = split * {per_split};
  var stage = 0u;
{first}{put_first}  workgroupBarrier();
  for (; at < end; at += {step}) {{
    // The next tiles arrive while these are multiplied.
{next}{products}{put_next}    // The next stage is complete, and all invocations have read this one.
    workgroupBarrier();
    stage = 1u - stage;
  }}
{results}}}
"
        )
    }
}
