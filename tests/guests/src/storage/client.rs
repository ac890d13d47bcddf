//! A caller of one of the services, through the front.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::{Cloud, World};

use crate::text;

/// The services' programs need their time in a guest.
const PATIENCE: Duration = Duration::from_secs(90);

/// Somebody at a service.
#[derive(Debug, Clone)]
pub struct Session {
    cloud: Cloud,
    who: &'static str,
    /// What comes before the paths of the service.
    base: String,
}

impl Session {
    pub(crate) fn new(world: &World, who: &'static str, base: String) -> Self {
        Self { cloud: world.cloud.clone(), who, base }
    }

    /// A call that must succeed.
    ///
    /// # Errors
    /// With status and text of the answer.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.cloud.api_as(self.who, method, &format!("{}{path}", self.base), body)
    }

    /// The collection of that name in the answer at a path.
    ///
    /// # Errors
    /// What the service answers.
    pub fn list(&self, path: &str, name: &str) -> Result<Vec<Value>> {
        let answer = self.call("GET", path, None)?;
        let list = answer.get(name).and_then(Value::as_array);
        list.cloned().with_context(|| format!("GET {path}: an answer without `{name}`: {answer}"))
    }

    /// Waits until the field at a pointer in the answer at a path is the one that is wanted.
    ///
    /// # Errors
    /// When it is not in time, or tells of an error.
    pub fn await_field(&self, path: &str, pointer: &str, wanted: &str) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.call("GET", path, None)?;
            let now = text(&shown, pointer);
            if now == wanted {
                return Ok(shown);
            }
            if now.contains("error") || Instant::now() > end {
                bail!("{path} is `{now}` instead of `{wanted}`: {shown}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until there is nothing at a path.
    ///
    /// # Errors
    /// When something is all the time.
    pub fn await_gone(&self, path: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.call("GET", path, None) {
                Err(error) if format!("{error:#}").contains(": 404 ") => return Ok(()),
                Err(error) => return Err(error),
                Ok(shown) if Instant::now() > end => bail!("{path} is still there: {shown}"),
                Ok(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}
