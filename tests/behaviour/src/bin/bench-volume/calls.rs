//! Calls of Cinder that operations of a real engine cost.

use std::time::Duration;

use anyhow::Result;
use testkit::{Call, World};

/// The calls of one operation.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// As budgets name it.
    pub(crate) operation: &'static str,
    /// Calls in order without the polls, such as `POST attachments`.
    pub(crate) calls: Vec<String>,
    /// Looks at whether what was asked for has happened.
    pub(crate) polls: usize,
}

/// All operations in the life of a volume.
pub(crate) fn count(world: &World) -> Result<Vec<Counted>> {
    // Discovery is paid for once in the life of the process.
    create(world, "vol")?;
    run(world, "warm")?;
    stop(world, "warm")?;
    settle();
    world.docker(&["volume", "rm", "vol"])?;
    settle();
    let mut counted = Vec::new();
    let mut count = |operation, polls, work: &dyn Fn() -> Result<()>| -> Result<()> {
        world.cloud.clear_log()?;
        work()?;
        settle();
        counted.push(Counted::of(operation, polls, &world.cloud.calls()?));
        Ok(())
    };
    count("create", true, &|| create(world, "vol"))?;
    count("first_mount", false, &|| run(world, "one"))?;
    count("another_container", false, &|| run(world, "two"))?;
    count("unmount_of_one_of_two", false, &|| stop(world, "one"))?;
    count("last_unmount", false, &|| stop(world, "two"))?;
    count("later_mount", false, &|| run(world, "three"))?;
    stop(world, "three")?;
    settle();
    count("remove", true, &|| world.docker(&["volume", "rm", "vol"]).map(drop))?;
    Ok(counted)
}

fn create(world: &World, name: &str) -> Result<()> {
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", name]).map(drop)
}

fn run(world: &World, container: &str) -> Result<()> {
    let args = ["run", "-d", "--name", container, "--network", "none", "-v", "vol:/data"];
    world.docker(&[&args[..], &["--stop-timeout", "0", "busybox", "sleep", "1000"]].concat()).map(drop)
}

fn stop(world: &World, container: &str) -> Result<()> {
    world.docker(&["rm", "--force", container]).map(drop)
}

/// What is left to the background counts, too.
fn settle() {
    std::thread::sleep(Duration::from_millis(1500));
}

impl Counted {
    /// With `polls`, what is read after the first change is a poll.
    fn of(operation: &'static str, polls: bool, calls: &[Call]) -> Self {
        let calls: Vec<_> = calls.iter().filter(|call| call.path.starts_with("/volume/")).collect();
        let change = calls.iter().position(|call| call.method != "GET").unwrap_or(calls.len());
        let is_poll = |at: usize, call: &Call| polls && at > change && call.method == "GET";
        let kept = calls.iter().enumerate().filter(|(at, call)| !is_poll(*at, call));
        let kept: Vec<_> = kept.map(|(_, call)| format!("{} {}", call.method, short(&call.path))).collect();
        Self { operation, polls: calls.len() - kept.len(), calls: kept }
    }
}

/// A path without version, project and ids.
fn short(path: &str) -> String {
    let words = path.split('/').filter(|word| !word.is_empty()).skip(3);
    let words: Vec<_> = words.map(|word| if word.len() >= 32 { "…" } else { word }).collect();
    words.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_reads_after_the_change_and_ids_are_not_shown() {
        let call = |method: &str, path: &str| Call {
            service: "block-storage".into(),
            method: method.into(),
            path: format!("/volume/v3/0123456789abcdef0123456789abcdef/{path}"),
            status: 200,
        };
        let id = "11111111-2222-3333-4444-555555555555";
        let all = [
            call("GET", &format!("volumes/{id}")),
            call("DELETE", &format!("volumes/{id}")),
            call("GET", &format!("volumes/{id}")),
        ];
        let counted = Counted::of("remove", true, &all);
        assert_eq!((counted.calls.join(", "), counted.polls), ("GET volumes/…, DELETE volumes/…".into(), 1));
        assert_eq!(Counted::of("mount", false, &all).calls.len(), 3);
    }
}
