//! Files that Keras and h5py wrote, files of ours, and what is no file of Keras.

use std::fs;

use super::write::{KerasWeights, Written};
use super::*;
use crate::data::Normalization;
use crate::nn::{
    BatchNorm, Conv2d, ConvTranspose2d, Dense, Flatten, GlobalAvgPool2d, Layer, Residual, layers,
};
use crate::tensor::HostTensor;
use crate::train::store::exchange::converter::Exchange;
use crate::train::store::exchange::keras::model::Kind;
use crate::train::store::exchange::selection::Selection;
use crate::train::{FileLayout, ModelPrograms, WeightFile};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../assets/golden/keras/", $name))
    };
}

/// What `assets/golden/make_keras_files.py` wrote.
const SEQUENTIAL: [(&str, &[u8]); 3] = [
    ("w.weights.h5", file!("sequential.weights.h5")),
    ("w.h5", file!("sequential.h5")),
    ("w.keras", file!("sequential.keras")),
];
const NESTED: [(&str, &[u8]); 3] = [
    ("w.weights.h5", file!("nested.weights.h5")),
    ("w.h5", file!("nested.h5")),
    ("w.keras", file!("nested.keras")),
];
const TYPES: [&[u8]; 2] = [file!("types.h5"), file!("types_v114.h5")];

fn read_bytes(bytes: &[u8]) -> Result<(BTreeMap<String, Given>, KerasLayers), ExchangeError> {
    read(Path::new("w.h5"), bytes.to_vec())
}

fn programs(layers: &[Layer], image: [usize; 3]) -> ModelPrograms {
    let normalization = Normalization::new(image[2], vec![0.0; image[2]], vec![1.0; image[2]]);
    ModelPrograms::new(layers, image, 3, normalization.expect("valid")).expect("it fits")
}

/// What is known of a model for images of `[6, 6, 1]`, and a file that was read.
fn opened(
    layers: &[Layer],
    (name, bytes): (&str, &[u8]),
) -> Result<(Exchange, WeightFile), ExchangeError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    let exchange = Exchange::of(None, &programs(layers, [6, 6, 1])).expect("no branches");
    let file = WeightFile::read(&path)?;
    assert_eq!(file.layout(), FileLayout::Keras);
    Ok((exchange, file))
}

fn imported(
    layers: &[Layer],
    file: (&str, &[u8]),
) -> Result<BTreeMap<String, HostTensor>, ExchangeError> {
    let (exchange, file) = opened(layers, file)?;
    let imported = exchange.import(&file, FileLayout::Keras, &Selection::default())?;
    Ok(imported.weights.into_iter().collect())
}

/// Shape and first number of each tensor must be these, and the numbers count from there on.
fn assert_numbers(weights: &BTreeMap<String, HostTensor>, expected: &[(&str, &[usize], f32)]) {
    assert_eq!(weights.len(), expected.len());
    for (name, dims, first) in expected {
        let tensor = &weights[*name];
        assert_eq!(tensor.ty().dims(), *dims, "{name}");
        let mut number = *first;
        for &value in tensor.f32s() {
            assert!((value - number).abs() < 1e-6, "{name}: {value} where {number} was expected");
            number += 1.0;
        }
    }
}

#[test]
fn all_formats_of_a_sequential_model_have_the_numbers_that_keras_gave_them() {
    let layers = layers![
        Conv2d::new(2, 2),
        Conv2d::new(4, 2).groups(2),
        BatchNorm::default(),
        GlobalAvgPool2d {},
        Dense::new(4),
        Dense::new(3).no_bias(),
    ];
    for (name, bytes) in SEQUENTIAL {
        let weights = imported(&layers, (name, bytes)).expect(name);
        assert_numbers(
            &weights,
            &[
                ("conv1.weight", &[2, 2, 1, 2], 1000.0),
                ("conv1.bias", &[2], 1100.0),
                ("conv2.weight", &[2, 2, 1, 4], 2000.0),
                ("conv2.bias", &[4], 2100.0),
                ("norm1.weight", &[4], 3000.0),
                ("norm1.bias", &[4], 3100.0),
                ("norm1.running_mean", &[4], 3200.0),
                ("norm1.running_variance", &[4], 3300.0),
                ("dense1.weight", &[4, 4], 4000.0),
                ("dense1.bias", &[4], 4100.0),
                ("dense2.weight", &[4, 3], 5000.0),
            ],
        );
    }
}

