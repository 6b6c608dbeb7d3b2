//! How one node runs on a GPU: plain data, no device types.

use serde::{Deserialize, Serialize};

use super::{Activation, DeviceModel, Work};
use crate::tensor::DType;

/// What a device offers to kernels: features and limits that decide between variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Most invocations in a workgroup.
    pub max_invocations: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_storage: u32,
    /// Most storage buffers of one kernel.
    pub max_storage_buffers: u32,
    /// Most workgroups in each dimension of a dispatch.
    pub max_workgroups: u32,
    /// Largest storage binding, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Alignment of binding offsets, in bytes.
    pub offset_alignment: u32,
    /// Fixed subgroup size, where the device has subgroup operations and one size only.
    pub subgroup_size: Option<u32>,
    /// Whether kernels may use `f16`.
    pub f16: bool,
    /// Rows and columns of the matrices that subgroups multiply at once, f16 by f16 into sums of f32,
    /// where the device has such (`wgpu_cooperative_matrix`) and one subgroup size only.
    pub cooperative_size: Option<u32>,
    /// FLOP per byte of an op from which its kernels are faster when they read through textures,
    /// copies of the operands included; none where they never are.
    pub texel_intensity: Option<u32>,
    /// Whether the device compiles kernels of hundreds of operations, as products in blocks are.
    pub long_kernels: bool,
    /// How fast a GPU is, from which the order of variants and the shares of sums follow.
    pub model: DeviceModel,
    /// Whether kernels run at all. Programs for the CPU executor have none, nor memory for them.
    pub kernels: bool,
}

impl Caps {
    /// WebGPU's default limits: every device has at least these.
    pub const fn webgpu_default() -> Self {
        Self {
            max_invocations: 256,
            max_workgroup_storage: 16_384,
            max_storage_buffers: 8,
            max_workgroups: 65_535,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            offset_alignment: 256,
            subgroup_size: None,
            f16: false,
            cooperative_size: None,
            texel_intensity: None,
            long_kernels: true,
            model: DeviceModel::MEDIUM,
            kernels: true,
        }
    }
}

impl Caps {
    /// The model of the device, where it is one that the model describes: a real GPU.
    pub fn gpu_model(&self) -> Option<DeviceModel> {
        (self.kernels && !self.prefers_loops()).then_some(self.model)
    }

    /// Whether loops of one invocation should be tried before trees of a workgroup. Devices with a
    /// fixed, small subgroup are software: their barriers cost microseconds, and a few invocations
    /// fill them.
    pub fn prefers_loops(&self) -> bool {
        const LARGEST_SOFTWARE_SUBGROUP: u32 = 8;
        self.subgroup_size.is_some_and(|lanes| lanes <= LARGEST_SOFTWARE_SUBGROUP)
    }
}

/// An operand of a node, seen from its kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operand {
    /// Input, by position.
    Input(usize),
    /// Output, by position.
    Output(usize),
    /// Scratch buffer of the lowering, by position.
    Scratch(usize),
}

/// How a kernel reaches an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
    /// `var<storage, read_write>`, where one invocation alone touches an element, and reads it before
    /// it writes it.
    Update,
    /// `texture_storage_2d<rgba32float, read>`: the executor copies the operand into a texture,
    /// right before the dispatch (see [`super::texels`]).
    Texels,
}

impl Access {
    /// Whether the kernel writes the operand.
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Update)
    }
}

/// A binding of a kernel; its position in the list is its `@binding` number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// What is bound.
    pub operand: Operand,
    /// How the kernel reaches it.
    pub access: Access,
    /// The elements that are bound; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Binding {
    /// A binding of a whole operand.
    pub const fn whole(operand: Operand, access: Access) -> Self {
        Self { operand, access, part: None }
    }

    /// The same binding, of a part of its operand.
    #[must_use]
    pub fn part(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }
}

/// A range of the elements of an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The first one; bindings start at multiples of [`Part::ALIGNMENT`].
    pub first: usize,
    /// Number of elements.
    pub count: usize,
}

impl Part {
    /// Elements of any type, from one to the next of which a binding can start: the alignment of
    /// offsets in bytes, on every device.
    pub const ALIGNMENT: usize = 256;

    /// First byte, for elements of a type.
    pub const fn offset(self, dtype: DType) -> usize {
        self.first * dtype.bytes()
    }

    /// Bytes of the elements, rounded up to whole words.
    pub const fn bytes(self, dtype: DType) -> usize {
        (self.count * dtype.bytes()).next_multiple_of(4)
    }
}

