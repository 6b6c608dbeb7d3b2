//! Products whose workgroups compute a tile of the result each, from tiles of both factors in
//! workgroup memory: how a product is dealt out, and what the texts of its kernels have in common.

use super::{Form, Task, for_each, frame, splits};
use crate::graph::{Caps, Kernel, Work};

/// What one workgroup computes, and each of its workers: invocations, or whole subgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows and columns of the result that one workgroup computes.
    pub rows: usize,
    pub columns: usize,
    /// Terms of the sum that lie in workgroup memory at once.
    pub depth: usize,
    /// Rows and columns of the result that one worker computes; multiples of four.
    pub block: [usize; 2],
    /// Invocations of one worker.
    pub lanes: usize,
    /// Tiles of each factor in workgroup memory, which take turns.
    pub stages: usize,
}

impl Tile {
    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        self.rows * self.columns / (self.block[0] * self.block[1]) * self.lanes
    }

    /// Vectors of both factors that one invocation brings to workgroup memory.
    pub fn loads(&self) -> [usize; 2] {
        [self.rows, self.columns].map(|side| side * self.depth / 4 / self.invocations())
    }

    /// Whether the device has the invocations, and `bytes` of workgroup memory.
    pub fn fits(&self, bytes: usize, caps: &Caps) -> bool {
        let within = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|n| n <= limit);
        within(bytes, caps.max_workgroup_storage)
            && within(self.invocations(), caps.max_invocations)
    }

    /// Workers along the columns.
    pub fn workers_n(&self) -> usize {
        self.columns / self.block[1]
    }
}

/// Workgroups into which a sum is cut on software devices, where the result alone gives fewer.
const SOFTWARE_TILES: usize = 128;
/// Turns of the workgroups that a GPU runs at once, into which a sum may be cut to fill them.
const MOST_TURNS: usize = 4;
/// Part of the time of one workgroup for each multiprocessor that other shares may take: by the
/// estimate, which no measurement of such shares has confirmed yet.
const CLEARLY: f64 = 0.5;
/// Fewest terms of one share of a sum.
const LEAST_TERMS: usize = 128;

/// A tile on one product.
pub(super) struct Plan {
    pub tile: Tile,
    /// Shares of the sum.
    pub splits: usize,
    /// Rows of the result.
    rows: usize,
    /// Terms of the sum, in the unit that it is cut by.
    terms: usize,
    /// Tiles along the rows and along the columns.
    grid: [usize; 2],
    /// Workgroups of one share.
    tiles: usize,
    /// Elements of the result.
    elements: usize,
}

impl Plan {
    /// Plans of the tiles that leave not too much of themselves empty, best guess first; the best
    /// guess is there in any case.
    pub fn candidates(tiles: impl Iterator<Item = Tile>, task: &Task, caps: &Caps) -> Vec<Self> {
        Self::sorted(tiles.map(|tile| Self::new(tile, task, caps)).collect(), task, caps)
    }

    /// The same, of whole sums.
    pub fn undivided(tiles: impl Iterator<Item = Tile>, task: &Task, caps: &Caps) -> Vec<Self> {
        let plans = tiles.map(|tile| Self::cut(tile, task, 1, caps));
        Self::sorted(plans.filter(|plan| plan.splits == 1).collect(), task, caps)
    }

    fn sorted(mut plans: Vec<Self>, task: &Task, caps: &Caps) -> Vec<Self> {
        plans.sort_by(|a, b| a.seconds(task, caps).total_cmp(&b.seconds(task, caps)));
        // Tiles that are mostly empty cost time to try.
        let best = plans.first().map(|plan| plan.tile);
        plans.retain(|plan| Some(plan.tile) == best || plan.fills_tiles(task));
        plans
    }

    fn new(tile: Tile, task: &Task, caps: &Caps) -> Self {
        if caps.prefers_loops() {
            return Self::cut(tile, task, SOFTWARE_TILES, caps);
        }
        // A workgroup for each multiprocessor, or as many shares as fit the turns, or one, where
        // that is far better: only the first has been measured.
        let first = Self::cut(tile, task, caps.model.processors as usize, caps);
        let (at_once, tiles) = (first.work(task).at_once(caps), first.tiles.max(1));
        let turns = (1..=MOST_TURNS).map(|turns| turns * at_once / tiles * tiles);
        let others = turns.chain([1]).map(|wanted| Self::cut(tile, task, wanted, caps));
        let by_seconds =
            |a: &Self, b: &Self| a.seconds(task, caps).total_cmp(&b.seconds(task, caps));
        let best = others.min_by(by_seconds);
        let most = CLEARLY * first.seconds(task, caps);
        best.filter(|plan| plan.seconds(task, caps) < most).unwrap_or(first)
    }

