use super::*;

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn parse(options: &[(&str, &str)]) -> Result<Request> {
    let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Request::parse("v", &options)
}

#[test]
fn sizes_are_read_in_gib() {
    for (text, gib) in [("10", 10), ("10G", 10), ("10GiB", 10), ("10gb", 10), ("2T", 2048)] {
        assert_eq!(parse(&[("size", text)]).unwrap().size, Some(gib), "{text}");
    }
}

#[test]
fn sizes_that_are_none_are_refused_with_a_reason() {
    for text in ["", "0", "0G", "ten", "1.5", "-1", "10M", "99999999999999999999", "2147483648", "G"] {
        let error = parse(&[("size", text)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("volume v: option size={text} is refused: ")), "{error}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let hint = |key| parse(&[(key, "1")]).unwrap_err().to_string();
    assert_eq!(hint("sizes"), "volume v: unknown option `sizes`; did you mean `size`?");
    assert!(hint("fs_type").ends_with("did you mean `fstype`?"));
    assert!(hint("multi-attach").ends_with("did you mean `multiattach`?"));
    assert!(hint("readonly").ends_with("did you mean `ro`?"));
    assert!(hint("colour").contains("known are availability_zone"));
    assert!(hint("x").contains("hint:"));
}

#[test]
fn keys_of_rex_rays_and_fuxis_users_are_understood() {
    let request = parse(&[("volumeType", "fast"), ("availabilityZone", "az1"), ("fsType", "xfs")]).unwrap();
    assert_eq!(
        request,
        parse(&[("volume_type", "fast"), ("availability_zone", "az1"), ("fstype", "xfs")]).unwrap()
    );
    assert_eq!(parse(&[("type", "fast")]).unwrap().volume_type.as_deref(), Some("fast"));
    assert_eq!(parse(&[("snapshotID", ID)]).unwrap().snapshot_id.as_deref(), Some(ID));
    assert_eq!(parse(&[("volumeID", ID)]).unwrap().volume_id.as_deref(), Some(ID));
    assert_eq!(parse(&[("consistencygroup_id", ID)]).unwrap().group.as_deref(), Some(ID));
    assert_eq!(parse(&[("volume_provider", "cinder")]).unwrap(), Request::default());
}

#[test]
fn keys_that_mean_nothing_here_say_what_to_use() {
    for (key, text) in [
        ("iops", "use volume_type="),
        ("encrypted", "not supported"),
        ("source_replica", "use snapshot_of="),
        ("user_id", "this plugin's user"),
        ("project_id", "this plugin's project"),
        ("snapshotName", "snapshot_id="),
        ("scheduler_hints", "same_host="),
        ("preempt", "kuryr volume fence"),
    ] {
        let error = parse(&[(key, "1")]).unwrap_err().to_string();
        assert!(error.contains(text), "{key}: {error}");
    }
}

#[test]
fn one_option_under_two_names_is_refused() {
    assert!(
        parse(&[("type", "a"), ("volume_type", "b")]).unwrap_err().to_string().contains("are one option")
    );
}

#[test]
fn switches_are_read_as_openstack_does() {
    for (text, on) in [("true", true), ("yes", true), ("1", true), ("", true), ("off", false), ("F", false)] {
        assert_eq!(parse(&[("multiattach", text)]).unwrap().multiattach, Some(on), "{text}");
    }
    assert!(parse(&[("multiattach", "maybe")]).is_err());
}

#[test]
fn hints_are_for_the_scheduler() {
    let request = parse(&[("same_host", ID), ("hint:query", "[\"=\", 1]")]).unwrap();
    assert_eq!(request.hints["same_host"], ID);
    assert_eq!(request.hints["query"], "[\"=\", 1]");
    for bad in [[("hint:", "x")], [("hint:a b", "x")], [("different_host", "name")], [("hint:x", "")]] {
        assert!(parse(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    for bad in [
        [("fstype", "ext5")],
        [("fstype", "")],
        [("volume_id", "42")],
        [("snapshot_id", "x")],
        [("image", "debian")],
        [("volume_provider", "manila")],
        [("volume_type", "")],
        [("description", "a\nb")],
        [("uid", "root")],
        [("uid", "-1")],
        [("gid", "4294967295")],
        [("mode", "rwx")],
        [("mode", "8")],
        [("mode", "99999")],
        [("subdir", "../etc")],
        [("subdir", "a/b")],
        [("subdir", "")],
        [("subdir", ".hidden")],
        [("snapshot_of", "../x")],
        [("mountopts", "device=/dev/sda")],
        [("mountopts", "ro")],
    ] {
        assert!(matches!(parse(&bad), Err(Error::OptionValue { .. })), "{bad:?}");
    }
    let error = parse(&[("fstype", "raw")]).unwrap_err().to_string();
    assert!(error.contains("never a bare device"), "{error}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for bad in [
        &[("volume_id", ID), ("source_volid", ID)][..],
        &[("snapshot_of", "w"), ("image", ID)],
        &[("volume_id", ID), ("volume_type", "x")],
        &[("volume_id", ID), ("multiattach", "true")],
        &[("snapshot_id", ID), ("uid", "1")],
        &[("volume_id", ID), ("mkfsopts", "-m 0")],
        &[("ro", "true")],
        &[("fstype", "ocfs2")],
    ] {
        assert!(matches!(parse(bad), Err(Error::Refused { .. })), "{bad:?}");
    }
    for good in [
        &[("volume_id", ID), ("volume_provider", "cinder")][..],
        &[("volume_id", ID), ("fstype", "gfs2"), ("mountopts", "noatime")],
        &[("volume_id", ID), ("ro", ""), ("subdir", "/data/")],
        &[("snapshot_id", ID)],
        &[("ro", "false")],
    ] {
        assert!(parse(good).is_ok(), "{good:?}");
    }
}

#[test]
fn what_a_filesystem_does_not_take_is_refused_before_it_is_made() {
    let request = parse(&[("mountopts", "compress=zstd")]).unwrap();
    assert!(request.check_filesystem("v", Filesystem::Btrfs).is_ok());
    let error = request.check_filesystem("v", Filesystem::Ext4).unwrap_err().to_string();
    assert!(
        error.contains("option mountopts=compress=zstd is refused: `compress=zstd` is not taken for ext4"),
        "{error}"
    );
    let request = parse(&[("mkfsopts", "-F")]).unwrap();
    assert!(request.check_filesystem("v", Filesystem::Ext4).unwrap_err().to_string().contains("`-F`"));
}
