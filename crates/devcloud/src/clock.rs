//! Times as the services write them.

use jiff::Timestamp;

/// Now, as Neutron writes it: `2026-01-31T12:00:00Z`.
pub(crate) fn neutron_now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As Keystone writes it: `2026-01-31T12:00:00.000000Z`.
pub(crate) fn keystone_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// As Cinder and Manila write it, UTC without a zone: `2026-01-31T12:00:00.000000`.
pub(crate) fn naive_now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
