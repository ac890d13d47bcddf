//! When a failed attempt is made again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;

use super::call::Repeat;

/// The pauses between the attempts: two, so three attempts.
pub(super) fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(150))
        .with_factor(3.0)
        .with_max_times(2)
        .with_jitter()
        .build()
}

/// Whether an answer of `status` may be followed by another attempt.
pub(super) fn after_status(repeat: Repeat, status: u16, has_retry_after: bool) -> bool {
    match (status, repeat) {
        (429 | 502 | 503 | 504, Repeat::Always) => true,
        // Only a service that turned the request away says when to come back; a bare 503 may come from a proxy whose
        // backend died in the middle.
        (429 | 503, Repeat::IfNotExecuted) => has_retry_after,
        _ => false,
    }
}

/// Whether a failed connection may be followed by another attempt.
pub(super) fn after_failure(repeat: Repeat, sent: bool) -> bool {
    !sent || repeat == Repeat::Always
}

/// How long to wait: what the service asks for, a little later so that not everybody is back at once.
pub(super) fn pause(backoff: Duration, retry_after: Option<Duration>) -> Duration {
    retry_after.map_or(backoff, |asked| asked.saturating_add(backoff / 4))
}

/// Reads `Retry-After`: seconds, or an HTTP date.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_growing_pauses() {
        let pauses: Vec<_> = pauses().collect();
        assert_eq!(pauses.len(), 2);
        assert!(
            pauses[0] >= Duration::from_millis(150) && pauses[1] >= Duration::from_millis(450),
            "{pauses:?}"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = Timestamp::now() + Duration::from_secs(90);
        let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
        let read = retry_after(&text).unwrap();
        assert!((88..=90).contains(&read.as_secs()), "{read:?}");
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_refused_post_is_repeated() {
        for status in [200, 400, 401, 404, 409, 413, 500, 501] {
            assert!(!after_status(Repeat::Always, status, true), "{status}");
        }
        for status in [429, 502, 503, 504] {
            assert!(after_status(Repeat::Always, status, false), "{status}");
            assert!(!after_status(Repeat::IfNotExecuted, status, false), "{status}");
        }
        assert!(
            after_status(Repeat::IfNotExecuted, 503, true) && after_status(Repeat::IfNotExecuted, 429, true)
        );
        assert!(
            !after_status(Repeat::IfNotExecuted, 502, true)
                && !after_status(Repeat::IfNotExecuted, 504, true)
        );
        assert!(after_failure(Repeat::IfNotExecuted, false) && !after_failure(Repeat::IfNotExecuted, true));
        assert!(after_failure(Repeat::Always, true));
    }
}
