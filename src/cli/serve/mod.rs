//! The page of a run for a browser on this machine, made anew when the run's files have changed.
//!
//! | file | what |
//! |---|---|
//! | `live_page` | the page, and which version of it there is |
//! | `request` | what a client may ask |
//! | `response` | what it gets |
//! | `server` | connections, from the first to Ctrl-C |

mod live_page;
mod request;
mod response;
mod server;

pub(super) use live_page::LivePage;
pub(super) use server::serve;
