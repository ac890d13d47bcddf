//! Modules of a kernel, and what each needs to be loaded before.

use std::path::Path;

use anyhow::{Context, Result};

/// A module's name, from the path of its file.
pub(super) fn name(path: &str) -> String {
    let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

/// Files of those modules and of all they need, in the order in which they can be loaded. The text is that of `depmod`:
/// a line per module, with those that must come before it behind it, the first to be loaded last.
pub(super) fn in_order<'a>(text: &'a str, wanted: &[&str]) -> Result<Vec<&'a str>> {
    let mut all: Vec<&str> = Vec::new();
    for module in wanted {
        let line =
            text.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| name(path) == *module);
        let (path, before) = line.with_context(|| format!("the kernel has no module `{module}`"))?;
        for path in before.split_whitespace().rev().chain([path]) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kernel/fs/a-b.ko.xz: kernel/c.ko.xz kernel/d.ko.xz\nkernel/c.ko.xz: kernel/d.ko.xz\n\
                        kernel/d.ko.xz:\nkernel/e.ko.xz: kernel/d.ko.xz\n";

    #[test]
    fn what_a_module_needs_comes_before_it_and_once() {
        let order = in_order(TEXT, &["a_b", "e"]).unwrap();
        assert_eq!(order.iter().map(|path| name(path)).collect::<Vec<_>>(), ["d", "c", "a_b", "e"]);
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        assert!(in_order(TEXT, &["x"]).unwrap_err().to_string().contains("`x`"));
    }
}
