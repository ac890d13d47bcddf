//! Tries of one operation under its deadline.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::connection::Connection;
use super::failure::Failure;
use super::{Error, OpenVswitch, Result};
use crate::socket::Subject;

/// A server that is being restarted is away this long; one that is away longer is not running.
const RESTART: Duration = Duration::from_millis(1500);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

impl OpenVswitch {
    pub(super) async fn connect(&self) -> std::result::Result<Connection, Failure> {
        Connection::open(&self.socket).await
    }

    /// Tries until it succeeds, fails for good or the deadline is over. A try starts by looking what is there, so
    /// one whose outcome was lost is simply made again.
    pub(super) async fn repeat<T, F>(&self, on: Subject<'_>, mut once: impl FnMut(Instant) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Failure>>,
    {
        let start = Instant::now();
        let deadline = start + self.deadline;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match timeout_at(deadline, once(deadline)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(self.no_answer(on, "it accepted the connection and is silent")),
            };
            let until = if matches!(failure, Failure::Unreachable(_)) {
                start + RESTART.min(self.deadline)
            } else {
                deadline
            };
            if !may_pass(&failure) || Instant::now() + pause >= until {
                return Err(self.told(on, failure));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn told(&self, on: Subject<'_>, failure: Failure) -> Error {
        let (operation, port) = (on.operation, on.link.to_owned());
        match failure {
            Failure::Unreachable(source) => Error::OvsAbsent { socket: self.socket.clone(), source },
            Failure::Lost(error) => self.no_answer(on, &format!("it closes the connection: {error}")),
            Failure::WaitTimedOut => self.no_answer(on, "somebody else keeps changing the port"),
            Failure::NotProcessed => {
                Error::OvsNotProcessed { operation, port, seconds: self.deadline.as_secs_f32() }
            }
            Failure::Refused(text) => Error::OvsRefused { operation, port, text },
            Failure::Malformed(text) => Error::OvsMalformed { socket: self.socket.clone(), text },
            Failure::Final(error) => error,
        }
    }

    fn no_answer(&self, on: Subject<'_>, cause: &str) -> Error {
        Error::OvsNoAnswer {
            operation: on.operation,
            port: on.link.to_owned(),
            socket: self.socket.clone(),
            seconds: self.deadline.as_secs_f32(),
            cause: cause.to_owned(),
        }
    }
}

fn may_pass(failure: &Failure) -> bool {
    match failure {
        // No socket yet, nobody behind it yet, or its queue is full.
        Failure::Unreachable(error) => matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
        ),
        Failure::Lost(_) | Failure::WaitTimedOut => true,
        _ => false,
    }
}
