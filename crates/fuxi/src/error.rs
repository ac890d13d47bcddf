//! What can go wrong with a Docker volume. Each text is one line: what failed, on which volume, what to do.

/// A failed volume operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be a volume.
    #[error(
        "volume name `{name}` is refused: use letters, digits, `_`, `.` and `-`, the first a letter or digit, at most 200"
    )]
    Name {
        /// The offending name.
        name: String,
    },
    /// An option nobody knows.
    #[error("volume {name}: unknown option `{key}`; {hint}")]
    UnknownOption {
        /// The volume.
        name: String,
        /// The option's key.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// An option with a value that cannot be.
    #[error("volume {name}: option {key}={value} is refused: {reason}")]
    OptionValue {
        /// The volume.
        name: String,
        /// The option's key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// A volume of that name exists and is different.
    #[error("volume {name} exists already with another {what}; choose another name or the same options")]
    Conflict {
        /// The volume.
        name: String,
        /// What differs.
        what: String,
    },
    /// Cinder says there is none.
    #[error("no volume {name}; create it first (docker volume create -d fuxi {name})")]
    NotFound {
        /// The volume.
        name: String,
    },
    /// Several Cinder volumes carry the mark of one name.
    #[error(
        "volume name {name} matches several Cinder volumes ({ids}); remove docker_volume_name from all but one"
    )]
    Ambiguous {
        /// The name.
        name: String,
        /// Their ids.
        ids: String,
    },
    /// A call to Cinder or Nova failed.
    #[error("volume {name}: cannot {action}: {source}{}", advice(.source))]
    Cloud {
        /// The volume.
        name: String,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The service's answer.
        source: Box<openstack::Error>,
    },
    /// Something failed on this host.
    #[error("volume {name}: {source}")]
    Host {
        /// The volume.
        name: String,
        /// The cause.
        source: host_storage::Error,
    },
    /// We do not do that, for the sake of the data.
    #[error("volume {name}: {reason}")]
    Refused {
        /// The volume.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Somebody uses it.
    #[error("volume {name} is in use: {by}")]
    InUse {
        /// The volume.
        name: String,
        /// By whom, and what to do.
        by: String,
    },
    /// The journal cannot be written.
    #[error("volume {name}: {source}")]
    Journal {
        /// The volume.
        name: String,
        /// The cause.
        source: journal::Error,
    },
    /// The work goes on, but the caller's time is up.
    #[error(
        "volume {name}: still busy to {action} after {seconds} s; it goes on, repeat the command to wait for it"
    )]
    StillRunning {
        /// The volume.
        name: String,
        /// What is going on, as a verb.
        action: &'static str,
        /// How long the caller waited.
        seconds: u64,
    },
    /// The service's own settings are unusable.
    #[error("fuxi: {0}")]
    Settings(String),
}

fn advice(source: &openstack::Error) -> &'static str {
    // 403 and 409 of Nova are about the server.
    let compute = source.api().filter(|e| e.service == "compute").map(|e| e.status);
    if compute == Some(403) {
        "; a server may have only so many disks: stop containers with volumes here, use another host, or have \
         max_disk_devices_to_attach raised"
    } else if compute == Some(409) {
        "; the server's state forbids it, see: openstack server show"
    } else if source.is_over_quota() {
        "; delete volumes or ask for more quota"
    } else if let openstack::Error::Timeout { service, .. } = source {
        match *service {
            "compute" => "; check Nova and repeat the command",
            "shared-file-system" => "; check Manila and repeat the command",
            _ => "; check Cinder and repeat the command",
        }
    } else {
        ""
    }
}

impl Error {
    /// Nobody could be asked whether the volume exists: Docker must not hear "no such volume".
    #[must_use]
    pub fn is_cloud_unreachable(&self) -> bool {
        // A refused token or a quota of requests says nothing about the volume either.
        matches!(self, Self::Cloud { source, .. } if !matches!(source.status(), Some(400 | 404 | 409 | 413)))
    }

    pub(crate) fn cloud(name: &str, action: &'static str, source: openstack::Error) -> Self {
        Self::Cloud { name: name.to_owned(), action, source: Box::new(source) }
    }

    pub(crate) fn host(name: &str, source: host_storage::Error) -> Self {
        Self::Host { name: name.to_owned(), source }
    }

    pub(crate) fn refused(name: &str, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.to_owned(), reason: reason.into() }
    }
}
