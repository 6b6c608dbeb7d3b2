//! Groups, texts and arrays of an HDF5 file, within bounds that its size sets.

use ::hdf5_pure::{
    AttrValue, Dataset, Datatype, DatatypeByteOrder, File, FloatingPointLayout, Group,
};
use half::{bf16, f16};

use super::super::given::Given;
use super::super::npy::numbers;
use crate::input::most_unpacked;
use crate::tensor::{HostTensor, Shape};

/// Most groups within each other: links may lead back to where they are.
const DEEPEST: usize = 16;
/// Most groups and arrays that are looked at.
const MOST_OBJECTS: usize = 100_000;
/// Most bytes of all names together.
const MOST_OF_NAMES: usize = 64 << 20;

/// A file, and what may yet be read of it.
pub(super) struct Hdf5 {
    file: File,
    size: u64,
    objects_left: usize,
    names_left: usize,
    unpacked_left: u64,
}

impl Hdf5 {
    pub fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let file = File::from_bytes(bytes).map_err(|error| damaged(&error))?;
        // What is missing at its end may be nothing but numbers that nobody looks at.
        let end = file.superblock().eof_address;
        if end > size {
            return Err(format!(
                "it was cut short: it has {size} bytes, and says that it has {end}"
            ));
        }
        let (objects_left, names_left) = (MOST_OBJECTS, MOST_OF_NAMES);
        Ok(Self { file, size, objects_left, names_left, unpacked_left: most_unpacked(size) })
    }

    pub fn root(&self) -> Group {
        self.file.root()
    }

    /// The groups in a group, with their names, in the order of these.
    pub fn groups(&mut self, group: &Group, path: &str) -> Result<Vec<(String, Group)>, String> {
        if path.matches('/').count() >= DEEPEST {
            return Err(format!("{path} lies too deep: its groups hold one another without end"));
        }
        let mut found: Vec<_> = group.iter_groups().map_err(|error| damaged(&error))?.collect();
        for (name, _) in &found {
            self.count(path, name)?;
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// The arrays in a group, with their names: first those whose names are numbers, by these.
    pub fn arrays(&mut self, group: &Group, path: &str) -> Result<Vec<(String, Dataset)>, String> {
        let mut found: Vec<_> = group.iter_datasets().map_err(|error| damaged(&error))?.collect();
        for (name, _) in &found {
            self.count(path, name)?;
        }
        found.sort_by_key(|(name, _)| (name.parse::<usize>().unwrap_or(usize::MAX), name.clone()));
        Ok(found)
    }

    fn count(&mut self, path: &str, name: &str) -> Result<(), String> {
        let endless = || "its groups hold one another without end".to_owned();
        self.objects_left = self.objects_left.checked_sub(1).ok_or_else(endless)?;
        let names = path.len() + name.len() + 1;
        self.names_left = self.names_left.checked_sub(names).ok_or_else(endless)?;
        Ok(())
    }

    /// An array, as f32 where it holds floats.
    pub fn given(&mut self, array: &Dataset) -> Result<Given, String> {
        let dims = array.shape().map_err(|error| damaged(&error))?;
        let datatype = array.datatype().map_err(|error| damaged(&error))?;
        let dims: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let elements = dims.as_ref().and_then(|dims| {
            dims.iter().try_fold(1_usize, |elements, &dim| elements.checked_mul(dim))
        });
        let (dims, elements) =
            dims.zip(elements).ok_or("its shape is larger than any memory: the file is damaged")?;
        let Some((kind, is_big)) = float_of(&datatype) else {
            return Ok(Given::Other { dtype: words(&datatype), shape: Shape::from(dims) });
        };
        let bytes = u64::try_from(elements).ok();
        let bytes = bytes.and_then(|n| n.checked_mul(kind.bytes())).unwrap_or(u64::MAX);
        // What is not packed lies in the file as it is.
        if !array.is_chunked() && bytes > self.size {
            return Err(format!(
                "its {bytes} bytes do not fit into the {} of the file: it was cut short or damaged",
                self.size
            ));
        }
        self.unpacked_left = self.unpacked_left.checked_sub(bytes).ok_or_else(|| {
            format!(
                "with its {bytes} bytes, the {} of the file unpack to more than {}; h5py writes an \
                 array that can be read where no compression is asked for",
                self.size,
                most_unpacked(self.size)
            )
        })?;
        let data = array.read_raw().map_err(|error| damaged(&error))?;
        #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
        let values: Option<Vec<f32>> = match kind {
            Float::F32 => numbers(&data, is_big, |value: f32| value),
            Float::F64 => numbers(&data, is_big, |value: f64| value as f32),
            Float::F16 => numbers(&data, is_big, |bits: u16| f16::from_bits(bits).to_f32()),
            Float::Bf16 => numbers(&data, is_big, |bits: u16| bf16::from_bits(bits).to_f32()),
        };
        let values = values.filter(|values| values.len() == elements);
        let values = values.ok_or("it was cut short: it lacks elements")?;
        HostTensor::from_f32(dims, &values).map(Given::Floats).map_err(|error| error.to_string())
    }
}

/// The texts of an attribute; none where there is no attribute of this name. Keras splits long lists into
/// attributes whose names end in 0, 1 and so on.
pub(super) fn texts(group: &Group, name: &str) -> Result<Option<Vec<String>>, String> {
    let attributes = group.attrs().map_err(|error| damaged(&error))?;
    let of = |value: &AttrValue| match value.as_strings() {
        Some(texts) => Ok(texts.to_vec()),
        // NumPy makes floats of an empty list.
        None if value.to_f64s().is_some_and(|numbers| numbers.is_empty()) => Ok(Vec::new()),
        None => Err(format!("{name} holds {}: expected texts", value.type_name())),
    };
    if let Some(value) = attributes.get(name) {
        return of(value).map(Some);
    }
    let parts = (0_usize..).map_while(|part| attributes.get(&format!("{name}{part}")));
    let parts: Vec<Vec<String>> = parts.map(of).collect::<Result<_, _>>()?;
    Ok(Some(parts.concat()).filter(|_| !parts.is_empty()))
}

pub(super) fn damaged(error: &::hdf5_pure::Error) -> String {
    format!("an HDF5 file that is damaged, or of a form that is not supported: {error}")
}

#[derive(Debug, Clone, Copy)]
enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    fn bytes(self) -> u64 {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// The kind of floats that a type is, and whether their first byte is the highest.
fn float_of(datatype: &Datatype) -> Option<(Float, bool)> {
    let Datatype::FloatingPoint { size, byte_order, layout } = datatype else { return None };
    let is_big = match byte_order {
        DatatypeByteOrder::LittleEndian => false,
        DatatypeByteOrder::BigEndian => true,
        _ => return None,
    };
    let kind = match (size, layout.exponent_size, layout.mantissa_size, layout.exponent_bias) {
        (4, ..) if *layout == FloatingPointLayout::IEEE754_BINARY32 => Float::F32,
        (8, ..) if *layout == FloatingPointLayout::IEEE754_BINARY64 => Float::F64,
        (2, 5, 10, 15) if layout.bit_offset == 0 => Float::F16,
        (2, 8, 7, 127) if layout.bit_offset == 0 => Float::Bf16,
        _ => return None,
    };
    Some((kind, is_big))
}

fn words(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, .. } => format!("integers of {} bits", 8 * u64::from(*size)),
        Datatype::FloatingPoint { size, .. } => {
            format!("floats of {} bits of an unknown form", 8 * u64::from(*size))
        }
        Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. } => {
            "texts".to_owned()
        }
        Datatype::Enumeration { .. } => "truth values".to_owned(),
        _ => "what is no number".to_owned(),
    }
}
