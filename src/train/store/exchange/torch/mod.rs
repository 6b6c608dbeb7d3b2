//! State dicts of PyTorch, as `torch.save` writes them: a zip file of a pickle and storages, or, before
//! PyTorch 1.6, pickles with the storages behind them. A checkpoint may hold a state dict beside other things.
//!
//! Formats: `torch/serialization.py` of PyTorch.

mod pickle;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytemuck::{Pod, bytes_of_mut, pod_read_unaligned};
use half::{bf16, f16};

use super::error::ExchangeError;
use super::given::Given;
use super::zip::{entries, is_zip_with};
use crate::tensor::{HostTensor, Shape};
use pickle::{Id, Pickle, TensorOf, Value};

/// How files begin that PyTorch wrote before 1.6: a pickle of this number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// What checkpoints call the state dict that they hold.
const STATE_DICTS: &[&str] = &["state_dict", "model_state_dict", "model_state", "model", "net"];
/// Most dictionaries within each other.
const DEEPEST: usize = 16;
/// Most bytes of all names together.
const MOST_OF_NAMES: usize = 64 << 20;

/// Whether a file is one of PyTorch, by its content.
pub(super) fn is_torch(bytes: &[u8]) -> bool {
    bytes.starts_with(LEGACY) || is_zip_with(bytes, b"/data.pkl")
}

/// The tensors of a file, by name; those of a dictionary within another one have the names of both, with a
/// dot between them.
///
/// # Errors
/// When the file is damaged, or its pickle names what no state dict needs.
pub(super) fn tensors_of(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, Given>, ExchangeError> {
    let tensors = if bytes.starts_with(LEGACY) { of_legacy(bytes) } else { of_zip(bytes) };
    tensors.map_err(|problem| ExchangeError::Format {
        path: path.to_owned(),
        problem: format!(
            "{problem}. In Python, safetensors.torch.save_file(model.state_dict(), \
             \"w.safetensors\") writes a file that can be read"
        ),
    })
}

fn of_zip(bytes: &[u8]) -> Result<BTreeMap<String, Given>, String> {
    let entries = entries(bytes).map_err(|error| format!("no file of PyTorch: {error}"))?;
    // All entries lie in one folder, whatever its name.
    let inner = |name: &str| name.split_once('/').map(|(_, inner)| inner.to_owned());
    let entries: HashMap<String, Vec<u8>> =
        entries.into_iter().filter_map(|(name, bytes)| Some((inner(&name)?, bytes))).collect();
    let (pickle, _) = pickle::read(entries.get("data.pkl").ok_or("it has no data.pkl")?)?;
    let is_big = entries.get("byteorder").is_some_and(|order| order == b"big");
    let storage = |key: &str| entries.get(&format!("data/{key}")).map(Vec::as_slice);
    tensors(&pickle, &Storages { of: &storage, is_big })
}

fn of_legacy(bytes: &[u8]) -> Result<BTreeMap<String, Given>, String> {
    // The number, the version of the protocol, and what the machine was like.
    let mut rest = bytes;
    for _ in 0..3 {
        (_, rest) = pickle::read(rest)?;
    }
    let (pickle, rest) = pickle::read(rest)?;
    let (keys, mut rest) = pickle::read(rest)?;
    let Value::Sequence(ids) = &keys.values[keys.root] else {
        return Err("its storages have no names".to_owned());
    };
    let sizes: HashMap<&str, usize> =
        pickle.values.iter().filter_map(|value| storage_of(&pickle, value)).collect();
    let mut storages = HashMap::new();
    for &id in ids {
        let Value::Text(key) = &keys.values[id] else {
            return Err("its storages have no names".to_owned());
        };
        // Elements, which the kind of the storage knows the size of; a storage that nobody uses has none.
        let (count, after) = rest.split_first_chunk().ok_or("it was cut short")?;
        let size = sizes.get(key.as_str()).copied().unwrap_or(0);
        let length = usize::try_from(u64::from_le_bytes(*count)).ok();
        let length = length.and_then(|count| count.checked_mul(size));
        let split = length.and_then(|length| after.split_at_checked(length));
        let (storage, after) = split.ok_or("it was cut short")?;
        storages.insert(key.clone(), storage);
        rest = after;
    }
    let storage = |key: &str| storages.get(key).copied();
    tensors(&pickle, &Storages { of: &storage, is_big: false })
}

/// The key of a storage that a pickle refers to, and the bytes of its elements.
fn storage_of<'p>(pickle: &'p Pickle, value: &Value) -> Option<(&'p str, usize)> {
    let (kind, key) = kind_and_key(pickle, value)?;
    Some((key, element_of(kind).1))
}

