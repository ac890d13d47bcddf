//! What iscsiadm's exit statuses mean, and what to do.

/// Why open-iscsi did not do it. Source: iscsiadm(8), "EXIT STATUS", and `iscsi_err.h` of open-iscsi.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IscsiFailure {
    /// 4.
    #[error("the portal cannot be reached; check the storage network between this host and it")]
    Unreachable,
    /// 5.
    #[error("the target refused the login; check Cinder's volume service")]
    Refused,
    /// 6.
    #[error("open-iscsi cannot read or write its node records; check /etc/iscsi and /var/lib/iscsi")]
    Records,
    /// 8, 11, 33.
    #[error("the portal did not answer in time; check the storage network and the target's load")]
    Timeout,
    /// 12.
    #[error("the kernel has no iSCSI over TCP; load the module iscsi_tcp")]
    NoTransport,
    /// 13.
    #[error("iscsiadm was not permitted; run as root")]
    NotPermitted,
    /// 18, 20.
    #[error("iscsid does not answer; install the Debian package open-iscsi and start iscsid.socket")]
    NoDaemon,
    /// 19.
    #[error(
        "the target refuses this host for good; check that Cinder exports to the name in /etc/iscsi/initiatorname.iscsi"
    )]
    Fatal,
    /// 24.
    #[error(
        "the target refused this host's credentials or name; check CHAP in Cinder's back end and /etc/iscsi/initiatorname.iscsi"
    )]
    Credentials,
    /// It said that it logged in, and there is no session that works.
    #[error("there is no working session; check that the target is up, and iscsid's log")]
    NoSession,
    /// It said that it logged out, and the session is still there.
    #[error("the session did not end; look at `iscsiadm -m session` and iscsid's log, then try again")]
    NotEnded,
    /// Any other.
    #[error("iscsiadm ended with status {0}; look it up in iscsiadm(8)")]
    Other(i32),
    /// It ended by a signal.
    #[error("iscsiadm was killed; try again")]
    Killed,
}

impl IscsiFailure {
    /// What an exit status other than 0 means.
    #[must_use]
    pub fn from_status(status: Option<i32>) -> Self {
        match status {
            Some(4) => Self::Unreachable,
            Some(5) => Self::Refused,
            Some(6) => Self::Records,
            Some(8 | 11 | 33) => Self::Timeout,
            Some(12) => Self::NoTransport,
            Some(13) => Self::NotPermitted,
            Some(18 | 20) => Self::NoDaemon,
            Some(19) => Self::Fatal,
            Some(24) => Self::Credentials,
            Some(other) => Self::Other(other),
            None => Self::Killed,
        }
    }
}
