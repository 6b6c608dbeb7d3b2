//! The frame of kernels with two stages of both tiles in workgroup memory, which take turns: one is
//! multiplied while the next one arrives. There is one barrier for each stage.

use super::Form;

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

/// Names of what a sum is counted by: the units of a share, of the whole, and of a tile.
fn units(form: Form) -> [&'static str; 3] {
    match form {
        Form::Rows => ["K4_PER_SPLIT", "K4", "DEPTH4"],
        Form::Columns => ["ROWS_PER_SPLIT", "M", "TILE_DEPTH"],
    }
}

impl Stages<'_> {
    /// `main`, for a product of the given form.
    pub fn main(&self, form: Form) -> String {
        let Self { parameters, before, products, results, .. } = self;
        let [per_split, all, step] = units(form);
        let (first, next) = ((self.load)("at"), (self.load)(&format!("at + {step}")));
        let (put_first, put_next) = ((self.put)("0u"), (self.put)("(1u - stage)"));
        format!(
            "
@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
{parameters}) {{
  // The grid can hold more workgroups than tiles; all invocations of one leave together. As
  // flat_workgroup: naga, which demands uniform control flow around barriers and matrices, takes
  // results of functions for different ones.
  let tile =
    (workgroup_id.z * num_workgroups.y + workgroup_id.y) * num_workgroups.x + workgroup_id.x;
  if tile >= TILES {{ return; }}
  let first_n4 = tile % N_TILES * TILE_N4;
  let first_row = tile / N_TILES % ROW_TILES * TILE_ROWS;
  let group = tile / (N_TILES * ROW_TILES) % GROUPS;
  let split = tile / (N_TILES * ROW_TILES * GROUPS);
{before}  let end = min((split + 1u) * {per_split}, {all});
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
