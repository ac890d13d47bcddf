//! The volume service: volumes, attachments and mounts, over Cinder and this host's storage.
