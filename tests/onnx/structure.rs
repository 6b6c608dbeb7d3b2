//! What every file must be: decodable, each name made once and before it is used, nothing without use, and
//! as many numbers as shapes say.

use std::collections::HashSet;

use prost::Message;
use verigrad::onnx::proto::{GraphProto, ModelProto, ValueInfoProto, data_type};
use verigrad::onnx::{IMAGE, LOGITS, PROBABILITIES};

/// Reads a file again.
pub fn decoded(bytes: &[u8]) -> ModelProto {
    ModelProto::decode(bytes).expect("a message of the format")
}

/// The sizes of a value's type; none for one that has a name in place of a number.
fn sizes(value: &ValueInfoProto) -> Vec<Option<i64>> {
    let ty = value.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref()).expect("a tensor");
    assert_eq!(ty.elem_type, data_type::FLOAT, "{}", value.name);
    let shape = ty.shape.as_ref().expect("a shape");
    for dim in shape.dim.iter().filter(|dim| dim.dim_value.is_none()) {
        assert_eq!(dim.dim_param.as_deref(), Some("batch"), "{}", value.name);
    }
    shape.dim.iter().map(|dim| dim.dim_value).collect()
}

/// Looks at a graph for images `[height, width, channels]` and a number of classes.
pub fn check(name: &str, graph: &GraphProto, image: [usize; 3], classes: usize) {
    let size = |n: usize| i64::try_from(n).expect("small");
    let ([h, w, c], classes) = (image.map(size), size(classes));
    let [input] = graph.input.as_slice() else { panic!("{name}: one input") };
    assert_eq!(input.name, IMAGE);
    assert_eq!(sizes(input), [None, Some(c), Some(h), Some(w)], "{name}");
    let outputs: Vec<&str> = graph.output.iter().map(|value| value.name.as_str()).collect();
    assert_eq!(outputs, [LOGITS, PROBABILITIES], "{name}");
    for output in &graph.output {
        assert_eq!(sizes(output), [None, Some(classes)], "{name}");
    }

    let mut names = HashSet::new();
    let mut values: HashSet<&str> = HashSet::from([IMAGE]);
    let mut unused = HashSet::new();
    for constant in &graph.initializer {
        let constant_name = constant.name.as_str();
        assert!(names.insert(constant_name), "{name}: {constant_name} is there twice");
        assert!(values.insert(constant_name), "{name}: {constant_name} is made twice");
        unused.insert(constant_name);
        let bytes = match constant.data_type {
            data_type::FLOAT => 4,
            data_type::INT64 => 8,
            data_type::UINT8 | data_type::INT8 => 1,
            other => panic!("{name}: {constant_name} has elements of type {other}"),
        };
        let elements: i64 = constant.dims.iter().product();
        let found = i64::try_from(constant.raw_data.len()).expect("small");
        assert_eq!(found, elements * bytes, "{name}: {constant_name} {:?}", constant.dims);
    }
    for node in &graph.node {
        assert!(names.insert(&node.name), "{name}: node {} is there twice", node.name);
        // An input without a name is left out.
        for input in node.input.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            assert!(values.contains(input), "{name}: {} reads {input} too early", node.name);
            unused.remove(input);
        }
        for output in node.output.iter().map(String::as_str) {
            assert!(values.insert(output), "{name}: {output} is made twice");
            unused.insert(output);
        }
    }
    for output in outputs {
        assert!(values.contains(output), "{name}: nothing makes {output}");
        unused.remove(output);
    }
    assert!(unused.is_empty(), "{name}: nothing reads {unused:?}");
}
