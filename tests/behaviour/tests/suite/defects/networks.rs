//! Defects of networks and pools: what is destroyed, taken over, shared by accident or left behind.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Fault, World};

use super::{ask, asked, change, configured, delete, make, port_at, requests, requests_to, show};
use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("b01_a_failed_network_of_the_same_range_leaves_the_first_one_working", failed_twin),
    ("b02_a_network_without_a_subnet_leaves_the_default_pool_alone", default_pool),
    ("b03_a_failed_network_from_a_users_pool_leaves_that_pool_alone", users_pool),
    ("b04_a_refused_share_of_a_network_changes_nothing_and_breaks_nobody", refused_share),
    ("b13_releasing_what_is_gone_is_a_success_and_changes_nothing", released_twice),
    ("b15_an_auxiliary_address_is_accepted_and_given_to_nobody", auxiliary),
    ("b16_a_gateway_need_not_be_given_in_either_family", gateways),
    ("b21_ranges_of_any_length_are_parsed_and_impossible_ones_refused", lengths),
    ("b22_every_subnet_of_a_family_is_made_and_removed", several),
    ("b31_a_default_pool_replaced_while_serving_is_found", replaced_pool),
    ("b32_dhcp_is_switched_with_a_truth_value", dhcp),
    ("b39_an_adopted_network_is_neither_renamed_nor_deleted", adopted_name),
    ("b40_ports_on_an_adopted_network_belong_to_its_project", project),
    ("b42_ports_of_a_subnet_within_a_larger_pool_are_released", larger_pool),
    ("b43_removing_one_of_two_adopters_leaves_the_subnet_to_the_other", two_adopters),
    ("b45_two_hosts_making_the_same_network_do_not_meet", same_names),
    ("b46_a_pool_of_another_host_on_the_same_subnet_survives", other_hosts_pool),
];

const POOL: &str = "10.40.0.0/16";

fn failed_twin(world: &mut World) -> Result<()> {
    create(world, "first", "10.23.0.0/24", "10.23.0.1")?;
    world.run("one", &["--network", "first"])?;
    for path in ["/networking/v2.0/networks", "/networking/v2.0/subnets"] {
        world.cloud.fault(&Fault { count: 0, ..Fault::next("POST", path, json!({"status": 409})) })?;
        let args = ["--subnet", "10.23.0.0/24", "--gateway", "10.23.0.1"];
        world.create_network_fails("second", &args)?;
        world.cloud.clear_faults()?;
    }
    world.run("two", &["--network", "first"])?;
    let two = world.address("two", "first")?.to_string();
    world.ping("one", &two)?;
    remove(world, &["one", "two"], &["first"])
}

/// The pool automatic networks come from.
fn kuryr_pool(world: &World) -> Result<String> {
    let pools = list(world, "subnetpools", "name=kuryr")?;
    ensure!(pools.len() == 1, "default pools: {pools:?}");
    Ok(text(&pools[0], "id").to_owned())
}

fn default_pool(world: &mut World) -> Result<()> {
    let pool = kuryr_pool(world)?;
    let before = show(world, "subnetpools", &pool)?;
    world.create_network("auto", &[])?;
    world.run("one", &["--network", "auto"])?;
    let gateway =
        world.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", "auto"])?;
    world.ping("one", gateway.split('/').next().unwrap_or_default())?;
    let fault =
        Fault { count: 0, ..Fault::next("POST", "/networking/v2.0/networks", json!({"status": 409})) };
    world.cloud.fault(&fault)?;
    world.create_network_fails("failed", &[])?;
    world.cloud.clear_faults()?;
    remove(world, &["one"], &["auto"])?;
    ensure!(show(world, "subnetpools", &pool)? == before, "the operator's pool was changed");
    Ok(())
}

/// A pool of the user's, named `mine`.
fn users(world: &World) -> Result<String> {
    let body = json!({"name": "mine", "prefixes": [POOL], "default_prefixlen": 24, "shared": true});
    Ok(text(&make(world, "subnetpools", "subnetpool", body)?, "id").to_owned())
}

const FROM_MINE: [&str; 4] = ["--ipam-opt", "neutron.pool.name=mine", "-o", "neutron.pool.name=mine"];

