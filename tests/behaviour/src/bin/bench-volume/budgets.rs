//! What may be spent, and what was.

use behaviour::quantile;

use crate::Measured;
use crate::mounts::{LATENCIES, Timed};

/// A budget.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) measured: f64,
    pub(crate) budget: f64,
    pub(crate) unit: &'static str,
}

impl Line {
    /// It is kept. What was not measured is not.
    pub(crate) fn holds(&self) -> bool {
        self.measured <= self.budget
    }
}

/// All budgets.
pub(crate) fn lines(measured: &Measured) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, operation, budget) in [
        ("create_calls", "create", 2.0),
        ("another_container_calls", "another_container", 0.0),
        ("last_unmount_calls", "last_unmount", 1.0),
        ("remove_calls", "remove", 1.0),
    ] {
        let counted = measured.calls.iter().find(|c| c.operation == operation);
        #[expect(clippy::cast_precision_loss, reason = "a few calls")]
        let calls = counted.map_or(f64::NAN, |c| c.calls.len() as f64);
        lines.push(Line { name, measured: calls, budget, unit: "Cinder calls, polls aside" });
    }
    for (name, operation) in
        [("first_mount_blocking", "first_mount"), ("later_mount_blocking", "later_mount")]
    {
        let waits = blocking(&measured.mounts, operation).map_or(f64::NAN, f64::round);
        lines.push(Line { name, measured: waits, budget: 2.0, unit: "Cinder calls that Mount waits for" });
    }
    let slow = |t: &&Timed| t.operation == "first_mount" && t.latency > 0;
    let own = measured.mounts.iter().find(slow).map_or(f64::NAN, |t| quantile(&t.own, 0.5));
    let unit = "ms, p50, beside cloud, device and mkfs";
    lines.push(Line { name: "first_mount_own_ms", measured: own, budget: 50.0, unit });
    for (name, what) in [("get_p99_ms", "Get, own"), ("path_p99_ms", "Path, own")] {
        let asked = measured.known.asked.iter().find(|a| a.what == what);
        let p99 = asked.map_or(f64::NAN, |a| quantile(&a.times, 0.99));
        lines.push(Line { name, measured: p99, budget: 1.0, unit: "ms, p99, 5000 volumes of this host" });
    }
    lines
}

/// How many of the cloud's answers an operation waits for, one after the other: by how much it is longer when each of
/// them is.
pub(crate) fn blocking(mounts: &[Timed], operation: &str) -> Option<f64> {
    let [fast, slow] = LATENCIES.map(|latency| {
        let timed = mounts.iter().find(|t| t.operation == operation && t.latency == latency)?;
        // The fastest: whatever else the machine does only adds to it.
        Some(quantile(&timed.whole, 0.0))
    });
    #[expect(clippy::cast_precision_loss, reason = "some milliseconds")]
    let longer = LATENCIES.iter().max()?.saturating_sub(*LATENCIES.iter().min()?) as f64;
    Some((slow? - fast?) / longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_by_what_latency_adds() {
        let timed = |latency, whole: f64| Timed {
            operation: "first_mount",
            latency,
            whole: vec![whole],
            cloud: Vec::new(),
            programs: Vec::new(),
            device: Vec::new(),
            own: Vec::new(),
        };
        let mounts = [timed(0, 60.0), timed(50, 165.0)];
        assert_eq!(blocking(&mounts, "first_mount").map(f64::round), Some(2.0));
        assert_eq!(blocking(&mounts, "last_unmount"), None);
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        let line = |measured| Line { name: "x", measured, budget: 1.0, unit: "" };
        assert!(line(1.0).holds() && !line(1.1).holds() && !line(f64::NAN).holds());
    }
}
