//! Every operation with every fault at every outside call, and killed at every outside call and after every change of
//! the journal: nothing leaks, what was there stays as it was, and the user's repetition succeeds.

use std::future::Future;
use std::pin::Pin;

use super::docker::{Container, Docker, Failure, Net, Outcome, Run, ip, v4};
use super::guest;
use crate::ExposedPort;
use crate::doubles::Fault;
use crate::guest::GuestMode;

/// What the steps of one scenario pass on.
#[derive(Debug, Default, Clone)]
struct Scene {
    net: Net,
    network: String,
    container: Option<Container>,
}

/// Each at every call where it can happen.
const FAULTS: [Fault; 15] = [
    Fault::Status(400),
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(409),
    Fault::Status(413),
    Fault::Status(429),
    Fault::Fail,
    Fault::Status(503),
    Fault::Late,
    Fault::Dropped,
    Fault::Lost,
    Fault::Down,
    Fault::DieBefore,
    Fault::DieAfter,
];

type Step = for<'a> fn(&'a mut Docker, &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

struct Scenario {
    name: &'static str,
    /// Before the operator's eyes: what exists in the cloud without us.
    cloud: Step,
    before: Step,
    operation: Step,
    /// Undoing the operation must lead back to where it began.
    creates: bool,
    run: fn() -> Run,
}

fn nothing<'a>(_: &'a mut Docker, _: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async { Ok(()) })
}

fn own<'a>(_: &'a mut Docker, scene: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    scene.net = v4("10.9.0.0/24");
    Box::pin(async { Ok(()) })
}

fn dual<'a>(_: &'a mut Docker, scene: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    scene.net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    Box::pin(async { Ok(()) })
}

fn automatic<'a>(docker: &'a mut Docker, _: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
        Ok(())
    })
}

fn automatic_dual<'a>(
    docker: &'a mut Docker,
    s: &'a mut Scene,
) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
        docker.operator_pool("kuryr6", "fd20::/48", 64).await;
        s.net = Net { v6: true, ..Net::default() };
        Ok(())
    })
}

/// The agent's host binds in a way that needs more of the host.
fn bound_as(docker: &Docker, vif_type: &str, details: &[(&str, serde_json::Value)]) {
    let mut cloud = docker.world.cloud.lock().unwrap();
    super::binding::equip(&mut cloud);
    cloud.vif_type = vif_type.to_owned();
    cloud.vif_details = details.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
}

fn on_ovs<'a>(docker: &'a mut Docker, scene: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    bound_as(docker, "ovs", &[]);
    own(docker, scene)
}

fn on_ovs_hybrid<'a>(
    docker: &'a mut Docker,
    scene: &'a mut Scene,
) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    bound_as(docker, "ovs", &[("ovs_hybrid_plug", true.into())]);
    own(docker, scene)
}

fn by_script<'a>(
    docker: &'a mut Docker,
    scene: &'a mut Scene,
) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    bound_as(docker, "midonet", &[("port_filter", true.into())]);
    own(docker, scene)
}

fn on_a_virtual_function<'a>(
    docker: &'a mut Docker,
    scene: &'a mut Scene,
) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        adopted(docker, scene).await?;
        bound_as(docker, "hw_veb", &[("vlan", "42".into())]);
        for port in docker.world.cloud.lock().unwrap().ports.values_mut() {
            port.vnic_type = Some("direct".to_owned());
            port.profile.insert("pci_slot".to_owned(), super::binding::SLOT.into());
        }
        Ok(())
    })
}

fn adopted<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
        docker.operator_port(&id, "10.9.0.55").await;
        s.net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
        Ok(())
    })
}

fn adopted_without_subnet<'a>(
    docker: &'a mut Docker,
    s: &'a mut Scene,
) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        let id = docker.operator_network("theirs", &["10.10.0.0/24"]).await;
        s.net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
        Ok(())
    })
}

/// Inside a virtual machine.
async fn in_a_machine(docker: &mut Docker, scene: &mut Scene, mode: GuestMode) -> guest::Machine {
    scene.net = guest::net(mode);
    let machine = guest::become_a_machine(docker, guest::settings(mode)).await;
    docker.service.find_itself().await.unwrap();
    machine
}