fn users_pool(world: &mut World) -> Result<()> {
    let pool = users(world)?;
    let before = show(world, "subnetpools", &pool)?;
    world.create_network("healthy", &[&FROM_MINE[..], &["--subnet", "10.40.1.0/24"]].concat())?;
    let fault = Fault { count: 0, ..Fault::next("POST", "/networking/v2.0/subnets", json!({"status": 409})) };
    world.cloud.fault(&fault)?;
    world.create_network_fails("failed", &[&FROM_MINE[..], &["--subnet", "10.40.2.0/24"]].concat())?;
    world.cloud.clear_faults()?;
    world.run("one", &["--network", "healthy"])?;
    ensure!(world.address("one", "healthy")?.to_string().starts_with("10.40.1."));
    remove(world, &["one"], &["healthy"])?;
    ensure!(show(world, "subnetpools", &pool)? == before, "the user's pool was changed");
    delete(world, "subnetpools", &pool)
}

fn refused_share(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    create(world, "same", "10.30.0.0/24", "10.30.0.1")?;
    world.run("one", &["--network", "same"])?;
    let before = world.inventory()?;
    let option = format!("neutron.net.uuid={id}");
    let args = ["--subnet", "10.30.0.0/24", "-o", &option, "-o", "neutron.net.shared=true"];
    let error = world.create_network_fails("reused", &args)?;
    ensure!(error.contains("neutron.net.shared") || error.contains("shared"), "{error}");
    ensure!(world.inventory()? == before, "a refusal changed something");
    world.run("two", &["--network", "same"])?;
    let two = world.address("two", "same")?.to_string();
    world.ping("one", &two)?;
    remove(world, &["one", "two"], &["same"])?;
    delete_network(world, &id)
}

fn released_twice(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let before = world.inventory()?;
    world.cloud.clear_log()?;
    for pool in ["f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "kuryr-of-another-life"] {
        for _ in 0..2 {
            asked(world, "IpamDriver.ReleaseAddress", &json!({"PoolID": pool, "Address": "10.20.0.9"}))?;
            asked(world, "IpamDriver.ReleasePool", &json!({"PoolID": pool}))?;
        }
    }
    let calls = requests(world)?;
    ensure!(calls.is_empty(), "{calls:?}");
    let (network, endpoint) = ("0".repeat(64), "1".repeat(64));
    for method in ["DeleteEndpoint", "Leave"] {
        let body = json!({"NetworkID": network, "EndpointID": endpoint});
        asked(world, &format!("NetworkDriver.{method}"), &body)?;
    }
    asked(world, "NetworkDriver.DeleteNetwork", &json!({"NetworkID": network}))?;
    // An endpoint or network nobody here knows may be the predecessor's: it may look.
    let writes: Vec<_> = requests(world)?.into_iter().filter(|c| text(c, "method") != "GET").collect();
    ensure!(writes.is_empty() && world.inventory()? == before, "{writes:?}");
    remove(world, &[], &["foo"])
}

fn auxiliary(world: &mut World) -> Result<()> {
    let args = ["--subnet", "10.26.0.0/28", "--aux-address", "printer=10.26.0.4"];
    world.create_network("small", &args)?;
    let error = super::run_fails(world, "no", &["--network", "small", "--ip", "10.26.0.4"])?;
    ensure!(error.contains("10.26.0.4"), "{error}");
    world.run("one", &["--network", "small"])?;
    ensure!(world.address("one", "small")?.to_string() != "10.26.0.4");
    remove(world, &["no", "one"], &["small"])
}

fn gateways(world: &mut World) -> Result<()> {
    world.create_network("bare", &["--ipv6", "--subnet", "10.22.0.0/24", "--subnet", "fd22::/64"])?;
    world.run("one", &["--network", "bare"])?;
    for (family, gateway) in [("-4", "10.22.0.1"), ("-6", "fd22::1")] {
        let route = world.docker(&["exec", "one", "ip", family, "route"])?;
        ensure!(route.contains(&format!("default via {gateway}")), "{route}");
        world.ping("one", gateway)?;
    }
    remove(world, &["one"], &["bare"])
}

fn lengths(world: &mut World) -> Result<()> {
    for (range, gateway) in [("fd21::/109", "fd21::1"), ("fd22::/119", "fd22::1")] {
        world.create_network("odd", &["--ipv6", "--subnet", "10.21.0.0/27", "--subnet", range])?;
        world.run("one", &["--network", "odd"])?;
        world.ping("one", gateway)?;
        remove(world, &["one"], &["odd"])?;
    }
    for (range, v6) in
        [("10.21.0.0/33", false), ("10.21.0.0/128", false), ("fd21::/129", true), ("10.21.0.0", false)]
    {
        let body = json!({"AddressSpace": "", "Pool": range, "SubPool": "", "Options": {}, "V6": v6});
        let (status, answer) = ask(world, "IpamDriver.RequestPool", &body)?;
        let said = text(&answer, "Err");
        ensure!(
            status == 500 && said.contains(range) && said.lines().count() == 1,
            "{range}: {status} {answer}"
        );
    }
    Ok(())
}

