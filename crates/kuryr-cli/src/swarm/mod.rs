//! `kuryr swarm`: a network of local scope for all nodes. Docker has a manager only name it; what it is each node looks up in a
//! network of its own that is nothing but a description (`--config-only`), and here all nodes get the same one.

mod engine;

use crate::arguments::{SwarmAction, SwarmArguments, SwarmNetwork};
use crate::error::Error;
use crate::output;

use engine::Engine;

/// On each description: what it was made from.
const LABEL: &str = "kuryr.swarm.description";

pub(crate) fn run(args: SwarmArguments) -> Result<(), Error> {
    let engines: Vec<Engine> = if args.engines.is_empty() {
        vec![Engine::here()]
    } else {
        args.engines.into_iter().map(Engine::at).collect()
    };
    if let SwarmAction::Create(network) = &args.action {
        names_one_network(network)?;
    }
    // Asked first: without a manager there is nothing to do on the others.
    let manager = manager(&engines)?;
    match args.action {
        SwarmAction::Create(network) => {
            on_each(&engines, |engine| describe(engine, &network))?;
            create(manager, &network)
        }
        SwarmAction::Rm { name } => {
            let removed = remove(manager, &name)?;
            output::line(format_args!("{manager}: network {name} {removed}"));
            on_each(&engines, |engine| remove(engine, &description_of(&name)))
        }
    }
}

/// Nodes that are told only a range make a network each, and the same addresses on all of them.
fn names_one_network(network: &SwarmNetwork) -> Result<(), Error> {
    let named = |option: &String| {
        ["neutron.net.uuid=", "neutron.net.name="].iter().any(|key| option.starts_with(key))
    };
    if network.options.iter().any(named) {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "network {} must exist in Neutron, with its subnets; name it with -o neutron.net.uuid=ID, else each node would make \
         one of its own",
        network.name
    )))
}

fn manager(engines: &[Engine]) -> Result<&Engine, Error> {
    let mut reasons = Vec::new();
    for engine in engines {
        match engine.run(&["info", "--format", "{{.Swarm.ControlAvailable}}"]) {
            Ok(answer) if answer == "true" => return Ok(engine),
            Ok(_) => reasons.push(format!("{engine} is none")),
            Err(reason) => reasons.push(format!("{engine}: {reason}")),
        }
    }
    Err(Error::Setting(format!(
        "no manager of a swarm among the engines given ({}); name one with --docker",
        reasons.join("; ")
    )))
}

/// The description's name on every node.
fn description_of(name: &str) -> String {
    format!("{name}.config")
}

/// What the node is told, one option after the other.
fn described(network: &SwarmNetwork) -> Vec<String> {
    let mut all = vec!["--ipam-driver".to_owned(), network.driver.clone()];
    for (option, values) in [
        ("--subnet", &network.subnets),
        ("--gateway", &network.gateways),
        ("--ip-range", &network.ranges),
        ("--opt", &network.options),
        ("--ipam-opt", &network.ipam_options),
    ] {
        values.iter().for_each(|value| all.extend([option.to_owned(), value.clone()]));
    }
    for (option, on) in [("--ipv6", network.ipv6), ("--internal", network.internal)] {
        all.extend(on.then(|| option.to_owned()));
    }
    all
}

/// On all nodes at once; each failure is told, and counted in the error.
fn on_each(
    engines: &[Engine],
    act: impl Fn(&Engine) -> Result<&'static str, Error> + Sync,
) -> Result<(), Error> {
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = engines.iter().map(|engine| scope.spawn(|| act(engine))).collect();
        all.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut failed = 0;
    for (engine, outcome) in engines.iter().zip(outcomes) {
        match outcome {
            Ok(Ok(done)) => output::line(format_args!("{engine}: description {done}")),
            Ok(Err(error)) => {
                failed += 1;
                output::note(format_args!("{engine}: {error}"));
            }
            Err(_) => failed += 1,
        }
    }
    if failed == 0 { Ok(()) } else { Err(Error::Nodes { count: failed }) }
}

fn describe(engine: &Engine, network: &SwarmNetwork) -> Result<&'static str, Error> {
    let (name, options) = (description_of(&network.name), described(network));
    let wanted = options.join(" ");
    let format = format!("{{{{.ConfigOnly}}}} {{{{index .Labels \"{LABEL}\"}}}}");
    if let Some(found) = engine.find(&["network", "inspect", "--format", &format, &name])? {
        if found == format!("true {wanted}") {
            return Ok("kept");
        }
        return Err(Error::Setting(format!(
            "network {name} is another description; remove it with `kuryr swarm rm {}`",
            network.name
        )));
    }
    let label = format!("{LABEL}={wanted}");
    let mut args = vec!["network", "create", "--config-only", "--label", &label];
    args.extend(options.iter().map(String::as_str));
    args.push(&name);
    engine.must(&args)?;
    Ok("made")
}

fn create(manager: &Engine, network: &SwarmNetwork) -> Result<(), Error> {
    let config = description_of(&network.name);
    let format = "{{.Scope}} {{.Driver}} {{.ConfigFrom.Network}}";
    if let Some(found) = manager.find(&["network", "inspect", "--format", format, &network.name])? {
        if found == format!("swarm {} {config}", network.driver) {
            output::line(format_args!("{manager}: network {} kept", network.name));
            return Ok(());
        }
        return Err(Error::Setting(format!(
            "{manager} has another network {}; choose another name, or remove it",
            network.name
        )));
    }
    let mut args = vec!["network", "create", "--driver", &network.driver, "--scope", "swarm"];
    args.extend(["--config-from", &config]);
    args.extend(network.attachable.then_some("--attachable"));
    args.push(&network.name);
    manager.must(&args)?;
    output::line(format_args!("{manager}: network {} made", network.name));
    Ok(())
}

fn remove(engine: &Engine, name: &str) -> Result<&'static str, Error> {
    if engine.find(&["network", "inspect", "--format", "{{.Id}}", name])?.is_none() {
        return Ok("absent");
    }
    engine.must(&["network", "rm", name])?;
    Ok("removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_a_network_that_exists() {
        let mut network = example();
        assert!(names_one_network(&network).is_ok());
        network.options = vec!["neutron.port.x=1".into()];
        assert!(names_one_network(&network).unwrap_err().to_string().contains("neutron.net.uuid"));
    }

    #[test]
    fn a_description_says_all_that_nodes_must_agree_on() {
        assert_eq!(
            described(&example()).join(" "),
            "--ipam-driver kuryr:latest --subnet 10.40.0.0/24 --subnet fd40::/64 --opt neutron.net.uuid=N \
             --ipam-opt neutron.subnet.uuid=S --ipv6"
        );
    }

    fn example() -> SwarmNetwork {
        SwarmNetwork {
            name: "net".into(),
            subnets: vec!["10.40.0.0/24".into(), "fd40::/64".into()],
            gateways: vec![],
            ranges: vec![],
            ipv6: true,
            internal: false,
            options: vec!["neutron.net.uuid=N".into()],
            ipam_options: vec!["neutron.subnet.uuid=S".into()],
            attachable: true,
            driver: "kuryr:latest".into(),
        }
    }
}
