//! Connections, from the first to Ctrl-C: each has a thread, a single request, and little time.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::live_page::{LivePage, SCRIPT};
use super::request::{self, Request};
use super::response::Response;
use crate::cli::failure::Failure;
use crate::cli::{interrupt, output};

/// Connections at a time; further ones are told to come again.
const MOST_CONNECTIONS: usize = 32;
/// Time for an answer to be taken.
const TIME: Duration = Duration::from_secs(10);
/// Time in which what a client sends beyond its request is taken and dropped.
const DRAIN: Duration = Duration::from_secs(1);
/// Time between two looks for a connection or a signal.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves `page` on the loopback interface alone until a signal ends it. Port 0 is any free one.
///
/// # Errors
/// When the port cannot be had.
pub(in crate::cli) fn serve(page: LivePage, port: u16) -> Result<(), Failure> {
    interrupt::flag()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        format!(
            "port {port} of 127.0.0.1 cannot be had: {error}; leave the port out for a free one"
        )
    })?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    output::line(format_args!("serving  http://{address}/ until Ctrl-C"));
    let (page, open) = (Arc::new(Mutex::new(page)), Arc::new(AtomicUsize::new(0)));
    while !interrupt::has_come() {
        match listener.accept() {
            Ok((stream, _)) => begin(stream, &page, &open),
            // None is waiting, or one has gone away, or there are too many files open.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
    Ok(())
}

/// Answers a connection on a thread of its own.
fn begin(stream: TcpStream, page: &Arc<Mutex<LivePage>>, open: &Arc<AtomicUsize>) {
    /// Counts a connection as long as it lives.
    struct Open(Arc<AtomicUsize>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let before = open.fetch_add(1, Ordering::Relaxed);
    let (page, open) = (page.clone(), Open(open.clone()));
    let work = move || {
        let _open = open;
        let is_busy = before >= MOST_CONNECTIONS;
        // A client that has gone away is no failure.
        if let Err(error) = answer(stream, is_busy, &page) {
            log::debug!("a connection ended early: {error}");
        }
    };
    // Without a thread the connection is closed.
    let started = thread::Builder::new().name("connection".to_owned()).spawn(work);
    started.map_or_else(|error| log::warn!("no thread for a connection: {error}"), drop);
}

fn answer(mut stream: TcpStream, is_busy: bool, page: &Mutex<LivePage>) -> std::io::Result<()> {
    // Some systems hand on what the listener has.
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(TIME))?;
    if is_busy {
        return Response::saying("503 Service Unavailable", "too many connections")
            .write(&mut stream, false);
    }
    let (response, is_head) = match request::read(&mut stream) {
        Ok(request) => (respond(&request, page), request.is_head),
        Err(refused) => (refused.into(), false),
    };
    response.write(&mut stream, is_head)?;
    // What was sent beyond the head would make the system drop the answer.
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PAUSE))?;
    let (mut rest, end) = ([0; 4096], Instant::now() + DRAIN);
    while Instant::now() < end && stream.read(&mut rest)? > 0 {}
    Ok(())
}

fn respond(request: &Request, page: &Mutex<LivePage>) -> Response {
    let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
    match request.path.as_str() {
        "/" => match page.newest() {
            Ok(made) => Response::of("text/html; charset=utf-8", made.html)
                .versioned(&made.version, &request.if_none_match),
            Err(why) => Response::saying("500 Internal Server Error", &why),
        },
        "/version" => Response::of("text/plain; charset=utf-8", page.version()),
        "/live.js" => Response::of("text/javascript; charset=utf-8", SCRIPT),
        _ => Response::saying("404 Not Found", "there is only the page, at /"),
    }
}