    /// A tile on a product whose sum is cut until there are `wanted` workgroups.
    fn cut(tile: Tile, task: &Task, wanted: usize, caps: &Caps) -> Self {
        let product = &task.product;
        let (terms, least_terms) = match task.form {
            // The sum is cut between vectors of four terms.
            Form::Rows => (product.k4(), LEAST_TERMS / 4),
            Form::Columns => (product.m, LEAST_TERMS),
        };
        let rows = task.result_rows();
        let grid = [rows.div_ceil(tile.rows), product.n.div_ceil(tile.columns)];
        let tiles = grid[0] * grid[1] * product.groups;
        let elements = task.elements();
        let most_bytes = usize::try_from(caps.max_binding_bytes).unwrap_or(usize::MAX);
        let most_splits = most_bytes / (elements * size_of::<f32>()).max(1);
        let splits = splits(terms, least_terms, tiles, wanted.min(tiles * most_splits.max(1)));
        Self { tile, splits, rows, terms, grid, tiles, elements }
    }

    /// Whether the result has as many rows, columns and elements as make the tile worth trying.
    pub fn fills_tiles(&self, task: &Task) -> bool {
        let Tile { rows, columns, .. } = self.tile;
        rows < 2 * self.rows && columns < 2 * task.product.n && rows * columns <= self.elements
    }

    /// What its kernel has to do.
    fn work(&self, task: &Task) -> Work {
        let terms = match task.form {
            Form::Rows => 4 * self.terms.div_ceil(self.splits),
            Form::Columns => self.terms.div_ceil(self.splits),
        };
        self.tile.work(task, self.tiles * self.splits, terms)
    }

    /// Seconds that a GPU is guessed to take for it, the adding of shares included.
    fn seconds(&self, task: &Task, caps: &Caps) -> f64 {
        let adding = if self.splits > 1 {
            let bytes = (self.splits + 1) * self.elements * size_of::<f32>();
            caps.model.kernel_seconds() + caps.model.pass_seconds(bytes)
        } else {
            0.0
        };
        self.work(task).seconds(caps) + adding
    }

    /// The kernel up to `main`, but for the constants `A_VECTORS` and `B_VECTORS`: vectors of both
    /// tiles in workgroup memory, whose type is `vector`.
    pub fn kernel(&self, family: &str, vector: &str, task: &Task, caps: &Caps) -> Kernel {
        let Self { tile, splits, .. } = *self;
        let (form, terms_name, file) = match task.form {
            Form::Rows => (
                "rows",
                "K4_PER_SPLIT",
                include_str!("../../../../shaders/product/gemm/tiled_rows.wgsl"),
            ),
            Form::Columns => (
                "columns",
                "ROWS_PER_SPLIT",
                include_str!("../../../../shaders/product/gemm/tiled_columns.wgsl"),
            ),
        };
        task.kernel(&format!("{family}_{form}"), splits, false)
            .constant("TILE_ROWS", tile.rows)
            .constant("TILE_N4", tile.columns / 4)
            .constant("TILE_DEPTH", tile.depth)
            .constant("INVOCATIONS", tile.invocations())
            .constant("BLOCK_ROWS", tile.block[0])
            .constant("WORKERS_N", tile.workers_n())
            .constant(terms_name, self.terms.div_ceil(splits))
            .constant("ROW_TILES", self.grid[0])
            .constant("N_TILES", self.grid[1])
            .tiles(self.tiles * splits, caps)
            .alias("TILE_VECTOR", vector)
            .file(file)
            .work(self.work(task))
    }
}

/// What `main` does beside bringing both factors to workgroup memory, where there is one stage.
pub(super) struct Body {
    /// Before the loop over the terms: where the worker's block lies, and its sums.
    pub sums: String,
    /// Adds the products of both tiles.
    pub products: String,
    /// Behind the loop: stores the sums.
    pub results: String,
}

impl Body {
    /// `main`, for a tile on a product of the given form.
    pub fn main(&self, tile: &Tile, form: Form) -> String {
        let [a_loads, b_loads] = tile.loads();
        let (rows, [per_split, all, step]) = (frame::find_rows(form, a_loads), frame::units(form));
        let first = for_each(a_loads, &|i| {
            format!("  var next_a{i} = {};\n", frame::load_a(form, i, "at"))
        }) + &for_each(b_loads, &|i| {
            format!("  var next_b{i} = {};\n", frame::load_b(i, "at"))
        });
        let next_at = format!("at + {step}");
        let next = for_each(a_loads, &|i| {
            format!("    next_a{i} = {};\n", frame::load_a(form, i, &next_at))
        }) + &for_each(b_loads, &|i| {
            format!("    next_b{i} = {};\n", frame::load_b(i, &next_at))
        });
        let put = |letter: &str, loads| {
            for_each(loads, &|i| {
                format!("    tile_{letter}[{}] = next_{letter}{i};\n", frame::place(i))
            })
        };
        let put = put("a", a_loads) + &put("b", b_loads);
        let Self { sums, products, results } = self;
        let head = frame::head("");
        format!(
            "{head}{rows}{sums}  let end = min((split + 1u) * {per_split}, {all});
  var at = split * {per_split};
{first}  for (; at < end; at += {step}) {{
    // All invocations have read the tiles of the turn before.
    workgroupBarrier();
{put}    // Both tiles are complete; the next ones arrive while these are multiplied.
    workgroupBarrier();
{next}{products}  }}
{results}}}
"
        )
    }
}
