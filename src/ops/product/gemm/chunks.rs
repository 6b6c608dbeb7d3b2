//! Statistics of the rows that a kernel has computed, before they leave its registers: the mean of
//! each column, and the sum of squared distances from it, over a chunk of rows.

use super::for_each;

/// The rows of one worker.
pub(super) struct Rows<'a> {
    /// How many a worker has.
    pub count: usize,
    /// Whether every chunk is whole. Otherwise each row is tested, which drivers take long to compile.
    pub all_exist: bool,
    /// Which row of the chunk a row of the worker is.
    pub row: &'a dyn Fn(usize) -> String,
}

impl Rows<'_> {
    /// The sum of a term for each row that exists, of column `j` of the worker's columns, where the
    /// chunk has `present` rows.
    fn sum(&self, j: usize, term: &dyn Fn(&str) -> String) -> String {
        let terms = (0..self.count).map(|i| {
            let value = term(&format!("(y{i}_{j} + bias{j})"));
            if self.all_exist {
                return value;
            }
            format!("select(vec4<f32>(), {value}, {} < present)", (self.row)(i))
        });
        terms.collect::<Vec<_>>().join("\n      + ")
    }
}

fn squared(value: &str, mean: &str) -> String {
    format!("({value} - {mean}) * ({value} - {mean})")
}

/// Of subgroups: a chunk is the rows of one lane, the first of which is `m`. `column` gives the place
/// of its columns, in vectors.
pub(super) fn of_lanes(
    rows: &Rows<'_>,
    columns4: usize,
    column: &dyn Fn(usize) -> String,
) -> String {
    let columns = for_each(columns4, &|j| {
        let sum = rows.sum(j, &str::to_owned);
        let squares = rows.sum(j, &|value| squared(value, &format!("mean{j}")));
        let count = rows.count;
        format!(
            "    let mean{j} = ({sum}) / f32(present);
    let squares{j} = {squares};
    store_chunk(m / {count}u, group, {}, mean{j}, squares{j});
",
            column(j)
        )
    });
    let count = rows.count;
    format!("  let present = min(M - min(m, M), {count}u);\n  if present > 0u {{\n{columns}  }}\n")
}

/// Of workgroups: a chunk is the rows of a tile. Its workers add their sums in the memory of the left
/// factor. `worker` numbers those of the same columns; `column` gives the place of their columns in the
/// tile.
pub(super) fn of_workgroups(
    rows: &Rows<'_>,
    columns4: usize,
    worker: &str,
    column: &dyn Fn(usize) -> String,
) -> String {
    let put = |term: &dyn Fn(usize, &str) -> String| {
        for_each(columns4, &|j| {
            let sum = rows.sum(j, &|value| term(j, value));
            format!("  tile_a[worker * TILE_N4 + {}] = {sum};\n", column(j))
        })
    };
    let sums = put(&|_, value| value.to_owned());
    let squares = put(&|j, value| squared(value, &format!("mean{j}")));
    let means = for_each(columns4, &|j| {
        format!("  let mean{j} = chunk_total({}) / f32(present);\n", column(j))
    });
    let stores = for_each(columns4, &|j| {
        let at = column(j);
        let chunk = "first_row / TILE_ROWS, group";
        format!("    store_chunk({chunk}, first_n4 + {at}, mean{j}, chunk_total({at}));\n")
    });
    format!(
        "  let worker = {worker};
  let present = min(M - first_row, TILE_ROWS);
  // The tiles have been read.
  workgroupBarrier();
{sums}  workgroupBarrier();
{means}  workgroupBarrier();
{squares}  workgroupBarrier();
  if worker == 0u {{
{stores}  }}
"
    )
}
