//! What a client may ask: the head of an HTTP request, of bounded size and within bounded time.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes of a head at most, and lines of it: browsers send less than a tenth.
const MOST_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// Time for all of it.
const TIME: Duration = Duration::from_secs(5);

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether the head of the answer is enough.
    pub is_head: bool,
    /// What is asked for, without what follows a question mark.
    pub path: String,
    /// The versions that the client has, as it says.
    pub if_none_match: String,
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no HTTP.
    Malformed,
    /// Its head is too long.
    TooLong,
    /// It did not come in time, or not as a whole.
    TooSlow,
    /// It is neither `GET` nor `HEAD`.
    Method,
    /// It means another host: a name that leads here may belong to somebody else's page.
    Host,
}

/// Reads the head of a request.
///
/// # Errors
/// Why it is refused.
pub(super) fn read(stream: &mut TcpStream) -> Result<Request, Refused> {
    let end = Instant::now() + TIME;
    let mut head = Vec::new();
    let mut part = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Refused::TooSlow);
        }
        let n = match stream.read(&mut part) {
            Ok(0) => return Err(Refused::TooSlow),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Refused::TooSlow),
        };
        head.extend_from_slice(part.get(..n).unwrap_or_default());
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
        if head.len() >= MOST_BYTES {
            return Err(Refused::TooLong);
        }
    }
}

/// The request of a head; none where more of it is to come.
fn parse(head: &[u8]) -> Result<Option<Request>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
        Err(_) => return Err(Refused::Malformed),
    }
    let all = |name: &'static str| {
        let headers = request.headers.iter();
        headers.filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut hosts = all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_here(&text(host.value)) => {}
        _ => return Err(Refused::Host),
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Refused::Method),
    };
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let known: Vec<String> = all("if-none-match").map(|header| text(header.value)).collect();
    Ok(Some(Request { is_head, path, if_none_match: known.join(",") }))
}

/// Whether a `Host` means this machine. The port may be another one, as behind a tunnel of ssh.
fn is_here(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_number = port.chars().all(|c| c.is_ascii_digit());
    is_number && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_head_is_a_request() {
        let head =
            "GET /version?x=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nIf-None-Match: \"a\"\r\n\r\n";
        let request = parse(head.as_bytes()).expect("good").expect("whole");
        let expected = Request {
            is_head: false,
            path: "/version".to_owned(),
            if_none_match: "\"a\"".to_owned(),
        };
        assert_eq!(request, expected);
        for end in 0..head.len() {
            assert_eq!(parse(&head.as_bytes()[..end]), Ok(None), "{end}");
        }
        let head = "HEAD / HTTP/1.0\r\nhost: LocalHost\r\n\r\n";
        assert!(parse(head.as_bytes()).expect("good").expect("whole").is_head);
    }

    #[test]
    fn what_may_not_be_asked_is_refused() {
        let refused = |head: &str| parse(head.as_bytes()).expect_err(head);
        let with_host = |host: &str| refused(&format!("GET / HTTP/1.1\r\n{host}\r\n"));
        for host in [
            "",
            "Host: evil.example\r\n",
            "Host: 127.0.0.1.evil.example\r\n",
            "Host: localhost.evil.example:80\r\n",
            "Host: 127.0.0.1:80@evil.example\r\n",
            "Host: evil.example:127\r\n",
            "Host: \r\n",
            "Host: 127.0.0.1\r\nHost: evil.example\r\n",
        ] {
            assert_eq!(with_host(host), Refused::Host, "{host:?}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(refused(&head), Refused::Method, "{method}");
        }
        for head in [
            "\u{1}\u{2}\r\n\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
        ] {
            assert_eq!(refused(head), Refused::Malformed, "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MOST_HEADERS + 1));
        assert_eq!(refused(&many), Refused::TooLong);
    }
}
