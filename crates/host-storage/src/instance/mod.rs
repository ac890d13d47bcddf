//! Which server of Nova's this machine is.
//!
//! A wrong answer attaches a volume to another machine, so nobody is believed alone who could be wrong: cloud-init's
//! directories come with cloned disks and are not asked at all. What the firmware says (DMI) is always there and never
//! enough: any machine has it, whoever runs it. All who answer must agree.

mod config_drive;
mod dmi;

use std::fmt;

use uuid::Uuid;

pub use config_drive::config_drive;
pub use dmi::dmi;

/// What one source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It names a server.
    Server(Uuid),
    /// It is not there or says nothing; why.
    Nothing(String),
    /// It is there and cannot be understood; why. That is no reason to go without it.
    Nonsense(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(id) => write!(f, "{id}"),
            Self::Nothing(why) => write!(f, "nothing ({why})"),
            Self::Nonsense(why) => write!(f, "nonsense ({why})"),
        }
    }
}

/// What all sources say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// The cloud's metadata service.
    pub metadata: Said,
    /// The config drive.
    pub config_drive: Said,
    /// The firmware.
    pub dmi: Said,
}

/// The sources do not say which server this is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot tell which server this machine is, {reason}: the metadata service says {}, the config drive {}, DMI {}; \
     correct or remove what is wrong, nothing was attached",
    .testimony.metadata, .testimony.config_drive, .testimony.dmi
)]
pub struct Unidentified {
    /// What keeps us from believing it.
    pub reason: &'static str,
    /// What each source said.
    pub testimony: Testimony,
}

impl Testimony {
    /// The server that all who answer agree on.
    ///
    /// # Errors
    /// [`Unidentified`] where two differ, one cannot be understood, or neither metadata service nor config drive answers.
    pub fn decide(self) -> Result<Uuid, Unidentified> {
        let sure = |reason| Unidentified { reason, testimony: self.clone() };
        if [&self.metadata, &self.config_drive].iter().any(|said| matches!(said, Said::Nonsense(_))) {
            return Err(sure("somebody gives an answer that makes no sense"));
        }
        let id = match (&self.metadata, &self.config_drive) {
            (Said::Server(one), Said::Server(other)) if one != other => {
                return Err(sure("they contradict each other"));
            }
            (Said::Server(id), _) | (_, Said::Server(id)) => *id,
            _ => return Err(sure("neither metadata service nor config drive answers")),
        };
        match &self.dmi {
            Said::Server(firmware) if *firmware != id && swapped(*firmware) != id => {
                Err(sure("they contradict each other"))
            }
            _ => Ok(id),
        }
    }
}

/// The same number in the other byte order: SMBIOS before 2.6 did not say in which the first three fields stand, and
/// hypervisors and kernels chose differently.
fn swapped(id: Uuid) -> Uuid {
    Uuid::from_bytes_le(id.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f0f0f0f-1122-4233-8333-444444444444";
    const SWAPPED: &str = "0f0f0f5f-2211-3342-8333-444444444444";
    const OTHER: &str = "aaaaaaaa-1122-4233-8333-444444444444";

    fn said(text: &str) -> Said {
        match text {
            "-" => Said::Nothing("no such thing".into()),
            "?" => Said::Nonsense("HTML".into()),
            id => Said::Server(id.parse().unwrap()),
        }
    }

    fn decide(metadata: &str, config_drive: &str, dmi: &str) -> Result<String, String> {
        let testimony =
            Testimony { metadata: said(metadata), config_drive: said(config_drive), dmi: said(dmi) };
        testimony.decide().map(|id| id.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn h32_all_who_answer_must_agree_and_one_must_be_the_clouds() {
        for (metadata, drive, dmi) in [
            (ID, ID, ID),
            (ID, "-", ID),
            ("-", ID, ID),
            (ID, "-", "-"),
            ("-", ID, "-"),
            (ID, "-", SWAPPED),
            ("-", ID, SWAPPED),
        ] {
            assert_eq!(decide(metadata, drive, dmi).as_deref(), Ok(ID), "{metadata} {drive} {dmi}");
        }
        for (metadata, drive, dmi) in [
            ("-", "-", ID),
            ("-", "-", "-"),
            (ID, OTHER, ID),
            (ID, OTHER, OTHER),
            (OTHER, "-", ID),
            ("-", OTHER, ID),
            (ID, ID, OTHER),
            ("?", ID, ID),
            (ID, "?", ID),
            ("?", "-", "-"),
            (SWAPPED, ID, ID),
        ] {
            assert!(decide(metadata, drive, dmi).is_err(), "{metadata} {drive} {dmi}");
        }
    }

    #[test]
    fn a_refusal_says_what_each_said() {
        let text = decide(ID, "-", OTHER).unwrap_err();
        for part in [ID, OTHER, "nothing (no such thing)", "contradict each other", "nothing was attached"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(decide("?", "-", ID).unwrap_err().contains("nonsense (HTML)"));
    }
}
