//! The result as text.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::measure::Row;

/// The value below which this share of sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = (share * last as f64).ceil() as usize;
    sorted.get(at.min(last)).copied().unwrap_or_default()
}

/// Figures of a row: calls, handlers and the plugin's own time per container, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn per_container(row: &Row) -> (f64, f64, f64) {
    let containers = row.runs.len().max(1) as f64;
    let handled = row.times.handled();
    (row.calls as f64 / containers, handled / containers, (handled - row.times.cloud).max(0.0) / containers)
}

fn create(row: &Row) -> Vec<f64> {
    let mut times = row.times.handlers.get("NetworkDriver.CreateEndpoint").cloned().unwrap_or_default();
    times.sort_by(f64::total_cmp);
    times
}

/// A Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| driver | added per call | ports before | at once | `docker run` p50 | p99 | Neutron calls per container \
         | handlers per container | of that our own | `CreateEndpoint` p50 | p99 | memory |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (calls, handled, own) = per_container(row);
        let ms = |value: f64| format!("{value:.0} ms");
        let (p50, p99) = (ms(quantile(&row.runs, 0.5)), ms(quantile(&row.runs, 0.99)));
        let _ = write!(
            text,
            "| {} | {} ms | {} | {} | {p50} | {p99} |",
            row.driver, row.latency, row.ports, row.at_once
        );
        let created = create(row);
        let _ = if row.driver == "kuryr" {
            let (first, second) = (ms(quantile(&created, 0.5)), ms(quantile(&created, 0.99)));
            let memory = row.memory / 1024;
            writeln!(
                text,
                " {calls:.2} | {handled:.0} ms | {own:.0} ms | {first} | {second} | {memory} MiB |"
            )
        } else {
            writeln!(text, " | | | | | |")
        };
    }
    text
}

/// One object.
pub(crate) fn json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let (calls, handled, own) = per_container(row);
            let created = create(row);
            json!({
                "driver": row.driver, "latency_ms": row.latency, "ports_before": row.ports, "at_once": row.at_once,
                "containers": row.runs.len(),
                "run_p50_ms": quantile(&row.runs, 0.5), "run_p99_ms": quantile(&row.runs, 0.99),
                "calls_per_container": calls, "handlers_per_container_ms": handled, "own_per_container_ms": own,
                "create_endpoint_p50_ms": quantile(&created, 0.5),
                "create_endpoint_p99_ms": quantile(&created, 0.99), "memory_kib": row.memory,
            })
        })
        .collect();
    json!({"network": rows})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((quantile(&values, 0.5) - 51.0).abs() < f64::EPSILON);
        assert!((quantile(&values, 0.99) - 100.0).abs() < 1.5);
        assert!((quantile(&[7.0], 0.99) - 7.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 0.5).abs() < f64::EPSILON);
    }
}