/// One dispatch: WGSL text, bindings and workgroup counts.
///
/// The text is a generated prelude of `const` and `alias` lines, followed by plain WGSL files.
/// Shapes are constants of the prelude: kernels are specialized for them, and two nodes of equal
/// shapes share a pipeline, since its key is the hash of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Stem of the WGSL file.
    pub name: String,
    /// The whole text; its entry point is `main`.
    pub source: String,
    /// Bindings of group 0, in order.
    pub bindings: Vec<Binding>,
    /// Workgroups in x, y and z.
    pub workgroups: [u32; 3],
    /// What it has to do, where its author tells: only guesses depend on it.
    #[serde(skip)]
    pub work: Option<Work>,
}

impl Kernel {
    /// Starts a kernel called `name`, the stem of its WGSL file.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: String::new(),
            bindings: Vec::new(),
            workgroups: [1, 1, 1],
            work: None,
        }
    }

    /// Adds `const NAME: u32` to the prelude.
    ///
    /// # Panics
    /// When the value needs more than 32 bits: `infer` and the limits exclude it.
    #[must_use]
    pub fn constant(mut self, name: &str, value: usize) -> Self {
        let value = u32::try_from(value).expect("shapes are checked to fit 32 bits");
        self.source.push_str(&format!("const {name}: u32 = {value}u;\n"));
        self
    }

    /// Adds `const NAME: f32` to the prelude, exactly.
    #[must_use]
    pub fn constant_f32(mut self, name: &str, value: f32) -> Self {
        // The debug form of f32 is the shortest text that reads back as the same value.
        self.source.push_str(&format!("const {name}: f32 = f32({value:?});\n"));
        self
    }

    /// Adds `alias NAME = TYPE` to the prelude.
    #[must_use]
    pub fn alias(mut self, name: &str, wgsl_type: &str) -> Self {
        self.source.push_str(&format!("alias {name} = {wgsl_type};\n"));
        self
    }

    /// Appends a WGSL file, or a generated part of one.
    #[must_use]
    pub fn file(mut self, text: &str) -> Self {
        self.source.push_str(text);
        if !text.ends_with('\n') {
            self.source.push('\n');
        }
        self
    }

    /// Adds the functions `activate` and `activate_derivative` of an activation function: a file of
    /// `shaders/common/activation/` and those that it uses. No other function is added: kernels
    /// apply them in dozens of places, and drivers would compile every one that is there.
    #[must_use]
    pub fn activation(self, function: Activation) -> Self {
        const BITS: &str = include_str!("../../shaders/common/float_bits.wgsl");
        const EXP_LOG: &str = include_str!("../../shaders/common/exp_log.wgsl");
        const LOGISTIC: &str = include_str!("../../shaders/common/activation/logistic.wgsl");
        const NORMAL: &str = include_str!("../../shaders/common/activation/normal.wgsl");
        let uses: &[&str] = match function {
            Activation::Identity | Activation::Relu | Activation::Relu6 | Activation::LeakyRelu => {
                &[]
            }
            Activation::Tanh => &[BITS, EXP_LOG],
            Activation::Gelu => &[BITS, EXP_LOG, NORMAL],
            Activation::GeluTanh | Activation::Sigmoid | Activation::Silu => {
                &[BITS, EXP_LOG, LOGISTIC]
            }
        };
        let file = match function {
            Activation::Identity => include_str!("../../shaders/common/activation/identity.wgsl"),
            Activation::Relu => include_str!("../../shaders/common/activation/relu.wgsl"),
            Activation::Relu6 => include_str!("../../shaders/common/activation/relu6.wgsl"),
            Activation::LeakyRelu => {
                include_str!("../../shaders/common/activation/leaky_relu.wgsl")
            }
            Activation::Gelu => include_str!("../../shaders/common/activation/gelu.wgsl"),
            Activation::GeluTanh => {
                include_str!("../../shaders/common/activation/gelu_tanh.wgsl")
            }
            Activation::Sigmoid => include_str!("../../shaders/common/activation/sigmoid.wgsl"),
            Activation::Tanh => include_str!("../../shaders/common/activation/tanh.wgsl"),
            Activation::Silu => include_str!("../../shaders/common/activation/silu.wgsl"),
        };
        uses.iter().fold(self, |kernel, text| kernel.file(text)).file(file)
    }

    /// Binds an operand that the kernel reads.
    #[must_use]
    pub fn read(mut self, operand: Operand) -> Self {
        self.bindings.push(Binding::whole(operand, Access::Read));
        self
    }

    /// Declares and binds an operand that the kernel reads, an array `name` of `FLOATS`.
    #[must_use]
    pub fn read_floats(self, name: &str, operand: Operand) -> Self {
        let binding = self.bindings.len();
        let line =
            format!("@group(0) @binding({binding}) var<storage, read> {name}: array<FLOATS>;\n");
        self.file(&line).read(operand)
    }

    /// Declares and binds an operand that the kernel writes, an array `name` of `FLOATS`.
    #[must_use]
    pub fn write_floats(self, name: &str, operand: Operand) -> Self {
        let binding = self.bindings.len();
        let line = format!(
            "@group(0) @binding({binding}) var<storage, read_write> {name}: array<FLOATS>;\n"
        );
        self.file(&line).write(operand)
    }

    /// Binds an operand that the kernel writes, and may read.
    #[must_use]
    pub fn write(mut self, operand: Operand) -> Self {
        self.bindings.push(Binding::whole(operand, Access::Write));
        self
    }

    /// Binds an operand that the kernel updates in place: see [`Access::Update`].
    #[must_use]
    pub fn update(mut self, operand: Operand) -> Self {
        self.bindings.push(Binding::whole(operand, Access::Update));
        self
    }

    /// Sets the workgroup counts.
    #[must_use]
    pub fn workgroups(mut self, workgroups: [u32; 3]) -> Self {
        self.workgroups = workgroups;
        self
    }

    /// Tells what the kernel has to do.
    #[must_use]
    pub fn work(mut self, work: Work) -> Self {
        self.work = Some(work);
        self
    }

    /// Sets up a kernel whose invocations each take one flat index below `invocations`.
    ///
    /// Adds the constants `WORKGROUP_SIZE`, `INVOCATIONS` and `GRID_X` and the file
    /// `shaders/common/flat_index.wgsl`, whose `flat_index` undoes the folding of the grid into
    /// two dimensions; the kernel must guard with `INVOCATIONS`.
    #[must_use]
    pub fn flat(self, invocations: usize, workgroup_size: u32, caps: &Caps) -> Self {
        let count = invocations.div_ceil(workgroup_size as usize);
        let workgroups = grid(count, caps);
        self.constant("WORKGROUP_SIZE", workgroup_size as usize)
            .constant("INVOCATIONS", invocations)
            .constant("GRID_X", workgroups[0] as usize)
            .file(include_str!("../../shaders/common/flat_index.wgsl"))
            .workgroups(workgroups)
    }

    /// Sets up a kernel whose workgroups each take one flat index below `tiles`.
    ///
    /// Adds the constant `TILES` and the file `shaders/common/flat_workgroup.wgsl`; the kernel must
    /// guard with `TILES`.
    #[must_use]
    pub fn tiles(self, tiles: usize, caps: &Caps) -> Self {
        self.constant("TILES", tiles)
            .file(include_str!("../../shaders/common/flat_workgroup.wgsl"))
            .workgroups(grid(tiles, caps))
    }
}

