//! The archive that a kernel takes its first filesystem from: `cpio` with the header that the kernel's documentation
//! calls `newc`, whose numbers are hexadecimal text.

use anyhow::{Context, Result};

const MAGIC: &str = "070701";
/// Kinds of files, as in a mode.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
/// Name of the entry that ends an archive.
const END: &str = "TRAILER!!!";

/// An archive that is being made.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory; those above it have been added.
    pub(super) fn directory(&mut self, name: &str) -> Result<()> {
        self.add(name, DIRECTORY | 0o755, &[])
    }

    /// Adds a file.
    pub(super) fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.add(name, REGULAR | mode, content)
    }

    /// The archive.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.add(END, 0, &[])?;
        Ok(self.bytes)
    }

    fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len()).with_context(|| format!("{name} is too large"))?;
        // The name ends with a zero.
        let name_size = u32::try_from(name.len() + 1).context("a long name")?;
        // Inode, mode, owner, group, links, time; size; two devices of two numbers; length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(MAGIC.bytes());
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_what_it_holds_each_aligned() {
        let mut archive = Archive::default();
        archive.file("ab", 0o755, b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("07070100000001000081ed"));
        assert_eq!(text.get(110..124), Some("ab\0\0\0\0hello\0\0\0"));
        assert_eq!(text.get(124..130), Some(MAGIC));
        assert_eq!(bytes.len() % 4, 0);
    }
}
