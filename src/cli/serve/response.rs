//! What a client gets.

use std::io::{self, Write};

use super::request::Refused;

/// What a page from here may do: nothing but show itself and ask here for a newer one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    status: &'static str,
    content_type: &'static str,
    version: Option<String>,
    body: Vec<u8>,
}

impl Response {
    /// What was asked for, of a type.
    pub fn of(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: "200 OK", content_type, version: None, body: body.into() }
    }

    /// A line that says why there is something else.
    pub fn saying(status: &'static str, why: &str) -> Self {
        Self { status, ..Self::of("text/plain; charset=utf-8", format!("{why}\n")) }
    }

    /// With the version that it is of; without its body where the client has that.
    pub fn versioned(self, version: &str, if_none_match: &str) -> Self {
        let tag = format!("\"{version}\"");
        let is_known = if_none_match.split(',').any(|known| known.trim() == tag);
        let (status, body) =
            if is_known { ("304 Not Modified", Vec::new()) } else { (self.status, self.body) };
        Self { status, body, version: Some(tag), ..self }
    }

    /// Writes it, and says that the connection ends.
    pub fn write(&self, to: &mut impl Write, is_head: bool) -> io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-cache\r\nContent-Security-Policy: {POLICY}\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\n",
            self.status,
            self.content_type,
            self.body.len()
        );
        if let Some(version) = &self.version {
            head += &format!("ETag: {version}\r\n");
        }
        if self.status.starts_with("405") {
            head += "Allow: GET, HEAD\r\n";
        }
        to.write_all((head + "\r\n").as_bytes())?;
        if !is_head {
            to.write_all(&self.body)?;
        }
        to.flush()
    }
}

impl From<Refused> for Response {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::saying("400 Bad Request", "this is no HTTP request"),
            Refused::TooLong => {
                Self::saying("431 Request Header Fields Too Large", "the request is too long")
            }
            Refused::TooSlow => {
                Self::saying("408 Request Timeout", "the request did not come in time")
            }
            Refused::Method => {
                Self::saying("405 Method Not Allowed", "only GET and HEAD are answered")
            }
            Refused::Host => Self::saying(
                "421 Misdirected Request",
                "only requests to 127.0.0.1 and localhost are answered",
            ),
        }
    }
}
