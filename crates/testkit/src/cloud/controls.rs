//! The controls of the cloud's front: the request log, faults, holds.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Cloud;

/// How the paths of the services begin.
const SERVICES: [&str; 4] = ["/networking/", "/volume/", "/share/", "/compute/"];

/// A request the cloud has seen.
#[derive(Debug, Clone)]
pub struct Call {
    /// `network`, `block-storage`, `identity`, ...
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Answered status.
    pub status: u64,
}

/// A fault for the n-th matching call from now on.
#[derive(Debug, Clone)]
pub struct Fault {
    /// HTTP method; empty for any.
    pub method: &'static str,
    /// Path pattern with `*`.
    pub path: &'static str,
    /// Which match is hit, from 1.
    pub nth: u32,
    /// How many matches in a row are hit.
    pub count: u32,
    /// As the front's `/admin/faults` takes it.
    pub action: Value,
}

impl Fault {
    /// The next call matching `method path` gets `action`.
    #[must_use]
    pub fn next(method: &'static str, path: &'static str, action: Value) -> Self {
        Self { method, path, nth: 1, count: 1, action }
    }
}

impl Cloud {
    /// Whether it answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.send("GET", "/admin/ready", "", None).is_ok_and(|(status, ..)| status == 200)
    }

    /// A call of the front's own controls.
    ///
    /// # Errors
    /// With status and text of the answer.
    pub fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer, _) = self.send(method, &format!("/admin/{path}"), "", body.as_ref())?;
        if status >= 300 {
            bail!("{method} /admin/{path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// Forgets the requests seen so far.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn clear_log(&self) -> Result<()> {
        self.admin("DELETE", "log", None).map(drop)
    }

    /// The requests to the services seen since the log was cleared, in order; not those of `/admin`, and not
    /// Keystone's.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let log = self.admin("GET", "log", None)?;
        let entries = log.get("entries").and_then(Value::as_array).cloned();
        let text = |e: &Value, key: &str| e.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(entries
            .unwrap_or_default()
            .iter()
            .map(|e| Call {
                service: text(e, "service"),
                method: text(e, "method"),
                path: text(e, "path"),
                status: e.get("status").and_then(Value::as_u64).unwrap_or_default(),
            })
            .filter(|c| SERVICES.iter().any(|own| c.path.starts_with(own)))
            .collect())
    }

    /// Plants a fault.
    ///
    /// # Errors
    /// When the cloud refuses it.
    pub fn fault(&self, fault: &Fault) -> Result<()> {
        let mut body =
            json!({"path": fault.path, "nth": fault.nth, "count": fault.count, "action": fault.action});
        if let (false, Some(body)) = (fault.method.is_empty(), body.as_object_mut()) {
            body.insert("method".into(), fault.method.into());
        }
        self.admin("POST", "faults", Some(body)).map(drop)
    }

    /// Removes all faults and lets everything held go on.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn clear_faults(&self) -> Result<()> {
        self.admin("DELETE", "faults", None)?;
        for hold in self.holds()? {
            self.admin("POST", &format!("holds/{hold}/release"), None)?;
        }
        Ok(())
    }

    /// Ids of the requests that are being held.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn holds(&self) -> Result<Vec<String>> {
        let holds = self.admin("GET", "holds", None)?;
        let entries = holds.as_array().or_else(|| holds.get("holds").and_then(Value::as_array)).cloned();
        let id = |h: &Value| match h.get("id").unwrap_or(h) {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        Ok(entries.unwrap_or_default().iter().map(id).collect())
    }

    /// Waits until some request is held.
    ///
    /// # Errors
    /// When none is within 20 s.
    pub fn wait_for_hold(&self) -> Result<String> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(id) = self.holds()?.into_iter().next() {
                return Ok(id);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("no request was held within 20 s")
    }
}