fn kind_and_key<'p>(pickle: &'p Pickle, value: &Value) -> Option<(&'p str, &'p str)> {
    let Value::Persistent(parts) = value else { return None };
    let value = |i: usize| parts.get(i).map(|&id: &Id| &pickle.values[id]);
    match (value(0)?, value(1)?, value(2)?) {
        (Value::Text(what), Value::Global(pickle::Global::Storage(kind)), Value::Text(key))
            if what == "storage" =>
        {
            Some((kind, key))
        }
        _ => None,
    }
}

/// What elements of a storage are, and how many bytes each has.
fn element_of(kind: &str) -> (Element, usize) {
    match kind {
        "FloatStorage" => (Element::F32, 4),
        "DoubleStorage" => (Element::F64, 8),
        "HalfStorage" => (Element::F16, 2),
        "BFloat16Storage" => (Element::Bf16, 2),
        "LongStorage" | "ComplexFloatStorage" => (Element::Other, 8),
        "IntStorage" => (Element::Other, 4),
        "ShortStorage" => (Element::Other, 2),
        "ComplexDoubleStorage" => (Element::Other, 16),
        _ => (Element::Other, 1),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    F16,
    Bf16,
    F32,
    F64,
    /// No float: counters, masks.
    Other,
}

/// Where the bytes of storages are.
struct Storages<'a> {
    of: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    is_big: bool,
}

/// All tensors of the state dict that a pickle is, or holds.
fn tensors(pickle: &Pickle, storages: &Storages<'_>) -> Result<BTreeMap<String, Given>, String> {
    let mut tensors = BTreeMap::new();
    let mut waiting = vec![(String::new(), state_dict(pickle), 0)];
    let mut names = 0;
    while let Some((name, id, depth)) = waiting.pop() {
        match &pickle.values[id] {
            Value::Tensor(tensor) => {
                let given =
                    given(pickle, tensor, storages).map_err(|what| format!("{name}: {what}"))?;
                if tensors.insert(name.clone(), given).is_some() {
                    return Err(format!("{name} is there twice: expected each name once"));
                }
            }
            Value::Dict(items) => {
                for &(key, value) in items {
                    let key = match &pickle.values[key] {
                        Value::Text(key) => key.clone(),
                        Value::Int(key) => key.to_string(),
                        _ => continue,
                    };
                    let inner = if name.is_empty() { key } else { format!("{name}.{key}") };
                    names += inner.len() + 1;
                    if depth == DEEPEST || names > MOST_OF_NAMES {
                        return Err("its dictionaries hold one another without end".to_owned());
                    }
                    waiting.push((inner, value, depth + 1));
                }
            }
            _ => {}
        }
    }
    if tensors.is_empty() {
        return Err("it holds no tensor by name: expected a state dict, or a checkpoint with one"
            .to_owned());
    }
    Ok(tensors)
}

/// The state dict: what a pickle is about, or what a checkpoint, which has no tensors of its own, calls so.
fn state_dict(pickle: &Pickle) -> Id {
    let Value::Dict(items) = &pickle.values[pickle.root] else { return pickle.root };
    if items.iter().any(|&(_, value)| matches!(pickle.values[value], Value::Tensor(_))) {
        return pickle.root;
    }
    let named = |name: &&str| {
        let mut items = items.iter();
        items.find(|&&(key, _)| matches!(&pickle.values[key], Value::Text(key) if key == name))
    };
    let named = STATE_DICTS.iter().find_map(named);
    named.map_or(pickle.root, |&(_, value)| value)
}

