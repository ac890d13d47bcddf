//! Nothing is left behind, nothing is missing.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use testkit::{Inventory, World};

/// Neutron's agent, an engine and services need their time to give everything back.
const PATIENCE: Duration = Duration::from_secs(40);

/// Fails unless what `look` sees comes to be what it was before, line by line.
///
/// # Errors
/// A list of what is left or missing.
pub fn expect_lines(before: &[String], look: impl Fn() -> Result<Vec<String>>) -> Result<()> {
    expect(|| {
        let now = look()?;
        let left = now.iter().filter(|line| !before.contains(line)).map(|line| format!("left: {line}"));
        let gone = before.iter().filter(|line| !now.contains(line)).map(|line| format!("gone: {line}"));
        Ok(left.chain(gone).collect())
    })
}

/// Fails unless the cloud comes to be as it was before.
///
/// # Errors
/// A list of what is left, changed or missing.
pub fn expect_inventory(world: &World, before: &Inventory) -> Result<()> {
    expect(|| {
        let now = world.inventory()?;
        let mut problems = Vec::new();
        for (key, object) in &now {
            match before.get(key) {
                None => problems.push(format!("left in the cloud: {key}: {object}")),
                Some(old) if old != object => problems.push(format!("changed: {key}: {old} -> {object}")),
                Some(_) => {}
            }
        }
        problems.extend(before.keys().filter(|k| !now.contains_key(*k)).map(|k| format!("missing: {k}")));
        Ok(problems)
    })
}

fn expect(problems: impl Fn() -> Result<Vec<String>>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = problems()?;
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("left behind or changed:\n  {}", found.join("\n  "));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
