//! Products in tiles of workgroup memory that are computed while the next ones arrive: for GPUs, and
//! for products that fill their large tiles.
//!
//! Both tiles lie term by term, so that an invocation holds the factors of a few terms only, beside a
//! block of 8 x 8 sums or more. A left factor that lies in memory along the sum is turned on the way:
//! an invocation loads four rows of four terms, and stores four terms of four rows. Two stages of both
//! tiles take turns, with one barrier for each.

use super::chunks::Rows;
use super::stages::Stages;
use super::tile::{Plan, Tile};
use super::{ChunkedLowering, Form, Task, VECTOR, chunks, for_each, for_pairs, frame};
use crate::graph::{Caps, Lowering};

const fn tile(rows: usize, columns: usize, block: [usize; 2]) -> Tile {
    Tile { rows, columns, depth: DEPTH, block, lanes: 1, stages: 2 }
}

/// Terms of a stage.
const DEPTH: usize = 16;
/// Terms that are added between two tests for the end of a stage. Software compiles long texts slowly.
fn terms_at_once(caps: &Caps) -> usize {
    if caps.prefers_loops() { 2 } else { 4 }
}

/// Workers that lie next to each other along the rows and the columns: those of a subgroup of 32 lanes
/// read vectors of four rows and of eight columns, which workgroup memory delivers at once.
const NEIGHBORS: [usize; 2] = [4, 8];

/// Every tile.
const TILES: [Tile; 4] =
    [tile(256, 128, [16, 8]), tile(128, 128, [8, 8]), tile(128, 64, [8, 8]), tile(64, 64, [8, 8])];

const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

/// The tiles that the device has the workgroup memory for.
fn tiles(caps: &Caps) -> impl Iterator<Item = Tile> {
    let bytes = |tile: &Tile| 2 * tile.depth * (tile.rows + tile.columns) * size_of::<f32>();
    TILES.into_iter().filter(move |tile| tile.fits(bytes(tile), caps))
}

/// Those of the plans that are large enough for a product.
fn of_large(mut plans: Vec<Plan>, task: &Task, caps: &Caps) -> Vec<Plan> {
    plans.retain(|plan| plan.fills_tiles(task));
    if caps.prefers_loops() {
        // Software gains nothing from them: one shows that they are right.
        plans.truncate(1);
    }
    plans
}

/// The lowerings, best guess first.
pub(super) fn lowerings(task: &Task, caps: &Caps) -> Vec<Lowering> {
    let plans = of_large(Plan::candidates(tiles(caps), task, caps), task, caps);
    plans.iter().map(|plan| lowering(plan, false, task, caps)).collect()
}

/// Those that can write the statistics of chunks: of whole sums.
pub(super) fn chunked_lowerings(task: &Task, caps: &Caps) -> Vec<ChunkedLowering> {
    let plans = of_large(Plan::undivided(tiles(caps), task, caps), task, caps);
    let chunked = plans.iter().map(|plan| ChunkedLowering {
        lowering: lowering(plan, true, task, caps),
        chunk_rows: plan.tile.rows,
        chunks: task.chunks(),
    });
    chunked.collect()
}

fn lowering(plan: &Plan, chunked: bool, task: &Task, caps: &Caps) -> Lowering {
    let tile = plan.tile;
    let Tile { rows, columns, depth, block: [block_rows, block_columns], .. } = tile;
    let kernel = plan
        .kernel("pipelined", VECTOR, task, caps)
        .constant("A_VECTORS", 2 * rows * depth / 4)
        .constant("B_VECTORS", 2 * columns * depth / 4)
        .constant("WORKERS_M", rows / block_rows)
        .constant("TILE_M4", rows / 4);
    let kernel = if chunked {
        task.with_chunks(kernel)
            .file(include_str!("../../../../shaders/product/gemm/chunk_total.wgsl"))
    } else {
        kernel
    };
    let kernel = kernel
        .file(include_str!("../../../../shaders/product/gemm/pipelined.wgsl"))
        .file(&Generator { tile, task, chunked, terms: terms_at_once(caps) }.main());
    let variant = format!("pipelined_{rows}x{columns}x{depth}_{block_rows}x{block_columns}");
    task.lowering(&variant, kernel, plan.splits, caps)
}

/// What one invocation brings to workgroup memory for each stage.
struct Loads {
    /// Blocks of four vectors of `a`, or vectors where they need not be turned.
    a: usize,
    /// Vectors of `b`.
    b: usize,
    /// Invocations that load `a`; others load `b`. None where every one loads both.
    loaders_of_a: Option<usize>,
}

/// Writes the kernel's `main`.
struct Generator<'a> {
    tile: Tile,
    task: &'a Task,
    chunked: bool,
    /// Terms that are added between two tests for the end of a stage.
    terms: usize,
}

