//! Downloads from a server on the loopback interface that breaks off, lies and sends other bytes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::*;

/// What the server answers.
#[derive(Clone)]
struct Reply {
    status: &'static str,
    headers: Vec<String>,
    /// What the header says of the length.
    claimed: usize,
    body: Vec<u8>,
}

impl Reply {
    fn of(status: &'static str, body: &[u8]) -> Self {
        Self { status, headers: Vec::new(), claimed: body.len(), body: body.to_vec() }
    }

    /// What follows a byte, as a server that knows ranges sends it.
    fn rest(whole: &[u8], start: usize) -> Self {
        let header = format!("Content-Range: bytes {start}-{}/{}", whole.len() - 1, whole.len());
        let reply = Self::of("206 Partial Content", &whole[start..]);
        Self { headers: vec![header], ..reply }
    }

    fn claiming(self, claimed: usize) -> Self {
        Self { claimed, ..self }
    }

    fn cut(self, length: usize) -> Self {
        let mut body = self.body;
        body.truncate(length);
        Self { body, ..self }
    }
}

/// A path, and the first byte that was asked for.
type Request = (String, Option<usize>);

/// Answers requests by their number, counted from 0, and keeps them.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answer: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        // It ends with the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(request) = stream.as_ref().ok().and_then(read_request) else { continue };
                let number = {
                    let mut kept = kept.lock().expect("no test panics with it");
                    kept.push(request.clone());
                    kept.len() - 1
                };
                if let Ok(stream) = stream {
                    // A client that has what it wants goes.
                    let _ = send(stream, &answer(number, &request));
                }
            }
        });
        Self { address, requests }
    }

    fn starts(&self) -> Vec<Option<usize>> {
        let requests = self.requests.lock().expect("no test panics with it");
        requests.iter().map(|(_, start)| *start).collect()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let start = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let start = value.strip_prefix("bytes=")?.strip_suffix('-')?;
        name.eq_ignore_ascii_case("range").then(|| start.parse().ok())?
    });
    Some((path, start))
}

fn send(mut stream: TcpStream, reply: &Reply) -> std::io::Result<()> {
    let Reply { status, headers, claimed, body } = reply;
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n{headers}\r\n"
    )?;
    stream.write_all(body)
}

/// 300,000 bytes, none like its neighbors.
fn content() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes().into_iter().take(1))
        .collect()
}

fn published(name: &str, bytes: &[u8]) -> PublishedFile {
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    PublishedFile { name: name.to_owned(), bytes: bytes.len() as u64, sha256 }
}

const HURRY: Patience = Patience {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(5),
    pause: Duration::ZERO,
};

/// Gets the file `x` from mirrors into a folder.
fn get_x(folder: &Path, mirrors: &[&str]) -> Result<String, FetchError> {
    let mirrors: Vec<String> = mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
    let interrupted = AtomicBool::new(false);
    let downloader = Downloader::new(&mirrors, HURRY, &interrupted);
    downloader.file(&published("x", &content()), folder, &|_| {})
}

