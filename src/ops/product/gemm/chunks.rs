//! Statistics of the rows that a kernel has computed, before they leave its registers: the mean of
//! each column, and the sum of squared distances from it, over a chunk of rows.

use super::for_each;

/// The rows of one worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// How many a worker has.
    pub count: usize,
    /// Whether every chunk is whole. Otherwise each row is tested, which drivers take long to compile.
    pub all_exist: bool,
}

impl Rows {
    /// The sum of a term for each row that exists, of column `j` of the worker's columns; row 0 of the
    /// worker is row `first` of the chunk, of which `present` rows exist.
    fn sum(self, j: usize, first: &str, term: &dyn Fn(&str) -> String) -> String {
        let terms = (0..self.count).map(|i| {
            let value = term(&format!("(y{i}_{j} + bias{j})"));
            if self.all_exist {
                return value;
            }
            format!("select(vec4<f32>(), {value}, {first} + {i}u < present)")
        });
        terms.collect::<Vec<_>>().join("\n      + ")
    }
}

fn squared(value: &str, mean: &str) -> String {
    format!("({value} - {mean}) * ({value} - {mean})")
}

/// Of subgroups: a chunk is the rows of one lane, the first of which is `m`. `column` gives the place
/// of its columns, in vectors.
pub(super) fn of_lanes(rows: Rows, columns4: usize, column: &dyn Fn(usize) -> String) -> String {
    let columns = for_each(columns4, &|j| {
        let sum = rows.sum(j, "0u", &str::to_owned);
        let squares = rows.sum(j, "0u", &|value| squared(value, &format!("mean{j}")));
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
/// factor. `column` gives the place of their columns in the tile.
pub(super) fn of_workgroups(
    rows: Rows,
    columns4: usize,
    column: &dyn Fn(usize) -> String,
) -> String {
    let put = |term: &dyn Fn(usize, &str) -> String| {
        for_each(columns4, &|j| {
            let sum = rows.sum(j, "row", &|value| term(j, value));
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
        "  let worker = local_index / WORKERS_N;
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
