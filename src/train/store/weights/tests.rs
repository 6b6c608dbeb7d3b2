//! Weight files: every bit there and back, and damage of every kind.

use std::fs;

use super::*;

fn sample() -> Vec<(String, HostTensor)> {
    let tensor = |dims: Vec<usize>, values: &[f32]| {
        HostTensor::from_f32(dims, values).expect("the sample's counts agree")
    };
    vec![
        ("conv1.weight".to_owned(), tensor(vec![1, 1, 2, 2], &[0.5, -1.0, f32::MIN, 3.25])),
        ("conv1.bias".to_owned(), tensor(vec![2], &[f32::NAN, f32::INFINITY])),
        ("scale".to_owned(), tensor(vec![], &[7.0])),
        ("empty".to_owned(), tensor(vec![0, 3], &[])),
    ]
}

fn metadata() -> BTreeMap<String, String> {
    (0..20).map(|i| (format!("key {i}"), format!("\"value\" {i}\n"))).collect()
}

fn saved(folder: &Path) -> PathBuf {
    let path = folder.join("w.safetensors");
    save_weights(&path, &sample(), &metadata()).expect("the sample can be saved");
    path
}

#[test]
fn a_round_trip_keeps_every_bit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loaded = load_weights(&saved(folder.path())).expect("what was saved can be loaded");
    assert_eq!(loaded.len(), 4);
    for (name, tensor) in sample() {
        assert_eq!(loaded[&name].ty(), tensor.ty());
        assert_eq!(loaded[&name].words(), tensor.words());
    }
}

#[test]
fn the_same_weights_give_the_same_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = fs::read(saved(folder.path())).expect("it was saved");
    let mut reversed = sample();
    reversed.reverse();
    let path = folder.path().join("again");
    save_weights(&path, &reversed, &metadata()).expect("the sample can be saved");
    assert!(first == fs::read(path).expect("it was saved"), "the files differ");
}

#[test]
fn other_readers_find_the_metadata() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = fs::read(saved(folder.path())).expect("it was saved");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a valid header");
    let found: BTreeMap<_, _> = header.metadata().clone().expect("metadata").into_iter().collect();
    let mut expected = metadata();
    expected.insert(HASH_KEY.to_owned(), found[HASH_KEY].clone());
    assert_eq!(found, expected);
    assert_eq!(weights_metadata(&folder.path().join("w.safetensors")).expect("a file"), found);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = fs::read(saved(folder.path())).expect("it was saved");
    let path = folder.path().join("cut");
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).expect("a shorter file");
        let error = load_weights(&path).expect_err("a cut file has no weights");
        let expected = if len == 0 { "an empty file" } else { "cut short" };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn damage_anywhere_never_panics() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = fs::read(saved(folder.path())).expect("it was saved");
    let path = folder.path().join("damaged");
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x15;
        fs::write(&path, &bytes).expect("a damaged file");
        match load_weights(&path) {
            // Only the metadata, which say nothing of the weights, may differ.
            Ok(loaded) => {
                for (name, tensor) in sample() {
                    assert_eq!(loaded[&name].words(), tensor.words(), "byte {position}");
                }
            }
            Err(
                WeightsError::Malformed { .. }
                | WeightsError::Changed { .. }
                | WeightsError::NotFloat { .. },
            ) => {}
            Err(error) => unreachable!("{error}"),
        }
    }
    fs::write(&path, u64::MAX.to_le_bytes()).expect("a damaged file");
    load_weights(&path).expect_err("the header would be larger than memory");
}

/// Every bit of the tensors is covered, and the message names what was expected and found.
#[test]
fn a_flipped_bit_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = saved(folder.path());
    let whole = fs::read(&path).expect("it was saved");
    let expected = weights_metadata(&path).expect("a file")[HASH_KEY].clone();
    let data: usize = sample().iter().map(|(_, tensor)| tensor.bytes().len()).sum();
    for position in whole.len() - data..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[position] ^= 1 << bit;
            fs::write(&path, &bytes).expect("a damaged file");
            let error = load_weights(&path).expect_err("another bit").to_string();
            assert!(error.contains("w.safetensors") && error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let tensors: BTreeMap<_, _> = sample().into_iter().collect();
    let error = check_finite(Path::new("w"), &tensors).expect_err("NaN and an infinity");
    let text = error.to_string();
    assert!(text.contains("2 of the weights") && text.contains("NaN in conv1.bias"), "{text}");
    assert!(text.contains("element 0"), "{text}");
    let finite = tensors.into_iter().filter(|(name, _)| name != "conv1.bias").collect();
    check_finite(Path::new("w"), &finite).expect("numbers");
}

#[test]
fn tensors_of_another_type_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("w.safetensors");
    let tensor = HostTensor::from_u32([1], &[1]).expect("one value");
    let error = save_weights(&path, &[("step".to_owned(), tensor)], &BTreeMap::new())
        .expect_err("integers are no weights");
    assert!(error.to_string().contains("step holds u32"), "{error}");
    assert!(!path.exists());

    let mut bytes = b"\x38\0\0\0\0\0\0\0".to_vec();
    bytes.extend(br#"{"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#);
    bytes[0] = u8::try_from(bytes.len() - 8).expect("a short header");
    bytes.extend([0, 0]);
    fs::write(&path, &bytes).expect("a file");
    let error = load_weights(&path).expect_err("half floats are not supported");
    assert!(error.to_string().contains("half holds F16"), "{error}");
}

#[test]
fn names_must_be_unique_and_free() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("w.safetensors");
    let mut twice = sample();
    twice.push(twice[0].clone());
    save_weights(&path, &twice, &BTreeMap::new()).expect_err("one name, two tensors");
    let mut reserved = sample();
    METADATA_KEY.clone_into(&mut reserved[0].0);
    save_weights(&path, &reserved, &BTreeMap::new()).expect_err("the format's own name");
    assert!(!path.exists());
}

#[test]
fn the_hash_sees_names_shapes_elements_and_order() {
    let base = sha256_of_weights(&sample());
    assert_eq!(base.len(), 64);
    let mut renamed = sample();
    renamed[0].0.push('x');
    let mut reshaped = sample();
    reshaped[0].1 = HostTensor::from_f32([4], reshaped[0].1.f32s()).expect("four values");
    let mut changed = sample();
    changed[0].1.words_mut()[3] ^= 1;
    let mut reordered = sample();
    reordered.swap(0, 1);
    for other in [renamed, reshaped, changed, reordered] {
        assert_ne!(sha256_of_weights(&other), base);
    }
}