fn in_a_trunk<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, GuestMode::Vlan).await;
        Ok(())
    })
}

/// With a pool of subports that is full.
fn in_a_trunk_with_a_pool<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, GuestMode::Vlan).await;
        let mut settings = guest::settings(GuestMode::Vlan);
        settings.spares = crate::guest::Spares { min: 1, max: 2 };
        docker.settings.guest = Some(settings);
        docker.requires_mac = false;
        docker.restart();
        docker.service.find_itself().await.unwrap();
        docker.world.calls();
        Ok(())
    })
}

fn create_and_fill<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        create(docker, s).await?;
        docker.service.inner.fill_pools().await.unwrap();
        Ok(())
    })
}

fn create_fill_and_run<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        create_and_fill(docker, s).await?;
        start(plain)(docker, s).await
    })
}

fn in_a_trunk_dual<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, GuestMode::Vlan).await;
        dual(docker, s).await
    })
}

fn in_a_trunk_adopted<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, GuestMode::Vlan).await;
        adopted(docker, s).await
    })
}

fn by_macvlan<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, guest::MACVLAN).await;
        Ok(())
    })
}

fn by_macvlan_adopted<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        let machine = in_a_machine(docker, s, guest::MACVLAN).await;
        docker.operator_port(&machine.network, "10.50.0.55").await;
        Ok(())
    })
}

fn by_ipvlan<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        in_a_machine(docker, s, guest::IPVLAN).await;
        Ok(())
    })
}

fn by_ipvlan_dual<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        let machine = in_a_machine(docker, s, guest::IPVLAN).await;
        docker.operator_subnet(&machine.network, "fd50::/64").await;
        s.net = Net { v6: true, subnet6: Some("fd50::/64".parse().unwrap()), ..guest::net(guest::IPVLAN) };
        Ok(())
    })
}

fn create<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    Box::pin(async {
        s.network = docker.network_create(&s.net).await?;
        Ok(())
    })
}

fn start(run: fn() -> Run) -> impl for<'a> Fn(&'a mut Docker, &'a mut Scene) -> Starting<'a> {
    move |docker, s| {
        Box::pin(async move {
            s.container = Some(docker.run(&s.network, &run()).await?);
            Ok(())
        })
    }
}

type Starting<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

fn stop<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        if let Some(container) = &s.container {
            docker.stop(container).await?;
        }
        s.container = None;
        Ok(())
    })
}

fn remove<'a>(docker: &'a mut Docker, s: &'a mut Scene) -> Starting<'a> {
    Box::pin(async {
        if !s.network.is_empty() {
            docker.network_rm(&s.network).await?;
        }
        s.network.clear();
        Ok(())
    })
}

/// Marks a step that starts the scenario's container.
fn run_step<'a>(_: &'a mut Docker, _: &'a mut Scene) -> Starting<'a> {
    unreachable!("replaced by the scenario's run")
}

fn create_and_run<'a>(_: &'a mut Docker, _: &'a mut Scene) -> Starting<'a> {
    unreachable!("replaced by the scenario's run")
}

async fn step(what: Step, run: fn() -> Run, docker: &mut Docker, scene: &mut Scene) -> Outcome {
    if what as usize == create_and_run as Step as usize {
        create(docker, scene).await?;
        return start(run)(docker, scene).await;
    }
    if what as usize == run_step as Step as usize {
        return start(run)(docker, scene).await;
    }
    what(docker, scene).await
}

impl Scenario {
    async fn prepared(&self) -> (Docker, Scene, crate::doubles::Cloud) {
        let mut docker = Docker::new();
        let mut scene = Scene::default();
        step(self.cloud, self.run, &mut docker, &mut scene).await.unwrap();
        let cloud = docker.world.snapshot();
        step(self.before, self.run, &mut docker, &mut scene).await.unwrap();
        docker.world.all_calls();
        (docker, scene, cloud)
    }

    async fn check(&self) {
        let (mut docker, mut scene, _) = self.prepared().await;
        docker.world.disarm();
        step(self.operation, self.run, &mut docker, &mut scene).await.unwrap();
        let changes = docker.world.journal_changes();
        let calls = docker.world.call_names();
        assert!(!calls.is_empty() && changes > 0, "{}", self.name);
        for (at, call) in (1..).zip(&calls) {
            for fault in FAULTS.into_iter().filter(|fault| self.can_happen(*fault, call)) {
                self.check_one(fault, at).await;
            }
        }
        for at in 1..=changes {
            self.check_one(Fault::DieAfterWrite, at).await;
        }
    }

