//! One file from whichever mirror has it. What has come lies in a file that ends in `.part` until all of it
//! is there and has the checksum, so that the next attempt, or the next command, goes on behind it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::Agent;

use super::catalog::PublishedFile;
use crate::input;

/// Attempts that bring nothing before the next mirror is tried.
const ATTEMPTS: u32 = 3;
/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub connect: Duration,
    /// Until the answer begins, and between two parts of it.
    pub silence: Duration,
    /// Before another attempt; twice as long before the second one in vain.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            pause: Duration::from_secs(1),
        }
    }
}

/// Why a set could not be had.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error(
        "cannot write {}: {source}; make room, or name another folder with --data-dir. What has come so \
         far is kept, and the same command goes on there",
        path.display()
    )]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is being written by another command: wait for it", path.display())]
    Busy { path: PathBuf },
    #[error(
        "{file} could not be had:\n  {}\n{}",
        tries.join("\n  "),
        "the same command goes on where it ended; --mirror URL names a folder that holds the file"
    )]
    NoMirror { file: String, tries: Vec<String> },
    #[error(
        "interrupted: {have} of {bytes} bytes of {file} are kept; the same command goes on there"
    )]
    Interrupted { file: String, have: u64, bytes: u64 },
    #[error("{}: {problem}", path.display())]
    Archive { path: PathBuf, problem: String },
}

impl FetchError {
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Write { path, source }
    }
}

/// What ends an attempt.
enum Stop {
    /// This machine cannot, or shall not, go on.
    Here(FetchError),
    /// The server did not do what was asked for; whether it may do so yet.
    There { problem: String, again: bool },
}

impl Stop {
    fn there(problem: impl Into<String>) -> Self {
        Self::There { problem: problem.into(), again: true }
    }
}

/// Downloads files.
pub(super) struct Downloader<'a> {
    mirrors: &'a [String],
    agent: Agent,
    patience: Patience,
    interrupted: &'a AtomicBool,
}