/// Names in a folder, with sizes.
fn listed(folder: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.map(|entry| (name(&entry), entry.metadata().expect("it is there").len())).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn assert_got(folder: &Path) {
    assert!(fs::read(folder.join("x")).expect("it was got") == content());
    assert_eq!(listed(folder).len(), 1, "{:?}", listed(folder));
}

#[test]
fn what_breaks_off_is_resumed() {
    let whole = content();
    let server = Server::new(move |number, (_, start)| match (number, start) {
        (0, None) => Reply::of("200 OK", &whole).cut(100_000),
        (1, &Some(start)) => Reply::rest(&whole, start).cut(50_000),
        (_, &Some(start)) => Reply::rest(&whole, start),
        (_, None) => Reply::of("500 Odd", b""),
    });
    let folder = folder();
    let from = get_x(folder.path(), &[&server.address]).expect("in three parts");
    assert_eq!(from, format!("{}/x", server.address));
    assert_eq!(server.starts(), [None, Some(100_000), Some(150_000)]);
    assert_got(folder.path());
}

#[test]
fn a_server_that_ignores_ranges_starts_anew() {
    let whole = content();
    let server = Server::new(move |_, _| Reply::of("200 OK", &whole));
    let folder = folder();
    fs::write(folder.path().join("x.part"), [7; 1000]).expect("a part");
    get_x(folder.path(), &[&server.address]).expect("all of it");
    assert_eq!(server.starts(), [Some(1000)]);
    assert_got(folder.path());
}

#[test]
fn lengths_and_ranges_that_are_wrong_do_no_harm() {
    let whole = content();
    let server = Server::new(move |number, (_, start)| match (number, start) {
        // Ends early, as it says.
        (0, _) => Reply::of("200 OK", &whole).cut(10).claiming(10),
        // Another part than it was asked for.
        (1, _) => Reply::rest(&whole, 20),
        // A terabyte, it says.
        (_, Some(start)) => Reply::rest(&whole, *start).claiming(1 << 40),
        (_, None) => Reply::of("200 OK", &whole).claiming(1 << 40),
    });
    let folder = folder();
    fs::write(folder.path().join("x.part"), vec![7; 400_000]).expect("more than all of it");
    get_x(folder.path(), &[&server.address]).expect("all of it, in the end");
    assert_eq!(server.starts(), [None, Some(10), None]);
    assert_got(folder.path());
}

#[test]
fn a_part_that_nothing_follows_is_dropped() {
    let whole = content();
    let server = Server::new(move |_, (_, start)| match start {
        Some(_) => Reply::of("416 Range Not Satisfiable", b""),
        None => Reply::of("200 OK", &whole),
    });
    let folder = folder();
    fs::write(folder.path().join("x.part"), [7; 1000]).expect("a part");
    get_x(folder.path(), &[&server.address]).expect("all of it");
    assert_eq!(server.starts(), [Some(1000), None]);
    assert_got(folder.path());
}

#[test]
fn other_bytes_are_told_and_not_kept() {
    let mut changed = content();
    changed[7] ^= 1;
    let found = published("x", &changed).sha256;
    let server = Server::new(move |_, _| Reply::of("200 OK", &changed));
    let folder = folder();
    let error = get_x(folder.path(), &[&server.address]).expect_err("changed").to_string();
    let expected = published("x", &content()).sha256;
    for part in [
        "x could not be had:",
        &format!(
            "{}/x: SHA-256 {found}, expected {expected}: the file was changed",
            server.address
        ),
        "--mirror URL",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    assert!(listed(folder.path()).is_empty());
}

#[test]
fn the_next_mirror_is_asked_and_redirects_are_followed() {
    let whole = content();
    let server = Server::new(move |_, (path, _)| match path.as_str() {
        "/b/x" => Reply {
            headers: vec!["Location: /c/x".to_owned()],
            ..Reply::of("302 Found", b"elsewhere")
        },
        "/c/x" => Reply::of("200 OK", &whole),
        _ => Reply::of("404 Not Found", b"no such file"),
    });
    let folder = folder();
    let mirror = |name: &str| format!("{}/{name}", server.address);
    let error = get_x(folder.path(), &[&mirror("a")]).expect_err("not there").to_string();
    assert!(error.contains("/a/x: the server answered 404, expected 200"), "{error}");
    assert!(listed(folder.path()).is_empty());
    let nobody = "http://127.0.0.1:1";
    let from = get_x(folder.path(), &[nobody, &mirror("a"), &mirror("b/")]).expect("at the third");
    assert_eq!(from, mirror("b/x"));
    assert_got(folder.path());
}

/// One that answers with nothing is given up, but what came before is kept for the next command.
#[test]
fn a_server_that_goes_silent_is_given_up() {
    let whole = content();
    let server = Server::new(move |number, _| match number {
        0 => Reply::of("200 OK", &whole).cut(1000),
        _ => Reply::of("503 Service Unavailable", b""),
    });
    let folder = folder();
    let error = get_x(folder.path(), &[&server.address]).expect_err("silent").to_string();
    assert!(error.contains("answered 503") && error.contains("goes on where it ended"), "{error}");
    assert_eq!(server.starts().len(), 4);
    assert_eq!(listed(folder.path()), BTreeMap::from([("x.part".to_owned(), 1000)]));
}

#[test]
fn an_interruption_keeps_what_has_come() {
    let whole = content();
    let server = Server::new(move |_, (_, start)| match start {
        Some(start) => Reply::rest(&whole, *start),
        None => Reply::of("200 OK", &whole),
    });
    let folder = folder();
    let interrupted = AtomicBool::new(false);
    let mirrors = [server.address.clone()];
    let downloader = Downloader::new(&mirrors, HURRY, &interrupted);
    let file = published("x", &content());
    let stop = |at| interrupted.store(at > 0, Ordering::Relaxed);
    let error = downloader.file(&file, folder.path(), &stop).expect_err("interrupted");
    assert!(matches!(error, FetchError::Interrupted { .. }), "{error}");
    let kept = listed(folder.path())["x.part"];
    assert!(kept > 0 && kept < 300_000, "{kept}");
    assert!(
        error.to_string().contains(&format!("{kept} of 300000 bytes of x are kept")),
        "{error}"
    );
    get_x(folder.path(), &[&server.address]).expect("the rest");
    assert_eq!(server.starts(), [None, usize::try_from(kept).ok()]);
    assert_got(folder.path());
}

#[test]
fn one_command_at_a_time_writes_a_file() {
    let folder = folder();
    let part = fs::File::create(folder.path().join("x.part")).expect("a part");
    part.try_lock().expect("nobody else has it");
    let error = get_x(folder.path(), &["http://127.0.0.1:1"]).expect_err("locked").to_string();
    assert!(error.contains("x.part is being written by another command"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = folder();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").expect("a file");
    let error = get_x(&blocked, &["http://127.0.0.1:1"]).expect_err("no folder").to_string();
    assert!(error.contains("cannot write") && error.contains("--data-dir"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let whole = content();
    let server = Server::new(move |_, _| Reply::of("200 OK", &whole));
    let folder = folder();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("x.part")).expect("a link");
    let error = get_x(folder.path(), &[&server.address]).expect_err("full").to_string();
    assert!(error.contains("x.part: No space left") && error.contains("make room"), "{error}");
}

/// The header of an entry of a tar archive.
fn header(path: &str, kind: u8, size: usize) -> [u8; 512] {
    let mut header = [0_u8; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A tar archive of entries: path, kind, content.
fn archive(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, kind, content) in entries {
        tar.extend(header(path, *kind, content.len()));
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    packed(&tar)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("into memory");
    gzip.finish().expect("into memory")
}

fn set_of(archive: &[u8], mirror: &str) -> Published {
    Published {
        name: "set".to_owned(),
        folder: "set".to_owned(),
        form: Form::Archive,
        files: vec![published("set.tar.gz", archive)],
        mirrors: vec![mirror.to_owned()],
    }
}

#[test]
fn an_archive_becomes_its_folder() {
    let whole = archive(&[
        ("set/", b'5', b""),
        ("set/a.bin", b'0', &[1; 700]),
        ("./set/b.txt", b'0', b"text"),
    ]);
    let served = whole.clone();
    let server = Server::new(move |_, _| Reply::of("200 OK", &served));
    let folder = folder();
    let set = set_of(&whole, &server.address);
    let interrupted = AtomicBool::new(false);
    // The second time into a folder that lacks a file and has another one damaged.
    for _ in 0..2 {
        get(&set, folder.path(), &[], &interrupted).expect("it is there");
        assert_eq!(listed(folder.path()).into_keys().collect::<Vec<_>>(), ["set"]);
        let place = place(&set, folder.path());
        assert_eq!(fs::read(place.join("a.bin")).expect("unpacked"), [1; 700]);
        assert_eq!(fs::read(place.join("b.txt")).expect("unpacked"), b"text");
        fs::write(place.join("a.bin"), "damaged").expect("a file");
        fs::remove_file(place.join("b.txt")).expect("a file");
    }
}

#[test]
fn archives_that_are_not_what_they_should_be_leave_nothing() {
    let good = archive(&[("set/a", b'0', &[1; 700])]);
    let mut damaged = vec![0; 512];
    damaged[0] = b's';
    for (bytes, part) in [
        (
            archive(&[("set/a", b'0', b"1"), ("../b", b'0', b"2")]),
            "it holds ../b: expected files in set",
        ),
        (archive(&[("set/../b", b'0', b"2")]), "it holds set/../b"),
        (archive(&[("set/.hidden", b'0', b"2")]), "it holds set/.hidden"),
        (archive(&[("/etc/x", b'0', b"2")]), "it holds /etc/x"),
        (archive(&[("set/a", b'0', b"1"), ("set/b", b'2', b"")]), "set/b: an entry of kind 2"),
        (archive(&[]), "holds no files"),
        (packed(&damaged), "lacks its checksum"),
        (good[..good.len() / 2].to_vec(), "set.tar.gz: "),
        (b"no archive".to_vec(), "the archive is damaged"),
        (packed(&header("set/a", b'0', 300 << 20)), "unpacks to more than it can hold"),
    ] {
        let folder = folder();
        let path = folder.path().join("set.tar.gz");
        fs::write(&path, &bytes).expect("an archive");
        let error = unpack::unpack(&path, "set", folder.path()).expect_err(part).to_string();
        assert!(error.contains(part), "no {part:?} in {error}");
        assert_eq!(listed(folder.path()).into_keys().collect::<Vec<_>>(), ["set.tar.gz"]);
    }
}
