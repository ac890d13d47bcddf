//! What the plugin says in its log about each request of the engine and each call of its own.

use std::collections::BTreeMap;

/// Times of one measurement, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// Of the plugin's handlers, by method.
    pub(crate) handlers: BTreeMap<String, Vec<f64>>,
    /// Waited for the cloud, all calls together.
    pub(crate) cloud: f64,
}

impl Times {
    /// Reads a part of the log.
    pub(crate) fn read(log: &str) -> Self {
        let mut times = Self::default();
        for line in log.lines() {
            if let Some(waited) = field(line, "elapsed_ms=").filter(|_| line.contains("openstack::")) {
                times.cloud += waited;
            }
            let method = line.split_once("method=\"").and_then(|(_, rest)| rest.split_once('"'));
            if let (Some((method, _)), Some(took)) = (method, field(line, ": done ms=")) {
                times.handlers.entry(method.to_owned()).or_default().push(took);
            }
        }
        times
    }

    /// All handlers together.
    pub(crate) fn handled(&self) -> f64 {
        self.handlers.values().flatten().sum()
    }
}

fn field(line: &str, key: &str) -> Option<f64> {
    let (_, rest) = line.split_once(key)?;
    rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_and_waits_are_found_in_the_log() {
        let log = "x DEBUG plugin_call{plugin=\"kuryr\" method=\"NetworkDriver.Join\" call=4}: p: done ms=1\n\
                   x DEBUG openstack::session::exchange: delete port service=\"network\" elapsed_ms=79 y\n\
                   x INFO other elapsed_ms=5\n";
        let times = Times::read(log);
        assert_eq!(times.handlers.get("NetworkDriver.Join"), Some(&vec![1.0]));
        assert!((times.cloud - 79.0).abs() < f64::EPSILON && (times.handled() - 1.0).abs() < f64::EPSILON);
    }
}
