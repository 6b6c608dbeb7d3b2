//! Formats that are no weights of ours, known by their first bytes: an error names what a file is.

/// How zip files begin.
pub(in crate::train) const ZIP: &[u8] = b"PK\x03\x04";

/// What Python writes in place of a pickle.
const SAVE_FILE: &str = "in Python, write the state dict with \
    safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")";

/// What is read wherever weights of other programs are.
const IMPORT: &str = "bring it into a recipe's form with verigrad weights import";

/// What a file is that is neither safetensors, NPZ, a state dict of PyTorch nor a file of Keras, and what to do with it; none where its bytes do
/// not tell.
pub(in crate::train) fn other_format(bytes: &[u8]) -> Option<String> {
    if begins_as_safetensors(bytes) {
        return None;
    }
    let arrays =
        "in Python, write numpy.savez(\"w.npz\", ...) with the names of the recipe's layers";
    let keras = "load it in Keras, and write model.save_weights(\"w.weights.h5\")";
    let (what, advice) = match bytes {
        [] => ("an empty file", "get or write it again"),
        _ if bytes.starts_with(ZIP) || bytes.starts_with(b"PK\x05\x06") => return Some(zip(bytes)),
        [0x80, 2..=5, ..] => ("a pickle of Python, and none that torch.save wrote", SAVE_FILE),
        _ if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => {
            ("an HDF5 file, as Keras writes it", IMPORT)
        }
        _ if bytes.starts_with(b"GGUF") => (
            "a GGUF file of a language model",
            "give the weights of an image classifier as .safetensors or .npz",
        ),
        _ if bytes.starts_with(b"\x93NUMPY") => (
            "a single array of NumPy",
            "write all of the model's arrays by name with numpy.savez(\"w.npz\", **arrays)",
        ),
        _ if is_onnx(bytes) => (
            "an ONNX model",
            "in Python, write its initializers by name with numpy.savez(\"w.npz\", **arrays), or export \
             the state dict of the model that it was made of as safetensors",
        ),
        _ if bytes.get(4..8) == Some(b"TFL3") => ("a TensorFlow Lite model", arrays),
        _ if bytes.ends_with(b"\x57\xfb\x80\x8b\x24\x75\x47\xdb") => {
            ("the index of a TensorFlow checkpoint", keras)
        }
        _ if bytes.get(257..262) == Some(b"ustar") => ("a tar archive", "unpack it first"),
        [0x1f, 0x8b, ..] => ("a file packed by gzip", "unpack it first"),
        _ => return text(bytes),
    };
    Some(sentence(what, advice))
}

/// The length of the header, then its brace. The length alone may look like any other format.
fn begins_as_safetensors(bytes: &[u8]) -> bool {
    /// What the crate reads at most.
    const MOST_OF_A_HEADER: u64 = 100_000_000;
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| length <= MOST_OF_A_HEADER) && bytes.get(8) == Some(&b'{')
}

fn sentence(what: &str, advice: &str) -> String {
    format!(
        "this is {what}: expected safetensors, NPZ, a state dict of PyTorch or a file of Keras; {advice}"
    )
}

/// What a zip file is of, by the names in it.
fn zip(bytes: &[u8]) -> String {
    /// Bytes at each end in which names are looked for.
    const LOOKED_AT: usize = 1 << 16;
    let ends =
        [&bytes[..bytes.len().min(LOOKED_AT)], &bytes[bytes.len().saturating_sub(LOOKED_AT)..]];
    let has = |name: &[u8]| ends.iter().any(|end| end.windows(name.len()).any(|part| part == name));
    let (what, advice) = if has(b"data.pkl") {
        ("a file of PyTorch with a pickle in it, as torch.save writes it", SAVE_FILE)
    } else if has(b"model.weights.h5") {
        ("a model of Keras", IMPORT)
    } else if has(b".npy") {
        ("an NPZ file of NumPy", IMPORT)
    } else {
        ("a zip file without arrays", "unpack it first, and give the .safetensors or .npz file")
    };
    sentence(what, advice)
}

/// A message of protocol buffers that begins as `ModelProto` does: with the version of the format, then
/// the name of the program that made it, the domain or the graph.
/// <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>
fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=30, 0x12 | 0x1a | 0x22 | 0x3a, ..])
}

/// Texts that lie where weights should.
fn text(bytes: &[u8]) -> Option<String> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let start = &bytes[start..];
    let begins = |with: &str| {
        start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    let (what, advice) = if begins("version https://git-lfs") {
        ("a pointer of Git LFS to a file that was not fetched", "fetch it with git lfs pull")
    } else if begins("<!doctype") || begins("<html") || begins("<?xml") || begins("<head") {
        ("a page of a web site", "open the link in a browser and save the file itself")
    } else if begins("model_checkpoint_path") {
        (
            "the list of checkpoints that TensorFlow keeps",
            "load one there, and write its arrays by name with numpy.savez(\"w.npz\", **arrays)",
        )
    } else if begins("{") && contains(start, b"\"weight_map\"") {
        ("the index of weights in several files", "give one file; in Python, load all and save one")
    } else if begins("{") || begins("[") {
        ("a text of JSON", "give the file of the weights themselves")
    } else {
        return None;
    };
    Some(sentence(what, advice))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_goes_by_its_name() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 22] = [
            (b"", "empty file"),
            (b"PK\x03\x04....archive/data.pkl", "pickle in it"),
            (b"PK\x03\x04....model.weights.h5", "model of Keras"),
            (b"PK\x03\x04....conv1.weight.npy", "NPZ"),
            (b"PK\x05\x06", "zip file without arrays"),
            (b"\x80\x02}q\0.", "pickle of Python"),
            (b"\x80\x05\x95", "pickle of Python"),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"\x93NUMPY\x01\0", "single array"),
            (b"\x08\x08\x12\x07pytorch\x1a\x05", "ONNX"),
            (b"\x1c\0\0\0TFL3\0", "TensorFlow Lite"),
            (b"\0\0\x57\xfb\x80\x8b\x24\x75\x47\xdb", "index of a TensorFlow checkpoint"),
            (&tar, "tar archive"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "Git LFS"),
            (b"\n<!DOCTYPE html><html>", "page of a web site"),
            (b"<html><body>404", "page of a web site"),
            (b"model_checkpoint_path: \"ckpt\"", "TensorFlow keeps"),
            (b"{\"metadata\": {}, \"weight_map\": {}}", "several files"),
            (b"{\"error\":\"no access\"}", "JSON"),
            (b"[1]", "JSON"),
        ];
        for (bytes, part) in cases {
            let told = other_format(bytes).unwrap_or_default();
            assert!(
                told.contains(part)
                    && told
                        .contains("expected safetensors, NPZ, a state dict of PyTorch or a file"),
                "{told}"
            );
        }
        // The length of a header of safetensors, then the header.
        for length in 0_u64..1 << 16 {
            let bytes = [&length.to_le_bytes()[..], b"{\"w\": {}}"].concat();
            assert_eq!(other_format(&bytes), None, "{length}");
        }
        assert_eq!(other_format(&[7; 300]), None);
    }
}