impl Generator<'_> {
    /// Vectors of rows and of columns of a worker's block.
    fn block4(&self) -> [usize; 2] {
        self.tile.block.map(|side| side / 4)
    }

    fn loads(&self) -> Loads {
        let Tile { rows, columns, depth, .. } = self.tile;
        let invocations = self.tile.invocations();
        let b = columns * depth / 4;
        let a = match self.task.form {
            Form::Rows => rows / 4 * (depth / 4),
            Form::Columns => rows / 4 * depth,
        };
        if a >= invocations {
            Loads { a: a / invocations, b: b / invocations, loaders_of_a: None }
        } else {
            Loads { a: 1, b: b / (invocations - a), loaders_of_a: Some(a) }
        }
    }

    /// Which vector of `b` is number `i` of an invocation.
    fn place_in_b(loads: &Loads, i: usize) -> String {
        match loads.loaders_of_a {
            None => frame::place(i),
            Some(a) => format!("local_index - {a}u + {i}u * (INVOCATIONS - {a}u)"),
        }
    }

    /// Puts code for `a` and `b` where the invocations run that load them.
    fn by_loader(loads: &Loads, a: &str, b: &str) -> String {
        match loads.loaders_of_a {
            None => format!("{a}{b}"),
            Some(loaders) => {
                format!("    if local_index < {loaders}u {{\n{a}    }} else {{\n{b}    }}\n")
            }
        }
    }

    /// Names of the vectors of block `i` of `a`.
    fn names_of_a(&self, i: usize) -> Vec<String> {
        match self.task.form {
            Form::Rows => (0..4).map(|row| format!("next{}", 4 * i + row)).collect(),
            Form::Columns => vec![format!("next{i}")],
        }
    }

    /// Name of vector `i` of `b`. Where some load `a` and others `b`, they share names.
    fn name_of_b(&self, loads: &Loads, i: usize) -> String {
        let behind =
            if loads.loaders_of_a.is_some() { 0 } else { loads.a * self.names_of_a(0).len() };
        format!("next{}", behind + i)
    }

    /// How many vectors an invocation holds on their way.
    fn vectors(&self, loads: &Loads) -> usize {
        let a = loads.a * self.names_of_a(0).len();
        if loads.loaders_of_a.is_some() { a.max(loads.b) } else { a + loads.b }
    }

    /// Lines that load the tiles which start at term `at`.
    fn load(&self, loads: &Loads, at: &str) -> String {
        let a = for_each(loads.a, &|i| {
            let place = frame::place(i);
            match self.task.form {
                Form::Rows => self
                    .names_of_a(i)
                    .iter()
                    .enumerate()
                    .map(|(row, name)| {
                        let row = 4 * i + row;
                        format!("    {name} = load_a(row{row}, group, {at}, end, {place});\n")
                    })
                    .collect(),
                Form::Columns => {
                    format!("    next{i} = load_a({at}, end, group, first_row / 4u, {place});\n")
                }
            }
        });
        let b = for_each(loads.b, &|i| {
            let (name, place) = (self.name_of_b(loads, i), Self::place_in_b(loads, i));
            format!("    {name} = load_b({at}, end, group, first_n4, {place});\n")
        });
        Self::by_loader(loads, &a, &b)
    }

    /// Lines that put what was loaded into stage `stage`.
    fn put(&self, loads: &Loads, stage: &str) -> String {
        let a = for_each(loads.a, &|i| {
            let (place, names) = (frame::place(i), self.names_of_a(i));
            match self.task.form {
                Form::Rows => for_each(4, &|term| {
                    let of_rows: Vec<String> =
                        names.iter().map(|name| format!("{name}.{}", COMPONENTS[term])).collect();
                    let vector = of_rows.join(", ");
                    format!(
                        "    tile_a[turned({stage}, {place}, {term}u)] = vec4<f32>({vector});\n"
                    )
                }),
                Form::Columns => {
                    format!("    tile_a[{stage} * A_STAGE + {place}] = next{i};\n")
                }
            }
        });
        let b = for_each(loads.b, &|i| {
            let (name, place) = (self.name_of_b(loads, i), Self::place_in_b(loads, i));
            format!("    tile_b[{stage} * B_STAGE + {place}] = {name};\n")
        });
        Self::by_loader(loads, &a, &b)
    }

    /// Lines that add the products of a stage.
    fn products(&self) -> String {
        let [rows4, columns4] = self.block4();
        let terms = for_each(self.terms, &|term| {
            let a = for_each(rows4, &|q| {
                let at = format!("a_at + (i + {term}u) * TILE_M4 + {q}u * WORKERS_M");
                format!("      let a{term}_{q} = tile_a[{at}];\n")
            });
            let b = for_each(columns4, &|j| {
                let at = format!("b_at + (i + {term}u) * TILE_N4 + {j}u * WORKERS_N");
                format!("      let b{term}_{j} = tile_b[{at}];\n")
            });
            let products = for_pairs(4 * rows4, columns4, &|r, j| {
                let a = format!("vec4<f32>(a{term}_{}.{})", r / 4, COMPONENTS[r % 4]);
                format!("      y{r}_{j} = fma({a}, b{term}_{j}, y{r}_{j});\n")
            });
            a + &b + &products
        });
        format!(
            "    let a_at = stage * A_STAGE + m4;
    let b_at = stage * B_STAGE + n4;
    for (var i = 0u; i < TILE_DEPTH; i += {step}u) {{
{terms}    }}
",
            step = self.terms,
        )
    }

    /// Row of the tile that is row `i` of a worker.
    fn row(i: usize) -> String {
        format!("4u * (m4 + {}u * WORKERS_M) + {}u", i / 4, i % 4)
    }

    /// Lines that store the sums, and their statistics.
    fn results(&self) -> String {
        let [rows4, columns4] = self.block4();
        let column = |j: usize| format!("n4 + {j}u * WORKERS_N");
        let biases = for_each(columns4, &|j| {
            format!("  let bias{j} = bias_of(group, first_n4 + {});\n", column(j))
        });
        let stores = for_pairs(4 * rows4, columns4, &|r, j| {
            let (row, column) = (Self::row(r), column(j));
            let place = format!("first_row + {row}, group, first_n4 + {column}");
            format!("  store_row(split, {place}, y{r}_{j} + bias{j});\n")
        });
        if !self.chunked {
            return biases + &stores;
        }
        let all_exist = self.task.product.m.is_multiple_of(self.tile.rows);
        let rows = Rows { count: 4 * rows4, all_exist, row: &Self::row };
        biases + &stores + &chunks::of_workgroups(&rows, columns4, "m4", &column)
    }

    fn main(&self) -> String {
        let loads = self.loads();
        let [rows4, columns4] = self.block4();
        // Rows along the sum are found once.
        let rows = match self.task.form {
            Form::Rows => for_each(4 * loads.a, &|i| {
                let block = frame::place(i / 4);
                let row = format!("first_row + 4u * (({block}) / DEPTH4) + {}u", i % 4);
                format!("  let row{i} = row_at({row});\n")
            }),
            Form::Columns => String::new(),
        };
        let sums =
            for_pairs(4 * rows4, columns4, &|r, j| format!("  var y{r}_{j} = vec4<f32>();\n"));
        let nexts = for_each(self.vectors(&loads), &|i| format!("  var next{i} = vec4<f32>();\n"));
        let [height, width] = NEIGHBORS;
        let stages = Stages {
            parameters: "",
            before: format!(
                "  // Where the worker's block lies, in vectors: {height} x {width} neighbors at a time.
  let place = local_index % {neighbors}u;
  let m4 = local_index / {neighbors}u / (WORKERS_N / {width}u) * {height}u + place / {width}u;
  let n4 = local_index / {neighbors}u % (WORKERS_N / {width}u) * {width}u + place % {width}u;
{rows}{sums}{nexts}",
                neighbors = height * width,
            ),
            load: &|at| self.load(&loads, at),
            put: &|stage| self.put(&loads, stage),
            products: self.products(),
            results: self.results(),
        };
        stages.main(self.task.form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Operand;
    use crate::ops::product::gemm::Product;
    use crate::ops::product::tail::ProductTail;

    /// Loads are dealt out evenly, workers have neighbors, and one tile fits every device.
    #[test]
    fn tiles_divide_evenly() {
        for tile in TILES {
            for form in [Form::Rows, Form::Columns] {
                let product = Product { m: 1, n: 1, groups: 1, taps: 1, tap_k: 1 };
                let task = Task {
                    form,
                    product,
                    a: Operand::Input(0),
                    b: Operand::Input(1),
                    y: Operand::Output(0),
                    tail: ProductTail::default(),
                    rows: "",
                    constants: Vec::new(),
                    before: Vec::new(),
                    scratch: Vec::new(),
                    blocks: None,
                };
                let generator = Generator { tile, task: &task, chunked: false, terms: 4 };
                let loads = generator.loads();
                let invocations = tile.invocations();
                let [of_a, of_b] = match loads.loaders_of_a {
                    None => [invocations; 2],
                    Some(a) => [a, invocations - a],
                };
                let per_load = generator.names_of_a(0).len();
                assert_eq!(4 * per_load * loads.a * of_a, tile.rows * tile.depth, "{tile:?}");
                assert_eq!(4 * loads.b * of_b, tile.columns * tile.depth, "{tile:?}");
                let workers = [tile.rows / tile.block[0], tile.columns / tile.block[1]];
                assert_eq!(workers[0] * workers[1], invocations, "{tile:?}");
                let full = workers.iter().zip(NEIGHBORS).all(|(n, side)| n.is_multiple_of(side));
                assert!(full, "{tile:?}");
            }
        }
        let fits = |tile: &Tile| tile.fits(8 * tile.depth * (tile.rows + tile.columns), &CAPS);
        const CAPS: Caps = Caps::webgpu_default();
        assert!(TILES.iter().any(fits));
    }
}