    /// The host has no statuses. And what the cloud says is not there, is not there: whoever removes it is done, so that
    /// a lie of it is no fault that could be survived.
    fn can_happen(&self, fault: Fault, call: &str) -> bool {
        match fault {
            Fault::Status(404) if !self.creates => false,
            Fault::Status(404) if call.starts_with("DELETE") => false,
            Fault::Status(_) | Fault::Dropped | Fault::Late => !call.starts_with("host "),
            _ => true,
        }
    }

    async fn check_one(&self, fault: Fault, at: usize) {
        let when = format!("{}, {fault:?} at call {at}", self.name);
        let (mut docker, mut scene, cloud) = self.prepared().await;
        let before = docker.world.snapshot();
        docker.world.arm(at, fault);
        let outcome = step(self.operation, self.run, &mut docker, &mut scene).await;
        docker.world.disarm();
        match &outcome {
            // What a removal could not do at once is done in the background.
            Ok(()) if !self.creates => docker.sweep().await,
            Ok(()) => {}
            Err(Failure::Died) => {
                docker.reboot().await;
                docker.roll_back().await;
                if fault == Fault::DieAfterWrite {
                    // Finished, but Docker has never heard of it.
                    docker.let_time_pass();
                    docker.sweep().await;
                }
            }
            Err(Failure::Refused(error)) => {
                let text = error.to_string();
                assert!(!text.is_empty() && !text.contains('\n'), "{when}: {text}");
                assert!(!text.contains("panicked") && text.len() < 1000, "{when}: {text}");
                if fault == Fault::Down || !self.creates {
                    docker.sweep().await;
                }
            }
        }
        if outcome.is_err() {
            if self.creates {
                assert_eq!(docker.world.snapshot(), before, "{when}: {outcome:?}");
            }
            let again = step(self.operation, self.run, &mut docker, &mut scene).await;
            assert!(again.is_ok(), "{when}: the repetition: {again:?}");
        }
        docker.let_late_ones_expire();
        docker.sweep().await;
        stop(&mut docker, &mut scene).await.unwrap_or_else(|e| panic!("{when}: {e:?}"));
        remove(&mut docker, &mut scene).await.unwrap_or_else(|e| panic!("{when}: {e:?}"));
        assert_eq!(docker.world.snapshot(), cloud, "{when}: {outcome:?}");
        docker.assert_forgotten(&when);
    }
}

fn plain() -> Run {
    Run::default()
}

fn exposing() -> Run {
    let port = |port| ExposedPort { protocol: 17, port };
    Run { exposed: vec![port(1234), port(1235)], ..Run::default() }
}

fn address() -> Run {
    Run { ip: Some(ip("10.9.0.77")), ..Run::default() }
}

fn existing_port() -> Run {
    Run { ip: Some(ip("10.9.0.55")), ..Run::default() }
}

fn existing_port_exposing() -> Run {
    Run { ip: Some(ip("10.9.0.55")), ..exposing() }
}

fn machines_port() -> Run {
    Run { ip: Some(ip("10.50.0.55")), ..Run::default() }
}

fn own_mac() -> Run {
    Run { mac: Some("02:42:0a:00:00:09".parse().unwrap()), ..Run::default() }
}

fn existing_port_own_mac() -> Run {
    Run { ip: Some(ip("10.9.0.55")), ..own_mac() }
}

fn dual_exposing() -> Run {
    exposing()
}

macro_rules! matrix {
    ($($name:ident: $cloud:ident, $before:ident, $operation:ident, $creates:literal, $run:ident;)*) => { $(
        #[tokio::test]
        async fn $name() {
            Scenario {
                name: stringify!($name),
                cloud: $cloud,
                before: $before,
                operation: $operation,
                creates: $creates,
                run: $run,
            }
            .check()
            .await;
        }
    )* };
}