/// Folds a number of workgroups into at most `caps.max_workgroups` per dimension. The grid can
/// hold a few workgroups more than asked for, so kernels must guard their index.
pub fn grid(count: usize, caps: &Caps) -> [u32; 3] {
    let limit = caps.max_workgroups as usize;
    let x = count.clamp(1, limit);
    let y = count.div_ceil(x).clamp(1, limit);
    let z = count.div_ceil(x * y).max(1);
    [x, y, z].map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// One way to run a node: its kernels in order, and the scratch memory they share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowering {
    /// Name of the variant, unique within the op.
    pub variant: String,
    /// Sizes of the scratch buffers, in bytes.
    pub scratch: Vec<usize>,
    /// Dispatches, in order.
    pub kernels: Vec<Kernel>,
}

impl Lowering {
    /// A variant of one kernel without scratch memory.
    pub fn single(variant: &str, kernel: Kernel) -> Self {
        Self { variant: variant.to_owned(), scratch: Vec::new(), kernels: vec![kernel] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fold_below_the_limit_and_cover_the_count() {
        let caps = Caps::webgpu_default();
        assert_eq!(grid(65_535, &caps), [65_535, 1, 1]);
        let [x, y, z] = grid(200_000, &caps);
        assert!(x <= 65_535 && y <= 65_535 && z == 1);
        assert!(x as usize * y as usize >= 200_000);
        assert_eq!(grid(0, &caps), [1, 1, 1]);
    }
}