fn given(pickle: &Pickle, tensor: &TensorOf, storages: &Storages<'_>) -> Result<Given, String> {
    let (kind, key) = kind_and_key(pickle, &pickle.values[tensor.storage])
        .ok_or("it is a view of what is no storage")?;
    let number = |&number: &u64| usize::try_from(number).ok();
    let all = |numbers: &[u64]| numbers.iter().map(number).collect::<Option<Vec<usize>>>();
    let (size, strides) = all(&tensor.size).zip(all(&tensor.strides)).ok_or("it is too large")?;
    if size.len() != strides.len() {
        return Err("it has a stride for each dimension of another tensor".to_owned());
    }
    let (element, bytes_each) = element_of(kind);
    if element == Element::Other {
        let dtype = kind.trim_end_matches("Storage").to_lowercase();
        return Ok(Given::Other { dtype, shape: Shape::from(size) });
    }
    let bytes = (storages.of)(key).ok_or_else(|| format!("the file lacks its storage {key}"))?;
    let indices = Indices::new(&size, &strides, usize::try_from(tensor.offset).ok())
        .filter(|indices| {
            // No larger than what it views: a stride of zero repeats without end.
            let stored = bytes.len() / bytes_each;
            indices.count <= stored && indices.end.is_some_and(|end| end <= stored)
        })
        .ok_or_else(|| format!("its storage {key} of {} bytes is too short", bytes.len()))?;
    let is_big = storages.is_big;
    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
    let values: Vec<f32> = match element {
        Element::F64 => viewed(bytes, indices, is_big, |value: f64| value as f32),
        Element::F16 => viewed(bytes, indices, is_big, |bits: u16| f16::from_bits(bits).to_f32()),
        Element::Bf16 => viewed(bytes, indices, is_big, |bits: u16| bf16::from_bits(bits).to_f32()),
        Element::F32 | Element::Other => viewed(bytes, indices, is_big, |value: f32| value),
    };
    HostTensor::from_f32(size, &values).map(Given::Floats).map_err(|error| error.to_string())
}

/// The numbers of a view, of a storage of which nothing else is looked at.
fn viewed<T: Pod>(
    bytes: &[u8],
    indices: Indices,
    is_big: bool,
    convert: impl Fn(T) -> f32,
) -> Vec<f32> {
    let elements = indices.map(|index| {
        let at = index * size_of::<T>();
        let mut element: T = pod_read_unaligned(&bytes[at..at + size_of::<T>()]);
        if is_big {
            bytes_of_mut(&mut element).reverse();
        }
        convert(element)
    });
    elements.collect()
}

/// The places of a view's elements in its storage, the last dimension innermost.
struct Indices {
    size: Vec<usize>,
    strides: Vec<usize>,
    at: Vec<usize>,
    next: usize,
    /// Elements that are left.
    count: usize,
    /// Behind the last place; none where it is beyond all numbers.
    end: Option<usize>,
}

impl Indices {
    fn new(size: &[usize], strides: &[usize], offset: Option<usize>) -> Option<Self> {
        let offset = offset?;
        let count = size.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
        let last = size.iter().zip(strides).try_fold(offset, |last, (&size, &stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
        let end = if count == 0 { Some(0) } else { last.and_then(|last| last.checked_add(1)) };
        let (size, strides) = (size.to_vec(), strides.to_vec());
        Some(Self { at: vec![0; size.len()], size, strides, next: offset, count, end })
    }
}

impl Iterator for Indices {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.count = self.count.checked_sub(1)?;
        let index = self.next;
        for dim in (0..self.size.len()).rev() {
            self.at[dim] += 1;
            self.next = self.next.wrapping_add(self.strides[dim]);
            if self.at[dim] < self.size[dim] {
                break;
            }
            self.next = self.next.wrapping_sub(self.strides[dim].wrapping_mul(self.size[dim]));
            self.at[dim] = 0;
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<BTreeMap<String, Given>, ExchangeError> {
        tensors_of(Path::new("w.pt"), bytes)
    }

    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!("../../../../../assets/golden/torch/", $name))
        };
    }

    const FILES: [(&str, &[u8]); 3] = [
        ("state_dict.pt", file!("state_dict.pt")),
        ("protocol_5.pt", file!("protocol_5.pt")),
        ("legacy.pt", file!("legacy.pt")),
    ];

    fn floats(given: &Given) -> (&[usize], &[f32]) {
        let Given::Floats(tensor) = given else { unreachable!("{given:?}") };
        (tensor.ty().dims(), tensor.f32s())
    }

