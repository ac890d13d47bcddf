//! What the firmware says: libvirt gives a virtual machine its server's id as the system's UUID.

use uuid::Uuid;

use super::Said;
use crate::connector::Machine;

const PATH: &str = "/sys/class/dmi/id/product_uuid";

/// The system's UUID as the kernel read it (SMBIOS type 1). Its byte order is not certain.
#[must_use]
pub fn dmi(machine: &Machine) -> Said {
    let text = match std::fs::read_to_string(machine.path(PATH)) {
        Ok(text) => text,
        Err(error) => return Said::Nothing(format!("{PATH}: {error}")),
    };
    match Uuid::try_parse(text.trim()) {
        // What a manufacturer leaves who sets none.
        Ok(id) if id.is_nil() || id.is_max() => Said::Nothing(format!("{PATH} is not set")),
        Ok(id) => Said::Server(id),
        Err(_) => Said::Nothing(format!("{PATH} holds no UUID")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firmware_without_a_uuid_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::at(dir.path());
        assert!(matches!(dmi(&machine), Said::Nothing(_)));
        let path = machine.path(PATH);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for text in [
            "Not Settable\n",
            "00000000-0000-0000-0000-000000000000\n",
            "ffffffff-FFFF-ffff-ffff-ffffffffffff",
            "",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(dmi(&machine), Said::Nothing(_)), "{text}");
        }
        std::fs::write(&path, "5F0F0F0F-1122-4233-8333-444444444444\n").unwrap();
        assert_eq!(dmi(&machine).to_string(), "5f0f0f0f-1122-4233-8333-444444444444");
    }
}
