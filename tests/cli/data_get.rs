//! `data get`, and what is said of a set that is missing. No test leaves the machine: known mirrors lie
//! behind a proxy that nobody is at.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// Runs the binary with a proxy for all but the loopback interface.
fn offline(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder)
        .env_remove("VERIGRAD_DATA")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("the binary runs")
}

/// A server that answers each request with as many zeros.
fn zeros(count: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            if lines.take_while(|line| !line.is_empty()).count() == 0 {
                continue;
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\nConnection: close\r\n\r\n");
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![0; count]));
        }
    });
    address
}

#[test]
fn a_missing_set_is_told_with_the_command_that_gets_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (args, command) in [
        (&["train", "mnist-cnn", "--device", "cpu"][..], "`verigrad data get mnist`"),
        (&["train", "cifar10-custom", "--device", "cpu"], "`verigrad data get cifar10`"),
        (
            &["data", "export", "mnist-cnn", "--data-dir", "sets", "-o", "x.csv"],
            "`verigrad data get mnist --data-dir sets`",
        ),
    ] {
        let output = offline(folder.path(), args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(command) && told.contains("files missing from"), "{told}");
        // Nobody is there to answer.
        assert!(!told.contains("[y/N]"), "{told}");
    }
}

#[test]
fn other_bytes_and_mirrors_that_nobody_is_at_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = zeros(9_912_422);
    let output = offline(folder.path(), &["data", "get", "mnist", "--mirror", &address]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "train-images-idx3-ubyte.gz could not be had:",
        &format!("{address}/train-images-idx3-ubyte.gz: SHA-256 "),
        "expected 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz: ",
        "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz: ",
        "--mirror URL names a folder that holds the file",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let kept = fs::read_dir(folder.path().join("data/mnist")).expect("the folder").count();
    assert_eq!(kept, 0);

    let output = offline(folder.path(), &["data", "get", "mnist", "--mirror", "/some/folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected an address that begins with https://"));
    let output = offline(folder.path(), &["data", "get", "imagenet"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("fashion-mnist"), "{}", stderr(&output));
}

/// Two pictures of each part are a set, if a small one: it is read, and not got again.
#[test]
fn a_set_that_is_there_is_not_got_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mnist = folder.path().join("sets/mnist");
    fs::create_dir_all(&mnist).expect("a folder");
    for part in ["train", "t10k"] {
        let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28][..], &[9; 2 * 784]];
        fs::write(mnist.join(format!("{part}-images-idx3-ubyte")), images.concat())
            .expect("a file");
        let labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
        fs::write(mnist.join(format!("{part}-labels-idx1-ubyte")), labels).expect("a file");
    }
    let output = offline(folder.path(), &["data", "get", "mnist", "--data-dir", "sets"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "there    mnist: 2 training and 2 test images\n");
}