/// A model within a model, images that Keras normalizes, a separable convolution.
#[test]
fn a_nested_model_needs_a_file_that_tells_the_order() {
    let layers = layers![
        Conv2d::new(2, 2),
        BatchNorm::default(),
        Conv2d::new(2, 2).groups(2).no_bias(),
        Conv2d::new(3, 1),
        GlobalAvgPool2d {},
        Dense::new(3),
    ];
    for &(name, bytes) in &NESTED[1..] {
        let weights = imported(&layers, (name, bytes)).expect(name);
        assert_numbers(
            &weights,
            &[
                ("conv1.weight", &[2, 2, 1, 2], 1000.0),
                ("conv1.bias", &[2], 1100.0),
                ("norm1.weight", &[2], 2000.0),
                ("norm1.bias", &[2], 2100.0),
                ("norm1.running_mean", &[2], 2200.0),
                ("norm1.running_variance", &[2], 2300.0),
                ("conv2.weight", &[2, 2, 1, 2], 3000.0),
                ("conv3.weight", &[1, 1, 2, 3], 3100.0),
                ("conv3.bias", &[3], 3200.0),
                ("dense1.weight", &[3, 3], 4000.0),
                ("dense1.bias", &[3], 4100.0),
            ],
        );
    }
    // Of the inner model alone, kinds tell which is which.
    let head = layers![Conv2d::new(2, 2), BatchNorm::default(), GlobalAvgPool2d {}, Dense::new(3)];
    let prefix = Some("layers/sequential/".to_owned());
    let selection = Selection { prefix, ignore: Vec::new() };
    let (exchange, file) = opened(&head, NESTED[0]).expect("a file");
    let part = exchange.import_in_part(&file, FileLayout::Keras, &selection).expect("a part");
    let names: Vec<&str> = part.weights.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias"];
    assert_eq!(names, [&expected[..], &["norm1.running_mean", "norm1.running_variance"]].concat());
    assert_eq!(part.weights[1].1.f32s(), [1100.0, 1101.0]);
    assert_eq!(part.taken.prefix, Some(("layers/sequential/".to_owned(), 6)));

    // What does not fit is told by our names, with which layers were taken for which.
    let other = layers![Conv2d::new(2, 3), BatchNorm::default(), Flatten {}, Dense::new(3)];
    let error = imported(&other, NESTED[2]).expect_err("others").to_string();
    for part in [
        "conv1.weight has shape [2, 2, 1, 2], the model expects [3, 3, 1, 2]",
        "no tensor called layers/separable_conv2d/vars/0",
        "layers of the file (5: layers/sequential/layers/conv2d, ",
        "taken for those of the model (3: conv1, norm1, dense1) by order",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn floats_of_each_type_and_storage_are_read() {
    for bytes in TYPES {
        let (tensors, layers) = read_bytes(bytes).expect("floats");
        assert_eq!(layers.layers.len(), 1);
        for at in [0, 1, 2, 3, 4, 5, 6, 10] {
            let Given::Floats(tensor) = &tensors[&format!("layers/dense/vars/{at}")] else {
                unreachable!("{at}")
            };
            assert_eq!(tensor.ty().dims(), [2, 3], "{at}");
            assert_eq!(tensor.f32s(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{at}");
        }
        let words = |at: usize| tensors[&format!("layers/dense/vars/{at}")].in_words();
        assert_eq!(
            [words(7), words(8), words(9)],
            ["[]", "integers of 64 bits [3]", "truth values [2]"]
        );
        // Ten comes behind nine.
        assert_eq!(layers.layers[0].tensors[10], "layers/dense/vars/10");
    }
}

#[test]
fn both_layouts_come_back_bit_by_bit_and_are_the_same_each_time() {
    let block = layers![Conv2d::new(4, 3).same().no_bias(), BatchNorm::default()];
    let shortcut = layers![Conv2d::new(4, 1)];
    let layers = layers![
        Conv2d::new(3, 3).same(),
        Conv2d::new(6, 3).groups(3),
        ConvTranspose2d::new(5, 2),
        Residual::new(block).shortcut(shortcut),
        Flatten {},
        Dense::new(3),
    ];
    let model = programs(&layers, [6, 6, 1]);
    let exchange = Exchange::of(None, &model).expect("it has a form");
    let mut number = 0.5_f32;
    let mut tensor = |name: &String, shape: &crate::tensor::Shape| {
        let next = |_| {
            number = -number * 1.001;
            number
        };
        let values: Vec<f32> = (0..shape.elements()).map(next).collect();
        (name.clone(), HostTensor::from_f32(shape.clone(), &values).expect("all"))
    };
    let mut weights: BTreeMap<_, _> =
        model.parameters.iter().map(|p| tensor(&p.name, &p.shape)).collect();
    weights.extend(model.states.iter().map(|s| tensor(&s.name, &s.shape)));
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["w.weights.h5", "w.h5"] {
        let path = folder.path().join(name);
        let keras = exchange.to_keras(&weights).expect("it has a form");
        keras.write(&path).expect("written");
        let first = fs::read(&path).expect("a file");
        let file = WeightFile::read(&path).expect("ours");
        let back = exchange.import(&file, FileLayout::Keras, &Selection::default());
        let back: BTreeMap<_, _> = back.expect("all").weights.into_iter().collect();
        assert_eq!(back, weights, "{name}");
        keras.write(&path).expect("written again");
        assert!(fs::read(&path).expect("a file") == first, "{name}");
    }
    let error = exchange.to_keras(&weights).expect("it has a form").write(Path::new("w.keras"));
    assert!(error.is_err_and(|error| error.to_string().contains(".weights.h5")));
}

/// A small file in each layout of ours, and one of h5py.
fn small() -> Vec<Vec<u8>> {
    let tensor = |dims: &[usize]| {
        let values = vec![1.0; dims.iter().product()];
        HostTensor::from_f32(dims.to_vec(), &values).expect("all")
    };
    let layer = |name: &str, dims: &[usize]| Written {
        name: name.to_owned(),
        kind: Kind::Dense,
        tensors: vec![("kernel", tensor(dims)), ("bias", tensor(&dims[1..]))],
    };
    let weights = KerasWeights { layers: vec![layer("dense1", &[2, 3]), layer("dense2", &[3, 2])] };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        weights.write(&path).expect("written");
        fs::read(path).expect("a file")
    };
    vec![write("w.weights.h5"), write("w.h5"), TYPES[1].to_vec()]
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    for whole in small() {
        assert!(read_bytes(&whole).is_ok());
        for cut in 0..whole.len() {
            let error = read_bytes(&whole[..cut]).expect_err("a cut file has no weights");
            assert!(error.to_string().starts_with("w.h5: "), "{error}");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let _ = read_bytes(&bytes);
            }
        }
    }
    for (_, whole) in [SEQUENTIAL, NESTED].concat() {
        for at in (0..whole.len()).step_by(31) {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0xff;
            let _ = read_bytes(&bytes);
            assert!(read_bytes(&whole[..at]).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn what_is_no_file_of_keras_is_explained() {
    use ::hdf5_pure::FileBuilder;
    let empty = FileBuilder::new().finish().expect("empty");
    let error = read_bytes(&empty).expect_err("no layers").to_string();
    assert!(error.contains("w.h5: it holds no layer with weights"), "{error}");

    let mut file = FileBuilder::new();
    let mut layers = file.create_group("layers");
    let mut dense = layers.create_group("dense");
    let mut vars = dense.create_group("vars");
    vars.create_dataset("0").with_f32_data(&[1.0; 4]).with_shape(&[4]);
    dense.add_group(vars.finish());
    layers.add_group(dense.finish());
    file.add_group(layers.finish());
    let whole = file.finish().expect("small");
    assert!(read_bytes(&whole).is_ok());
    let archive = |entries: &[(&str, &[u8])]| {
        let entries: Vec<_> =
            entries.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        crate::train::store::exchange::zip::archive(&entries).expect("into memory")
    };
    let config = br#"{"config": {"layers": [{"class_name": "Conv2D"}]}}"#;
    for (file, part) in [
        (archive(&[(WEIGHTS, &whole)]), "it has no config.json"),
        (archive(&[(WEIGHTS, &whole), (CONFIG, b"{")]), "config.json: "),
        (archive(&[(WEIGHTS, &whole), (CONFIG, b"{}")]), "lists no layers"),
        (archive(&[(WEIGHTS, &whole), (CONFIG, config)]), "no place for layers/dense"),
    ] {
        let error = read_bytes(&file).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}
