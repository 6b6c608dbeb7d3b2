//! `verigrad report RUN --serve`, over real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::*;

const RUN: [&str; 2] = ["runs/digits-1", "--serve"];

/// A server, which ends with its test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_verigrad"))
            .arg("report")
            .args(args)
            .current_dir(folder)
            .env_remove("VERIGRAD_DATA")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let port = line
            .strip_prefix("serving  http://127.0.0.1:")
            .and_then(|rest| rest.split('/').next()?.parse().ok());
        let port = port.expect(&line);
        Self { child, port }
    }

    /// What comes back for these bytes, until the connection ends.
    fn sends(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        // It may answer and close before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Head and body of the answer to a request.
    fn asks(&self, method: &str, path: &str, header: &str) -> (String, String) {
        let host = format!("Host: 127.0.0.1:{}\r\n", self.port);
        let answer =
            self.sends(format!("{method} {path} HTTP/1.1\r\n{host}{header}\r\n").as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (String, String) {
        self.asks("GET", path, "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tag(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("ETag: "));
    line.expect(head).to_owned()
}

#[test]
fn a_page_is_served_and_made_anew_when_its_run_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    let server = Server::start(folder.path(), &RUN);
    let (head, page) = server.get("/");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/html"), "{head}");
    assert!(head.contains("Content-Security-Policy: default-src 'none'"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", page.len())), "{head}");
    assert!(page.contains("id=\"curves\"") || page.contains("id=\"loss\""), "no curves");
    let version = tag(&head);
    assert!(page.contains(&format!("data-version={version}")), "the script knows the version");
    assert!(server.get("/live.js").1.contains("fetch(\"/version\""));
    assert_eq!(format!("\"{}\"", server.get("/version").1), version);
    // Who has it gets no second one.
    let (head, body) = server.asks("GET", "/", &format!("If-None-Match: \"x\", {version}\r\n"));
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{head}");
    let (head, body) = server.asks("HEAD", "/", "");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head}");
    // On the disk is the page that is the same without a server.
    let file = fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(!file.contains("live.js"));

    // An epoch more: as when the run goes on.
    let csv = run.join("metrics.csv");
    let text = fs::read_to_string(&csv).expect("it is there");
    let last = text.lines().last().expect("an epoch").to_owned();
    let third = last.replacen('2', "3", 1);
    fs::write(&csv, format!("{text}{third}\n")).expect("written");
    let newer = server.get("/version").1;
    assert_ne!(format!("\"{newer}\""), version);
    let (head, changed) = server.get("/");
    assert_eq!(tag(&head), format!("\"{newer}\""));
    assert!(changed.contains("for 3 epochs") && page.contains("for 2 epochs"));

    // A file that is damaged for the moment: the page that there was stays.
    fs::write(&csv, "nonsense\n").expect("written");
    let (head, body) = server.get("/");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!((tag(&head), body), (format!("\"{newer}\""), changed));
}

/// A page that another name leads to, other methods, other paths, and what is no HTTP.
#[test]
fn what_is_not_for_it_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_run(folder.path());
    let server = Server::start(folder.path(), &["runs/digits-1", "--serve", "0"]);
    let status = |answer: &str| answer.lines().next().unwrap_or_default().to_owned();
    for host in ["evil.example", "127.0.0.1.evil.example", ""] {
        let answer = server.sends(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert!(status(&answer).contains("421") && !answer.contains("<html"), "{host}: {answer}");
    }
    let tunnel = server.sends(b"GET /version HTTP/1.1\r\nHost: localhost:9000\r\n\r\n");
    assert!(status(&tunnel).contains("200"), "{tunnel}");
    let (head, _) = server.asks("POST", "/", "Content-Length: 5\r\n");
    assert!(head.contains("405") && head.contains("Allow: GET, HEAD"), "{head}");
    for path in [
        "/recipe.toml",
        "/../recipe.toml",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/pictures/loss.svg",
        "http://127.0.0.1/",
        "*",
    ] {
        let (head, body) = server.get(path);
        assert!(
            head.contains("404") && body.starts_with("there is only the page"),
            "{path}: {head}"
        );
    }
    let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    assert!(status(&server.sends(&endless)).contains("431"));
    assert!(status(&server.sends(&vec![b'A'; 1 << 20])).contains("431"));
    assert!(status(&server.sends(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")).contains("400"));
    // Those that say nothing take no place for ever, and keep none from others.
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port)).expect("it listens"))
        .collect();
    assert!(server.get("/").0.contains("200"));
    let mut first = &silent[0];
    first.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
    let mut answer = String::new();
    first.read_to_string(&mut answer).expect("it ends");
    assert!(answer.contains("408"), "{answer}");
}

/// Other machines reach nothing: the address is that of the loopback interface. A port that is taken is told.
#[test]
fn ports_are_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_run(folder.path());
    let server = Server::start(folder.path(), &RUN);
    let port = server.port.to_string();
    let taken = ["report", "runs/digits-1", "--serve", port.as_str()];
    fails(folder.path(), &taken, 1, &[&port, "leave the port out"]);
    fails(folder.path(), &["report", "runs/digits-1", "--serve", "70000"], 2, &["70000"]);
    let two = ["report", "runs/digits-1", "runs/digits-1", "--serve"];
    fails(folder.path(), &two, 2, &["--serve takes one run", "2"]);
    fails(folder.path(), &["report", "absent", "--serve"], 1, &["absent"]);
    #[cfg(target_os = "linux")]
    {
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells");
        let local = format!("0100007F:{:04X} 00000000:0000 0A", server.port);
        assert!(table.contains(&local), "it listens on 127.0.0.1");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_run(folder.path());
    for name in ["-INT", "-TERM"] {
        let mut server = Server::start(folder.path(), &RUN);
        super::resume::signal(&server.child, name);
        assert!(server.child.wait().expect("it ends").success(), "{name}");
    }
}

/// While a run trains, its page needs no data set, and has no pictures of it.
#[cfg(unix)]
#[test]
fn the_page_of_a_run_that_trains_follows_it() {
    use super::resume::{folder_with_recipe, signal, start, wait_for_step};
    let folder = folder_with_recipe();
    let args = ["train", "tiny.toml", "--device", "cpu", "--set", "epochs=100000"];
    let child = start(folder.path(), &args);
    wait_for_step(folder.path(), 52);
    let server = Server::start(folder.path(), &["runs/tiny-1", "--serve"]);
    let (head, page) = server.get("/");
    assert!(page.contains("come with the end of the run"), "{page}");
    let version = tag(&head);
    let began = std::time::Instant::now();
    while format!("\"{}\"", server.get("/version").1) == version {
        assert!(began.elapsed() < Duration::from_secs(60), "no epoch more");
    }
    assert_ne!(tag(&server.get("/").0), version);
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let (_, page) = server.get("/");
    assert!(page.contains("Feature maps of test image 0"), "now there is time for pictures");
}
