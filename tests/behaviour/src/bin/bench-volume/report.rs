//! The result as text.

use std::fmt::Write;

use behaviour::quantile;
use serde_json::{Value, json};

use crate::Measured;
use crate::budgets::{Line, blocking};

/// Markdown tables.
pub(crate) fn tables(measured: &Measured, lines: &[Line]) -> String {
    let mut text = String::from("| budget | measured | at most | | |\n|---|---|---|---|---|\n");
    for line in lines {
        let verdict = if line.holds() { "" } else { "exceeded" };
        let (measured, budget) = (number(line.measured), number(line.budget));
        let _ = writeln!(text, "| `{}` | {measured} | {budget} | {} | {verdict} |", line.name, line.unit);
    }
    text.push_str("\n| operation | Cinder calls | polls | which |\n|---|---|---|---|\n");
    for counted in &measured.calls {
        let (operation, calls) = (words(counted.operation), counted.calls.len());
        let _ =
            writeln!(text, "| {operation} | {calls} | {} | {} |", counted.polls, counted.calls.join(", "));
    }
    text.push_str(
        "\n| operation | added per call | p50 | slowest | cloud | mkfs, fsck, blkid | device | rest | calls waited for |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for t in &measured.mounts {
        let waits = blocking(&measured.mounts, t.operation).filter(|_| t.latency > 0);
        let cells = [
            words(t.operation),
            format!("{} ms", t.latency),
            ms(quantile(&t.whole, 0.5)),
            ms(quantile(&t.whole, 1.0)),
            ms(quantile(&t.cloud, 0.5)),
            ms(quantile(&t.programs, 0.5)),
            ms(quantile(&t.device, 0.5)),
            ms(quantile(&t.own, 0.5)),
            waits.map(|w| format!("{w:.1}")).unwrap_or_default(),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push_str(
        "\n| request, 5,000 volumes | asked | p50 | p99 | slowest | Cinder calls each | volumes in the first answer, in the \
         last |\n|---|---|---|---|---|---|---|\n",
    );
    for asked in &measured.known.asked {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let each = asked.calls as f64 / asked.times.len().max(1) as f64;
        let [p50, p99, most] =
            [0.5, 0.99, 1.0].map(|share| format!("{:.3} ms", quantile(&asked.times, share)));
        let listed = asked.listed.map(|(first, last)| format!("{first}, {last}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {p50} | {p99} | {most} | {each:.1} | {listed} |",
            asked.what,
            asked.times.len()
        );
    }
    let _ = writeln!(
        text,
        "\nWith 5,000 volumes in its journal the plugin listens {:.0} ms after its start and has {} MiB resident.",
        measured.known.start,
        measured.known.memory / 1024
    );
    text
}

fn words(operation: &str) -> String {
    operation.replace('_', " ")
}

fn ms(value: f64) -> String {
    format!("{value:.0} ms")
}

/// Whole numbers without a fraction.
fn number(value: f64) -> String {
    if value.is_nan() {
        "not measured".to_owned()
    } else if value.fract().abs() < f64::EPSILON {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// One object.
pub(crate) fn json(measured: &Measured, lines: &[Line]) -> Value {
    let budgets: Vec<Value> = lines
        .iter()
        .map(|l| {
            json!({"name": l.name, "measured": l.measured, "budget": l.budget, "unit": l.unit, "holds": l.holds()})
        })
        .collect();
    let calls: Vec<Value> = measured
        .calls
        .iter()
        .map(|c| json!({"operation": c.operation, "calls": c.calls, "polls": c.polls}))
        .collect();
    let mounts: Vec<Value> = measured
        .mounts
        .iter()
        .map(|t| {
            json!({
                "operation": t.operation, "latency_ms": t.latency, "whole_ms": t.whole, "cloud_ms": t.cloud,
                "programs_ms": t.programs, "device_ms": t.device, "own_ms": t.own, "blocking": blocking(&measured.mounts, t.operation),
            })
        })
        .collect();
    let known: Vec<Value> = measured
        .known
        .asked
        .iter()
        .map(|a| {
            json!({
                "request": a.what, "asked": a.times.len(), "p50_ms": quantile(&a.times, 0.5),
                "p99_ms": quantile(&a.times, 0.99), "slowest_ms": quantile(&a.times, 1.0), "calls": a.calls,
                "listed_first": a.listed.map(|l| l.0), "listed_last": a.listed.map(|l| l.1),
            })
        })
        .collect();
    json!({"volume": {
        "budgets": budgets, "calls": calls, "mounts": mounts, "known": known,
        "start_ms": measured.known.start, "memory_kib": measured.known.memory,
    }})
}