    /// What `assets/golden/make_torch_files.py` wrote, of every type and view.
    #[test]
    fn state_dicts_of_every_format_have_the_numbers_that_pytorch_wrote() {
        for (name, bytes) in FILES {
            assert!(is_torch(bytes), "{name}");
            let tensors = read(bytes).expect(name);
            let whole: Vec<f32> = (0..24_u8).map(f32::from).collect();
            let expected: [(&str, &[usize], &[f32]); 10] = [
                ("conv.weight", &[2, 3], &whole[..6]),
                ("half", &[3], &[1.0, 2.0, 3.0]),
                ("brain", &[3], &[2.0, 3.0, 4.0]),
                ("double", &[2, 2], &[3.0, 4.0, 5.0, 6.0]),
                ("transposed", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
                ("slice", &[3, 2], &[5.0, 6.0, 9.0, 10.0, 13.0, 14.0]),
                ("whole", &[24], &whole),
                ("parameter", &[2], &[5.0, 6.0]),
                ("scalar", &[], &[2.5]),
                ("empty", &[0, 3], &[]),
            ];
            for (tensor, dims, values) in expected {
                assert_eq!(floats(&tensors[tensor]), (dims, values), "{tensor} of {name}");
            }
            assert_eq!(tensors["counter"].in_words(), "long []", "{name}");
            assert_eq!(tensors["mask"].in_words(), "bool [2]", "{name}");
            assert_eq!(tensors.len(), 12, "{name}");
        }
    }

    #[test]
    fn of_a_checkpoint_the_state_dict_counts() {
        let tensors = read(file!("checkpoint.pt")).expect("a state dict in it");
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        let norm = ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"];
        let norm = norm.map(|name| format!("1.{name}"));
        let expected = [vec!["0.bias", "0.weight"], norm.iter().map(String::as_str).collect()];
        assert_eq!(names, expected.concat());
        assert_eq!(floats(&tensors["0.weight"]).1, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    /// A module is code, and so is a call of the shell.
    #[test]
    fn what_is_no_tensor_is_refused_by_its_name() {
        let error = read(file!("module.pt")).expect_err("code").to_string();
        let parts =
            ["w.pt: it names torch.nn.modules.container.Sequential", "nothing in it is run"];
        for part in [parts[0], parts[1], "save_file(model.state_dict()"] {
            assert!(error.contains(part), "{error}");
        }
        for call in [
            &b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R."[..],
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        ] {
            let error = pickle::read(call).map(drop).expect_err("a call");
            assert!(error.contains("it names posix.system"), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        for (name, whole) in FILES {
            for cut in 0..whole.len() {
                assert!(read(&whole[..cut]).is_err(), "{name} cut at {cut}");
            }
            for at in 0..whole.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut bytes = whole.to_vec();
                    bytes[at] ^= flip;
                    let _ = read(&bytes);
                }
            }
        }
    }

    /// Views larger than what they view, tuples that hold themselves, numbers beyond all.
    #[test]
    fn pickles_that_are_made_to_grow_are_refused() {
        // A list that is appended to itself, and named by 10,000 calls.
        let list = b"\x80\x02]q\0h\0a";
        let calls = b"ctorch\nSize\nh\0\x85R0".repeat(10_000);
        let bytes = [&list[..], &calls, b"."].concat();
        let (pickle, rest) = pickle::read(&bytes).expect("small");
        assert!(pickle.values.len() < 30_000 && rest.is_empty());
        // A long tuple as the size of many tensors.
        let tuple = [&b"\x80\x02("[..], &b"K\x01".repeat(10_000), b"tq\0"].concat();
        let tensor = b"ctorch._utils\n_rebuild_tensor\n(NK\0h\0h\0tR0".repeat(1000);
        let error = pickle::read(&[&tuple[..], &tensor, b"."].concat()).map(drop);
        assert!(error.is_err_and(|error| error.contains("damaged")));
        let index = |size: &[usize], strides: &[usize]| {
            Indices::new(size, strides, Some(0)).and_then(|indices| indices.end)
        };
        assert_eq!(index(&[2, 3], &[3, 1]), Some(6));
        assert_eq!(index(&[0, 3], &[usize::MAX, 1]), Some(0));
        assert_eq!(index(&[2, 2], &[usize::MAX, 1]), None);
        assert_eq!(index(&[usize::MAX, 2], &[0, 0]), None);
    }
}
