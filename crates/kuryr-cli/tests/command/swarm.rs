//! Swarm networks over the plugin's socket: what a manager and a node of Docker 28.5 were recorded to send, up to where a
//! link would be needed.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::http;
use crate::rig::{AUTH, Rig, Running};

/// The recorded bodies of a method about a range, in their order.
fn recorded(method: &str, about: &str) -> Vec<String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker-plugin/tests/fixtures");
    let text = std::fs::read_to_string(fixtures.join("docker-28.5-swarm.jsonl")).unwrap();
    let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bodies = lines.filter(|line| line["method"] == method);
    bodies.map(|line| line["body"].as_str().unwrap().to_owned()).filter(|body| body.contains(about)).collect()
}

struct Plugin {
    rig: Rig,
    _cloud: Running,
    _serve: Running,
}

impl Plugin {
    fn start() -> Self {
        let mut rig = Rig::new();
        let (cloud, address) = rig.cloud();
        let auth = AUTH.replace("127.0.0.1:9", &address.to_string()).replace("hunter2", "secret");
        rig.kuryr("", &format!("[neutron]\n{auth}"));
        // As a managed plugin's setting arrives.
        rig.set("CAPABILITY_SCOPE", "global");
        let mut serve = rig.serve();
        serve.until_listening(&rig.socket("kuryr"));
        Self { rig, _cloud: cloud, _serve: serve }
    }

    fn answer(&self, method: &str, body: &str) -> (u16, Value) {
        let stream = UnixStream::connect(self.rig.socket("kuryr")).unwrap();
        http::call(stream, &format!("/{method}"), body)
    }

    fn call(&self, method: &str, body: &str) -> Value {
        let (status, answer) = self.answer(method, body);
        assert_eq!(status, 200, "{method} {body}: {answer}");
        answer
    }

