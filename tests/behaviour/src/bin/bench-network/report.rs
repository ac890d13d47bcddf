//! The result as text.

use std::fmt::Write;

use behaviour::quantile;
use serde_json::{Value, json};

use crate::measure::Row;

/// The requests of the engine that a start consists of and that ask the cloud; the others are answered from memory.
const HANDLERS: [&str; 2] = ["IpamDriver.RequestAddress", "NetworkDriver.CreateEndpoint"];

/// Per container: calls, handlers in milliseconds, waits for the cloud in milliseconds, those after the answer
/// included.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn per_container(row: &Row) -> (f64, f64, f64) {
    let containers = row.runs.len().max(1) as f64;
    (row.calls as f64 / containers, row.times.handled() / containers, row.times.cloud / containers)
}

/// p50 and p99 of a handler.
fn handler(row: &Row, method: &str) -> (f64, f64) {
    let mut times = row.times.handlers.get(method).cloned().unwrap_or_default();
    times.sort_by(f64::total_cmp);
    (quantile(&times, 0.5), quantile(&times, 0.99))
}

/// A Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| driver | added per call | ports before | at once | `docker run` p50 | p99 | calls | handlers | waits \
         | `RequestAddress` p50 | p99 | `CreateEndpoint` p50 | p99 | memory |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ms = |value: f64| format!("{value:.0} ms");
        let mut cells = vec![
            row.driver.to_owned(),
            format!("{} ms", row.latency),
            row.ports.to_string(),
            row.at_once.to_string(),
            ms(quantile(&row.runs, 0.5)),
            ms(quantile(&row.runs, 0.99)),
        ];
        if row.driver == "kuryr" {
            let (calls, handled, waited) = per_container(row);
            cells.extend([format!("{calls:.2}"), ms(handled), ms(waited)]);
            for (p50, p99) in HANDLERS.map(|method| handler(row, method)) {
                cells.extend([ms(p50), ms(p99)]);
            }
            cells.push(format!("{} MiB", row.memory / 1024));
        } else {
            cells.resize(14, String::new());
        }
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// One object.
pub(crate) fn json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let (calls, handled, waited) = per_container(row);
            let [address, endpoint] = HANDLERS.map(|method| handler(row, method));
            json!({
                "driver": row.driver, "latency_ms": row.latency, "ports_before": row.ports, "at_once": row.at_once,
                "containers": row.runs.len(), "runs_ms": row.runs,
                "run_p50_ms": quantile(&row.runs, 0.5), "run_p99_ms": quantile(&row.runs, 0.99),
                "calls_per_container": calls, "handlers_per_container_ms": handled,
                "waits_per_container_ms": waited,
                "request_address_p50_ms": address.0, "request_address_p99_ms": address.1,
                "create_endpoint_p50_ms": endpoint.0, "create_endpoint_p99_ms": endpoint.1,
                "memory_kib": row.memory,
            })
        })
        .collect();
    json!({"network": rows})
}