matrix! {
    creating_an_own_network: own, nothing, create, true, plain;
    creating_a_dual_stack_network: dual, nothing, create, true, plain;
    creating_an_automatic_network: automatic, nothing, create, true, plain;
    creating_an_automatic_dual_stack_network: automatic_dual, nothing, create, true, plain;
    adopting_a_network: adopted, nothing, create, true, plain;
    adopting_a_network_without_the_subnet: adopted_without_subnet, nothing, create, true, plain;
    running: own, create, run_step, true, plain;
    running_on_an_address: own, create, run_step, true, address;
    running_with_exposed_ports: own, create, run_step, true, exposing;
    running_on_an_existing_port: adopted, create, run_step, true, existing_port;
    running_on_an_existing_port_with_exposed_ports: adopted, create, run_step, true, existing_port_exposing;
    running_with_a_mac_of_its_own: own, create, run_step, true, own_mac;
    running_on_an_existing_port_with_another_mac: adopted, create, run_step, true, existing_port_own_mac;
    running_dual_stack: dual, create, run_step, true, dual_exposing;
    running_on_ovs: on_ovs, create, run_step, true, plain;
    running_on_ovs_hybrid: on_ovs_hybrid, create, run_step, true, plain;
    running_by_script: by_script, create, run_step, true, plain;
    running_on_a_virtual_function: on_a_virtual_function, create, run_step, true, existing_port;
    stopping_on_ovs: on_ovs, create_and_run, stop, false, plain;
    stopping_on_ovs_hybrid: on_ovs_hybrid, create_and_run, stop, false, plain;
    stopping_by_script: by_script, create_and_run, stop, false, plain;
    stopping_on_a_virtual_function: on_a_virtual_function, create_and_run, stop, false, existing_port;
    joining_a_trunk: in_a_trunk, create, run_step, true, plain;
    joining_a_trunk_with_exposed_ports: in_a_trunk, create, run_step, true, exposing;
    joining_a_trunk_dual_stack: in_a_trunk_dual, create, run_step, true, plain;
    joining_a_trunk_with_an_existing_port: in_a_trunk_adopted, create, run_step, true, existing_port;
    running_by_macvlan: by_macvlan, create, run_step, true, plain;
    running_by_macvlan_on_an_existing_port: by_macvlan_adopted, create, run_step, true, machines_port;
    running_by_ipvlan: by_ipvlan, create, run_step, true, plain;
    running_by_ipvlan_dual_stack: by_ipvlan_dual, create, run_step, true, plain;
    // A start that fails costs the pool a port, so it does not lead back to where it began.
    joining_a_trunk_from_a_pool: in_a_trunk_with_a_pool, create_and_fill, run_step, false, plain;
    joining_a_trunk_from_a_pool_with_exposed_ports: in_a_trunk_with_a_pool, create_and_fill, run_step, false, exposing;
    leaving_a_trunk_to_a_pool: in_a_trunk_with_a_pool, create_fill_and_run, stop, false, plain;
    removing_a_network_with_a_pool: in_a_trunk_with_a_pool, create_and_fill, remove, false, plain;
    leaving_a_trunk: in_a_trunk, create_and_run, stop, false, exposing;
    leaving_a_trunk_with_an_existing_port: in_a_trunk_adopted, create_and_run, stop, false, existing_port;
    stopping_by_macvlan: by_macvlan, create_and_run, stop, false, plain;
    stopping_by_macvlan_on_an_existing_port: by_macvlan_adopted, create_and_run, stop, false, machines_port;
    stopping_by_ipvlan: by_ipvlan, create_and_run, stop, false, plain;
    stopping_by_ipvlan_dual_stack: by_ipvlan_dual, create_and_run, stop, false, plain;
    stopping: own, create_and_run, stop, false, exposing;
    stopping_on_an_existing_port: adopted, create_and_run, stop, false, existing_port_exposing;
    stopping_on_an_existing_port_with_another_mac: adopted, create_and_run, stop, false, existing_port_own_mac;
    stopping_dual_stack: dual, create_and_run, stop, false, plain;
    removing_an_own_network: own, create, remove, false, plain;
    removing_a_dual_stack_network: dual, create, remove, false, plain;
    removing_an_automatic_network: automatic, create, remove, false, plain;
    removing_an_adopted_network: adopted, create, remove, false, plain;
    removing_an_adopted_network_with_our_subnet: adopted_without_subnet, create, remove, false, plain;
}
