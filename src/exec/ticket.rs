//! The promise of a buffer's content.

use std::fmt;

use super::ExecError;

/// The content of a buffer, now or later.
pub struct ReadTicket(State);

enum State {
    Ready(Vec<u8>),
    Pending(Box<dyn PendingRead>),
}

/// A read that a device has not finished yet.
pub(super) trait PendingRead {
    /// The content, if it has arrived.
    fn poll(&mut self) -> Result<Option<Vec<u8>>, ExecError>;
    /// Waits for the content.
    fn wait(self: Box<Self>) -> Result<Vec<u8>, ExecError>;
}

impl ReadTicket {
    pub(super) fn ready(bytes: Vec<u8>) -> Self {
        Self(State::Ready(bytes))
    }

    pub(super) fn pending(read: impl PendingRead + 'static) -> Self {
        Self(State::Pending(Box::new(read)))
    }

    /// Whether the content has arrived; never waits.
    ///
    /// # Errors
    /// When the device reports an error.
    pub fn is_ready(&mut self) -> Result<bool, ExecError> {
        if let State::Pending(read) = &mut self.0
            && let Some(bytes) = read.poll()?
        {
            self.0 = State::Ready(bytes);
        }
        Ok(matches!(self.0, State::Ready(_)))
    }

    /// The content; waits for it where it has not arrived.
    ///
    /// # Errors
    /// When the device reports an error.
    pub fn wait(self) -> Result<Vec<u8>, ExecError> {
        match self.0 {
            State::Ready(bytes) => Ok(bytes),
            State::Pending(read) => read.wait(),
        }
    }
}

impl fmt::Debug for ReadTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "ReadTicket(ready)",
            State::Pending(_) => "ReadTicket(pending)",
        })
    }
}
