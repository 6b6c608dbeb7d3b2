//! Decodes the pictures of a pass before they are asked for: on threads of its own, so many ahead and no
//! more.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Crops, Pictures};
use crate::data::DataError;

/// Reads the examples of a pass in their order.
///
/// Which bits an example has does not depend on the number of threads. There are as many as the machine
/// runs at once.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Position of the next example that is taken.
    next: usize,
    waited: Duration,
    waits: usize,
}

#[derive(Debug)]
struct Shared {
    pictures: Pictures,
    order: Vec<u32>,
    crops: Option<Crops>,
    ahead: usize,
    state: Mutex<State>,
    /// There is room for one more.
    room: Condvar,
    /// One more is ready.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Position that is read next.
    next: usize,
    /// Position that is taken next.
    taken: usize,
    ready: BTreeMap<usize, Result<Vec<u8>, DataError>>,
    /// The most pictures that were in memory at once.
    most: usize,
    ended: bool,
}

impl Loader {
    /// Starts to read the examples of `order` from position `from` on, at most `ahead` before they are
    /// taken.
    pub(in crate::data) fn start(
        pictures: Pictures,
        order: Vec<u32>,
        from: usize,
        ahead: usize,
        crops: Option<Crops>,
    ) -> Self {
        let state = State { next: from, taken: from, ..State::default() };
        let shared = Arc::new(Shared {
            pictures,
            order,
            crops,
            ahead: ahead.max(1),
            state: Mutex::new(state),
            room: Condvar::new(),
            arrived: Condvar::new(),
        });
        let start = |number: usize| {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("pictures-{number}"));
            // Without any thread, the one that takes examples reads them.
            thread.spawn(move || shared.work()).ok()
        };
        let threads = (0..rayon::current_num_threads()).map_while(start).collect();
        Self { shared, threads, next: from, waited: Duration::ZERO, waits: 0 }
    }

    /// Position of the example that [`Self::take`] gives next.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The pixels of the next example, `[height, width, channels]`; waits for them.
    ///
    /// # Errors
    ///
    /// If its file cannot be used; the message names it. If the order has no more examples.
    pub fn take(&mut self) -> Result<Vec<u8>, DataError> {
        let position = self.next;
        self.next += 1;
        if self.threads.is_empty() || position >= self.shared.order.len() {
            return self.shared.read(position);
        }
        let mut state = self.shared.lock();
        if !state.ready.contains_key(&position) {
            let began = Instant::now();
            while !state.ready.contains_key(&position) {
                state = self.shared.wait(&self.shared.arrived, state);
            }
            self.waited += began.elapsed();
            self.waits += 1;
        }
        let read = state.ready.remove(&position);
        state.taken = self.next;
        drop(state);
        self.shared.room.notify_one();
        read.unwrap_or_else(|| self.shared.read(position))
    }

    /// How long [`Self::take`] has waited so far, and for how many examples.
    pub fn waits(&self) -> (Duration, usize) {
        (self.waited, self.waits)
    }

    /// The most pictures that were in memory at once, decoded or under way.
    pub fn most_alive(&self) -> usize {
        self.shared.lock().most
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // It ends after the picture that it has in hand.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        on.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            while !state.ended && state.next >= state.taken + self.ahead {
                state = self.wait(&self.room, state);
            }
            if state.ended || state.next >= self.order.len() {
                return;
            }
            let position = state.next;
            state.next += 1;
            state.most = state.most.max(state.next - state.taken);
            drop(state);
            // A thread that is gone would be waited for in vain.
            let read = catch_unwind(AssertUnwindSafe(|| self.read(position)));
            let read = read.unwrap_or_else(|_| self.failed(position, "its decoder has failed"));
            state = self.lock();
            state.ready.insert(position, read);
            self.arrived.notify_one();
        }
    }

    fn read(&self, position: usize) -> Result<Vec<u8>, DataError> {
        match self.order.get(position).and_then(|&example| usize::try_from(example).ok()) {
            Some(example) => self.pictures.read(example, self.crops.as_ref()),
            None => self.failed(position, "the pass has no such example"),
        }
    }

    fn failed(&self, position: usize, problem: &str) -> Result<Vec<u8>, DataError> {
        let example = self.order.get(position).and_then(|&example| usize::try_from(example).ok());
        let file = example.and_then(|example| self.pictures.file(example)).unwrap_or("".as_ref());
        Err(DataError::malformed(file, problem))
    }
}