impl<'a> Downloader<'a> {
    /// Proxies are those of the environment.
    pub fn new(mirrors: &'a [String], patience: Patience, interrupted: &'a AtomicBool) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .http_status_as_error(false)
            .user_agent(concat!("verigrad/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { mirrors, agent: config.into(), patience, interrupted }
    }

    /// Gets a file into a folder; tells from where. `progress` learns how many bytes are there.
    pub fn file(
        &self,
        file: &PublishedFile,
        folder: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<String, FetchError> {
        let (path, part) = (folder.join(&file.name), folder.join(format!("{}.part", file.name)));
        let options = OpenOptions::new().create(true).append(true).open(&part);
        let mut out = options.map_err(FetchError::write(&part))?;
        match out.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: part }),
            // Not every file system has locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut tries = Vec::new();
        for mirror in self.mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
            let problem = match self.attempts(&url, file, (&mut out, &part), progress) {
                Ok(()) => {
                    out.sync_all().map_err(FetchError::write(&part))?;
                    let found = sha256_of(&part).map_err(FetchError::write(&part))?;
                    if found == file.sha256 {
                        drop(out);
                        fs::rename(&part, &path).map_err(FetchError::write(&path))?;
                        return Ok(url);
                    }
                    out.set_len(0).map_err(FetchError::write(&part))?;
                    format!(
                        "SHA-256 {found}, expected {}: the file was changed there or on the way, and \
                         nothing of it is kept",
                        file.sha256
                    )
                }
                Err(Stop::There { problem, .. }) => problem,
                Err(Stop::Here(error)) => {
                    remove_if_empty(out, &part);
                    return Err(error);
                }
            };
            log::info!("{url}: {problem}");
            tries.push(format!("{url}: {problem}"));
        }
        remove_if_empty(out, &part);
        Err(FetchError::NoMirror { file: file.name.clone(), tries })
    }

    /// Asks one mirror as long as it brings something.
    fn attempts(
        &self,
        url: &str,
        file: &PublishedFile,
        (out, part): (&mut File, &Path),
        progress: &dyn Fn(u64),
    ) -> Result<(), Stop> {
        let mut in_vain = 0;
        loop {
            let have = length(out, part)?;
            if have == file.bytes {
                return Ok(());
            }
            let stop = match self.attempt(url, file, (out, part), progress) {
                Ok(()) => continue,
                Err(stop) => stop,
            };
            let Stop::There { problem, again: true } = stop else { return Err(stop) };
            in_vain = if length(out, part)? > have { 0 } else { in_vain + 1 };
            if in_vain == ATTEMPTS {
                return Err(Stop::There { problem, again: false });
            }
            log::info!("{url}: {problem}; again");
            thread::sleep(self.patience.pause * in_vain.max(1));
        }
    }

    /// Asks for what is missing, and writes what comes, until all is there or no more comes.
    fn attempt(
        &self,
        url: &str,
        file: &PublishedFile,
        (out, part): (&mut File, &Path),
        progress: &dyn Fn(u64),
    ) -> Result<(), Stop> {
        let mut have = length(out, part)?;
        if have > file.bytes {
            empty(out, part)?;
            have = 0;
        }
        let mut request = self.agent.get(url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        self.check_interrupted(file, have)?;
        let response = request.call().map_err(|error| {
            let again = match &error {
                // Nobody is there.
                ureq::Error::Io(error) => error.kind() != io::ErrorKind::ConnectionRefused,
                ureq::Error::Timeout(_) => true,
                _ => false,
            };
            Stop::There { problem: error.to_string(), again }
        })?;
        let text = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        match response.status().as_u16() {
            206 if text("content-range").starts_with(&format!("bytes {have}-")) => {}
            206 | 416 => {
                empty(out, part)?;
                return Err(Stop::there(format!("it did not send what follows byte {have}")));
            }
            // The whole file, whatever was asked for.
            200 => {
                if have > 0 {
                    empty(out, part)?;
                }
                have = 0;
            }
            status => {
                let again = status >= 500 || status == 429;
                let problem = format!("the server answered {status}, expected 200");
                return Err(Stop::There { problem, again });
            }
        }
        let mut body = response.into_body().into_reader().take(file.bytes - have);
        let mut block = vec![0; BLOCK];
        loop {
            progress(have);
            self.check_interrupted(file, have)?;
            let count = body.read(&mut block).map_err(|error| {
                Stop::there(format!("it broke off after {have} bytes: {error}"))
            })?;
            if count == 0 {
                break;
            }
            out.write_all(&block[..count])
                .map_err(|error| Stop::Here(FetchError::write(part)(error)))?;
            have += u64::try_from(count).unwrap_or(u64::MAX);
        }
        if have < file.bytes {
            return Err(Stop::there(format!("it ended after {have} of {} bytes", file.bytes)));
        }
        Ok(())
    }

    fn check_interrupted(&self, file: &PublishedFile, have: u64) -> Result<(), Stop> {
        if self.interrupted.load(Ordering::Relaxed) {
            let (file, bytes) = (file.name.clone(), file.bytes);
            return Err(Stop::Here(FetchError::Interrupted { file, have, bytes }));
        }
        Ok(())
    }
}

/// Whether a file is there, and is the published one.
pub(super) fn is_whole(file: &PublishedFile, path: &Path) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == file.bytes);
    same_size && sha256_of(path).is_ok_and(|found| found == file.sha256)
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let (mut file, _) = input::open(path, u64::MAX)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hash.update(&block[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn length(out: &File, part: &Path) -> Result<u64, Stop> {
    let metadata = out.metadata().map_err(|error| Stop::Here(FetchError::write(part)(error)))?;
    Ok(metadata.len())
}

fn empty(out: &File, part: &Path) -> Result<(), Stop> {
    out.set_len(0).map_err(|error| Stop::Here(FetchError::write(part)(error)))
}

/// No trace is left of what brought nothing.
fn remove_if_empty(out: File, part: &Path) {
    let is_empty = out.metadata().is_ok_and(|metadata| metadata.len() == 0);
    drop(out);
    if is_empty && let Err(error) = fs::remove_file(part) {
        log::debug!("{}: {error}", part.display());
    }
}