fn several(world: &mut World) -> Result<()> {
    let ranges = ["10.27.1.0/24", "10.27.2.0/24", "fd27:1::/64", "fd27:2::/64"];
    let mut args = vec!["--ipv6"];
    ranges.iter().for_each(|range| args.extend(["--subnet", range]));
    world.create_network("wide", &args)?;
    for range in ranges {
        ensure!(list(world, "subnets", &format!("cidr={range}"))?.len() == 1, "no subnet {range}");
    }
    for (name, four, six) in [("one", "10.27.1.9", "fd27:1::9"), ("two", "10.27.2.9", "fd27:2::9")] {
        world.run(name, &["--network", "wide", "--ip", four, "--ip6", six])?;
        let ports = list(world, "ports", &format!("fixed_ips=ip_address={four}"))?;
        ensure!(ports.len() == 1 && ports[0].to_string().contains(six), "{ports:?}");
    }
    remove(world, &["one", "two"], &["wide"])?;
    for range in ranges {
        ensure!(list(world, "subnets", &format!("cidr={range}"))?.is_empty(), "{range} stayed");
    }
    ensure!(list(world, "subnetpools", "name=kuryrPool-10.27.2.0/24")?.is_empty(), "a pool stayed");
    Ok(())
}

fn replaced_pool(world: &mut World) -> Result<()> {
    let old = kuryr_pool(world)?;
    // Whatever it remembers of the old one, it remembers now.
    world.create_network("before", &[])?;
    world.remove_network("before")?;
    change(world, "subnetpools", "subnetpool", &old, json!({"name": "retired"}))?;
    let body =
        json!({"name": "kuryr", "prefixes": ["10.77.0.0/16"], "default_prefixlen": 24, "shared": true});
    let new = text(&make(world, "subnetpools", "subnetpool", body)?, "id").to_owned();
    let outcome = world.create_network("after", &[]).and_then(|_| {
        let format = "{{(index .IPAM.Config 0).Subnet}}";
        let subnet = world.docker(&["network", "inspect", "--format", format, "after"])?;
        ensure!(subnet.starts_with("10.77."), "{subnet} is not from the new pool");
        world.remove_network("after")
    });
    delete(world, "subnetpools", &new)?;
    change(world, "subnetpools", "subnetpool", &old, json!({"name": "kuryr"}))?;
    outcome
}

fn dhcp(world: &mut World) -> Result<()> {
    for (word, wanted) in [("False", false), ("True", true)] {
        configured(world, &[("neutron", &format!("enable_dhcp = {word}"))], |world| {
            world.cloud.clear_log()?;
            create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
            let posts = requests_to(world, "POST", "/subnets")?;
            let said = posts.first().map(|p| {
                let body = &p["body"];
                let subnet = if body["subnets"].is_array() { &body["subnets"][0] } else { &body["subnet"] };
                subnet["enable_dhcp"].clone()
            });
            ensure!(said == Some(Value::Bool(wanted)), "{posts:?}");
            let subnets = list(world, "subnets", "cidr=10.20.0.0/24")?;
            ensure!(subnets.len() == 1 && subnets[0]["enable_dhcp"] == wanted, "{subnets:?}");
            remove(world, &[], &["foo"])
        })?;
    }
    Ok(())
}

fn adopted_name(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let before = show(world, "networks", &id)?;
    let option = format!("neutron.net.uuid={id}");
    world.create_network("reused", &["--subnet", "10.30.0.0/24", "-o", &option])?;
    ensure!(text(&show(world, "networks", &id)?, "name") == "theirs", "it was renamed");
    world.run("one", &["--network", "reused"])?;
    remove(world, &["one"], &["reused"])?;
    ensure!(show(world, "networks", &id)? == before, "not as found");
    delete_network(world, &id)
}

