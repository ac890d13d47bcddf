//! Cinder and Manila themselves, and the way to them.

use anyhow::{Result, ensure};
use guests::storage::MULTIATTACH;
use guests::text;
use serde_json::json;
use testkit::Fault;

use crate::{Case, Stage};

pub(crate) const CASES: &[Case] = &[
    ("guests_find_cinder_and_manila_through_the_front", guests_find_cinder_and_manila),
    ("calls_of_cinder_and_manila_are_counted_and_fail_as_planned", calls_are_counted_and_fail_as_planned),
];

fn guests_find_cinder_and_manila(stage: &mut Stage) -> Result<()> {
    for (path, version) in [("volume/", "v3.0"), ("share/", "v2.0")] {
        // Both answer their list of versions with 300.
        let url = format!("http://127.0.0.1:5000/{path}");
        let request = ["busybox", "wget", "-q", "-O", "-", &url];
        let answer = stage.pair.one.guest.run(&request)?;
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        let told = String::from_utf8_lossy(&answer.stderr).into_owned();
        ensure!(said.contains(version) || told.contains("300"), "{url}: {said} {told}");
    }
    let types = stage.cinder()?.session.list("/types", "volume_types")?;
    ensure!(types.iter().any(|kind| text(kind, "/name") == MULTIATTACH), "{types:?}");
    let default = stage.manila().session.call("GET", "/types/default", None)?;
    ensure!(text(&default, "/share_type/name") == "default", "{default}");
    Ok(())
}

fn calls_are_counted_and_fail_as_planned(stage: &mut Stage) -> Result<()> {
    let (cloud, cinder, manila) = (stage.world.cloud.clone(), stage.cinder()?, stage.manila());
    cloud.clear_log()?;
    cloud.fault(&Fault::next("GET", "/volume/*/volumes", json!({"status": 503})))?;
    cloud.fault(&Fault::next("GET", "/share/*/shares", json!({"status": 503})))?;
    for (session, path, name) in
        [(&cinder.session, "/volumes", "volumes"), (&manila.session, "/shares", "shares")]
    {
        let refused = session.list(path, name).map_err(|error| format!("{error:#}"));
        ensure!(refused.as_ref().is_err_and(|error| error.contains(": 503 ")), "{refused:?}");
        ensure!(session.list(path, name)?.is_empty(), "{name} that nobody has made");
    }
    let calls = cloud.calls()?;
    let seen: Vec<(&str, u64)> = calls.iter().map(|call| (call.service.as_str(), call.status)).collect();
    let expected = [
        ("block-storage", 503),
        ("block-storage", 200),
        ("shared-file-system", 503),
        ("shared-file-system", 200),
    ];
    ensure!(seen == expected, "{seen:?}");
    cloud.clear_faults()
}