    fn refused(&self, method: &str, body: &str) -> String {
        let (status, answer) = self.answer(method, body);
        assert_eq!(status, 500, "{method} {body}: {answer}");
        answer["Err"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_manager_and_a_node_are_answered_as_docker_was_recorded_to_ask() {
    let plugin = Plugin::start();
    let scope = plugin.call("NetworkDriver.GetCapabilities", "");
    assert_eq!((&scope["Scope"], &scope["ConnectivityScope"]), (&json!("global"), &json!("global")));
    let spaces = plugin.call("IpamDriver.GetDefaultAddressSpaces", "");
    let named =
        json!({"LocalDefaultAddressSpace": "kuryr_local", "GlobalDefaultAddressSpace": "kuryr_global"});
    assert_eq!(spaces, named);
    assert_eq!(plugin.call("IpamDriver.GetCapabilities", "")["RequiresMACAddress"], false);

    let pools = recorded("IpamDriver.RequestPool", "10.33.0.0/24");
    let [managers, nodes] = pools.as_slice() else { panic!("{pools:?}") };
    let pool = plugin.call("IpamDriver.RequestPool", &managers.replace("stub_global", "kuryr_global"));
    assert_eq!(
        (&pool["Pool"], &pool["Data"]["com.docker.network.gateway"]),
        (&json!("10.33.0.0/24"), &json!("10.33.0.1/24"))
    );
    let pool = pool["PoolID"].as_str().unwrap().to_owned();
    assert!(pool.starts_with("g1:"), "{pool}");
    let of_manager = |body: &str| body.replace("pool-10.33.0.0/24", &pool);
    let addresses = recorded("IpamDriver.RequestAddress", "pool-10.33.0.0/24");
    let [gateway, by_ip, task, node_gateway, on_node, by_ip_on_node] = addresses.as_slice() else {
        panic!("{addresses:?}")
    };
    assert_eq!(plugin.call("IpamDriver.RequestAddress", &of_manager(gateway))["Address"], "10.33.0.1/24");

    let [allocation] = recorded("NetworkDriver.AllocateNetwork", "10.33.0.0/24").try_into().unwrap();
    let options = plugin.call("NetworkDriver.AllocateNetwork", &allocation)["Options"].clone();
    assert_eq!(options["o1"], "v1");
    assert!(options["neutron.net.uuid"].is_string() && options["neutron.subnet.uuid"].is_string());
    assert_eq!(plugin.call("NetworkDriver.AllocateNetwork", &allocation)["Options"], options, "a repetition");
    assert_eq!(plugin.call("IpamDriver.RequestAddress", &of_manager(by_ip))["Address"], "10.33.0.50/24");
    let releases = recorded("IpamDriver.ReleaseAddress", "pool-10.33.0.0/24");
    let [by_ip_released, node_task_released, gateway_released] = releases.as_slice() else {
        panic!("{releases:?}")
    };
    plugin.call("IpamDriver.ReleaseAddress", &of_manager(by_ip_released));
    let got =
        plugin.call("IpamDriver.RequestAddress", &of_manager(task))["Address"].as_str().unwrap().to_owned();
    assert!(got.starts_with("10.33.0.") && got.ends_with("/24"), "{got}");

    let node_pool = plugin.call("IpamDriver.RequestPool", &nodes.replace("stub_local", "kuryr_local"));
    let node_pool = node_pool["PoolID"].as_str().unwrap().to_owned();
    assert!(node_pool.starts_with("n1:"), "{node_pool}");
    let on_pool = |body: &str| {
        body.replace("pool-10.33.0.0/24", &node_pool).replace("10.33.0.2", got.trim_end_matches("/24"))
    };
    assert_eq!(plugin.call("IpamDriver.RequestAddress", &on_pool(node_gateway))["Address"], "10.33.0.1/24");
    let [network] = recorded("NetworkDriver.CreateNetwork", "10.33.0.0/24").try_into().unwrap();
    let mut network: Value = serde_json::from_str(&network).unwrap();
    network["Options"]["com.docker.network.generic"] = options;
    plugin.call("NetworkDriver.CreateNetwork", &network.to_string());
    assert_eq!(plugin.call("IpamDriver.RequestAddress", &on_pool(on_node))["Address"], got.as_str());
    let by_ip_on_node = on_pool(by_ip_on_node);
    assert_eq!(plugin.call("IpamDriver.RequestAddress", &by_ip_on_node)["Address"], "10.33.0.50/24");

    plugin.call("IpamDriver.ReleaseAddress", &on_pool(node_task_released));
    plugin.call("IpamDriver.ReleaseAddress", &on_pool(&by_ip_released.clone()));
    plugin.call("IpamDriver.ReleaseAddress", &on_pool(gateway_released));
    plugin.call("IpamDriver.ReleasePool", &json!({"PoolID": node_pool}).to_string());
    let id = network["NetworkID"].clone();
    plugin.call("NetworkDriver.DeleteNetwork", &json!({"NetworkID": id}).to_string());
    plugin.call("NetworkDriver.DiscoverNew", &recorded("NetworkDriver.DiscoverNew", "Self")[0]);

    let release = json!({"PoolID": pool, "Address": got.trim_end_matches("/24")}).to_string();
    plugin.call("IpamDriver.ReleaseAddress", &release);
    plugin.call("NetworkDriver.FreeNetwork", &json!({"NetworkID": id}).to_string());
    plugin.call("IpamDriver.ReleasePool", &json!({"PoolID": pool}).to_string());
    // The range is free again.
    let text = plugin.refused("IpamDriver.RequestPool", &nodes.replace("stub_local", "kuryr_local"));
    assert!(text.contains("10.33.0.0/24") && text.contains("does not exist"), "{text}");
}

#[test]
fn what_swarm_does_not_get_is_refused_with_the_reason() {
    let plugin = Plugin::start();
    let pools = recorded("IpamDriver.RequestPool", "fd31::/64");
    let text = plugin.refused("IpamDriver.RequestPool", &pools[0].replace("stub_global", "kuryr_global"));
    assert!(text.contains("IPv4 only"), "{text}");
    let allocations = recorded("NetworkDriver.AllocateNetwork", "fd31::/64");
    let text = plugin.refused("NetworkDriver.AllocateNetwork", &allocations[0]);
    assert!(text.contains("IPv4 only"), "{text}");
    // Docker's own IPAM driver.
    let allocations = recorded("NetworkDriver.AllocateNetwork", "10.0.1.0/24");
    let text = plugin.refused("NetworkDriver.AllocateNetwork", &allocations[0]);
    assert!(text.contains("--ipam-driver"), "{text}");
}

#[test]
fn address_spaces_that_are_one_and_virtual_machines_are_refused_at_the_start() {
    let mut rig = Rig::new();
    let spaces = "local_default_address_space = one\nglobal_default_address_space = one";
    rig.kuryr(spaces, &format!("[neutron]\n{AUTH}"));
    assert_eq!(rig.check().code, Some(0));
    rig.set("CAPABILITY_SCOPE", "global");
    assert!(rig.check().out.contains("must differ"));
    assert!(rig.serve_fails().contains("must differ"));
    rig.kuryr("", &format!("[neutron]\n{AUTH}[binding]\ndefault_driver = macvlan\nlink_iface = eth0\n"));
    assert!(rig.serve_fails().contains("inside a virtual machine"));
}