fn project(world: &mut World) -> Result<()> {
    configured(world, &[("neutron", "use_network_project = True")], |world| {
        let owner = world.cloud.project("admin")?;
        let body = json!({"name": "tenants", "project_id": owner, "shared": true});
        let id = text(&make(world, "networks", "network", body)?, "id").to_owned();
        let subnet = json!({"network_id": id, "ip_version": 4, "cidr": "10.30.0.0/24", "project_id": owner});
        make(world, "subnets", "subnet", subnet)?;
        let option = format!("neutron.net.uuid={id}");
        world.create_network("reused", &["--subnet", "10.30.0.0/24", "-o", &option])?;
        world.run("one", &["--network", "reused"])?;
        let port = port_at(world, &world.address("one", "reused")?.to_string())?;
        ensure!(text(&port, "project_id") == owner, "the port is of project {}", text(&port, "project_id"));
        let groups = list(world, "security-groups", &format!("project_id={owner}&name=default"))?;
        ensure!(groups.first().is_some_and(|g| port["security_groups"] == json!([g["id"]])), "{port}");
        remove(world, &["one"], &["reused"])?;
        delete(world, "networks", &id)
    })
}

fn larger_pool(world: &mut World) -> Result<()> {
    let pool = users(world)?;
    world.create_network("inner", &[&FROM_MINE[..], &["--subnet", "10.40.3.0/24"]].concat())?;
    world.run("one", &["--network", "inner"])?;
    let address = world.address("one", "inner")?;
    ensure!(list(world, "ports", &format!("fixed_ips=ip_address={address}"))?.len() == 1);
    world.remove("one")?;
    ensure!(list(world, "ports", &format!("fixed_ips=ip_address={address}"))?.is_empty(), "the port leaked");
    remove(world, &[], &["inner"])?;
    delete(world, "subnetpools", &pool)
}

fn two_adopters(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    for name in ["reused1", "reused2"] {
        world.create_network(name, &["--subnet", "10.30.0.0/24", "-o", &option])?;
    }
    let subnet = text(&list(world, "subnets", "cidr=10.30.0.0/24")?[0], "id").to_owned();
    let before = show(world, "subnets", &subnet)?;
    world.remove_network("reused1")?;
    let after = show(world, "subnets", &subnet)?;
    ensure!(before == after, "the other's subnet was changed:\n{before}\n{after}");
    world.run("one", &["--network", "reused2"])?;
    world.ping("one", "10.30.0.1")?;
    remove(world, &["one"], &["reused2"])?;
    delete_network(world, &id)
}

fn same_names(world: &mut World) -> Result<()> {
    // What another host has just made for the same line of a compose file.
    let body =
        json!({"name": "kuryrPool-10.23.0.0/24", "prefixes": ["10.23.0.0/24"], "default_prefixlen": 24});
    let pool = text(&make(world, "subnetpools", "subnetpool", body)?, "id").to_owned();
    let network =
        text(&make(world, "networks", "network", json!({"name": "kuryr-net-0a1b2c3d"}))?, "id").to_owned();
    let subnet = json!({"name": "kuryr-subnet-10.23.0.0/24", "network_id": network, "ip_version": 4,
                        "cidr": "10.23.0.0/24", "subnetpool_id": pool});
    make(world, "subnets", "subnet", subnet)?;
    let before = world.inventory()?;
    let make_ours = |name: &'static str| {
        let world = &*world;
        move || world.create_network(name, &["--subnet", "10.23.0.0/24"])
    };
    std::thread::scope(|scope| {
        let runs = ["here", "there"].map(|name| scope.spawn(make_ours(name)));
        runs.into_iter()
            .try_for_each(|run| run.join().map_or_else(|_| anyhow::bail!("panic"), |r| r.map(drop)))
    })?;
    for (name, on) in [("one", "here"), ("two", "there")] {
        world.run(name, &["--network", on])?;
    }
    remove(world, &["one", "two"], &["here", "there"])?;
    world.expect_clean(&before)?;
    delete(world, "networks", &network)?;
    delete(world, "subnetpools", &pool)
}

fn other_hosts_pool(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    // As another host leaves it while it adopts the same subnet.
    let body = json!({"name": "kuryrPool-10.30.0.0/24", "prefixes": ["10.30.0.0/24"], "default_prefixlen": 24,
                      "shared": true});
    let pool = text(&make(world, "subnetpools", "subnetpool", body)?, "id").to_owned();
    let before = show(world, "subnetpools", &pool)?;
    let option = format!("neutron.net.uuid={id}");
    world.create_network("reused", &["--subnet", "10.30.0.0/24", "-o", &option])?;
    world.run("one", &["--network", "reused"])?;
    remove(world, &["one"], &["reused"])?;
    ensure!(show(world, "subnetpools", &pool)? == before, "the other host's pool was changed");
    delete(world, "subnetpools", &pool)?;
    delete_network(world, &id)
}
