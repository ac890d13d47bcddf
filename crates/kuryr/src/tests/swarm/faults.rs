//! Every call of managers and nodes with every fault, and a kill at each call and after each change of the journal: the
//! repetition works, and when the network is removed nothing is left.

use super::super::docker::Failure;
use super::*;
use crate::doubles::Fault;

/// Each at every call where it can happen.
const FAULTS: [Fault; 10] = [
    Fault::Status(403),
    Fault::Status(409),
    Fault::Fail,
    Fault::Status(503),
    Fault::Late,
    Fault::Dropped,
    Fault::Lost,
    Fault::Down,
    Fault::DieBefore,
    Fault::DieAfter,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Reserve,
    ReserveAgain,
    Release,
    Arrive,
    Start,
    Stop,
    StopLast,
    Remove,
}

struct Scene {
    docker: Docker,
    network: Option<Global>,
    wanted: Option<IpNet>,
    pool: Option<Pool>,
    task: Option<Task>,
}

impl Scene {
    /// One node that is a manager, too, up to just before the operation.
    async fn before(operation: Operation) -> (Self, crate::doubles::Cloud) {
        let docker = node("node-1");
        let cloud = docker.world.snapshot();
        let mut scene = Self { docker, network: None, wanted: None, pool: None, task: None };
        let steps: &[Operation] = match operation {
            Operation::Create => &[],
            Operation::Reserve | Operation::Remove => &[Operation::Create],
            Operation::ReserveAgain | Operation::Release | Operation::Arrive => {
                &[Operation::Create, Operation::Reserve]
            }
            Operation::Start => &[Operation::Create, Operation::Reserve, Operation::Arrive],
            Operation::Stop => &[Operation::Create, Operation::Reserve, Operation::Arrive, Operation::Start],
            Operation::StopLast => &[
                Operation::Create,
                Operation::Reserve,
                Operation::Arrive,
                Operation::Start,
                Operation::Release,
            ],
        };
        for step in steps {
            scene.run(*step).await.unwrap();
        }
        scene.docker.world.all_calls();
        scene.docker.world.disarm();
        (scene, cloud)
    }

    async fn run(&mut self, operation: Operation) -> Outcome {
        let docker = &self.docker;
        let network = self.network.clone();
        let managers = || network.clone().unwrap().pool.id;
        match operation {
            Operation::Create => {
                self.network = Some(dead(docker, create(docker, ID, RANGE, &[], &[])).await?);
            }
            Operation::Reserve => {
                self.wanted = Some(dead(docker, address(docker, &managers(), None)).await?);
            }
            Operation::ReserveAgain => {
                let live = [self.wanted.unwrap()];
                dead(docker, replay(docker, ID, &network.unwrap(), &live, &[])).await?;
            }
            Operation::Release => {
                let (pool, address) = (managers(), self.wanted.unwrap().addr());
                dead(docker, docker.service.release_address(&pool, address)).await?;
            }
            Operation::Arrive => {
                self.pool = Some(dead(docker, arrive(docker, ID, &network.unwrap(), &[])).await?);
            }
            Operation::Start => {
                let pool = self.pool.clone().unwrap();
                self.task = Some(dead(docker, start(docker, ID, &pool, self.wanted.unwrap())).await?);
            }
            Operation::Stop | Operation::StopLast => {
                let (pool, task) = (self.pool.clone().unwrap(), self.task.clone().unwrap());
                dead(docker, stop(docker, ID, &pool, &task)).await?;
                self.task = None;
            }
            Operation::Remove => {
                dead(docker, remove(docker, ID, &network.unwrap())).await?;
                self.network = None;
            }
        }
        Ok(())
    }

    /// Everything comes to its end.
    async fn end(mut self, when: &str, cloud: &crate::doubles::Cloud) {
        for step in [Operation::Stop, Operation::Release, Operation::Remove] {
            let there = match step {
                Operation::Stop => self.task.is_some(),
                Operation::Release => self.wanted.is_some(),
                _ => self.network.is_some(),
            };
            if !there {
                continue;
            }
            if step == Operation::Remove
                && let (Some(pool), Some(network)) = (&self.pool, &self.network)
            {
                depart(&self.docker, ID, network, pool).await.unwrap();
            }
            if let Err(error) = self.run(step).await {
                panic!("{when}: {step:?}: {error:?}");
            }
        }
        self.docker.let_late_ones_expire();
        self.docker.let_time_pass();
        self.docker.sweep().await;
        self.docker.sweep().await;
        assert_eq!(self.docker.world.snapshot(), *cloud, "{when}");
        self.docker.assert_forgotten(when);
        let left = self.docker.service.inner.reservations.all(|_| true);
        assert!(left.is_empty(), "{when}: {left:?}");
    }
}

async fn check(operation: Operation) {
    let (mut scene, _) = Scene::before(operation).await;
    scene.run(operation).await.unwrap();
    let changes = scene.docker.world.journal_changes();
    let calls = scene.docker.world.call_names();
    assert!(!calls.is_empty());
    for (at, call) in (1..).zip(&calls) {
        let host = call.starts_with("host ");
        for fault in FAULTS {
            let of_cloud = matches!(fault, Fault::Status(_) | Fault::Dropped | Fault::Late);
            if !(host && of_cloud) {
                check_one(operation, fault, at).await;
            }
        }
    }
    for at in 1..=changes {
        check_one(operation, Fault::DieAfterWrite, at).await;
    }
}

async fn check_one(operation: Operation, fault: Fault, at: usize) {
    let when = format!("{operation:?}, {fault:?} at call {at}");
    let (mut scene, cloud) = Scene::before(operation).await;
    scene.docker.world.arm(at, fault);
    let outcome = scene.run(operation).await;
    scene.docker.world.disarm();
    match &outcome {
        Ok(()) => {}
        Err(Failure::Died) => {
            scene.docker.reboot().await;
            if operation == Operation::Start {
                // What Docker does whose requests break off.
                let (pool, address) = (scene.pool.clone().unwrap().id, scene.wanted.unwrap().addr());
                scene.docker.service.release_address(&pool, address).await.unwrap();
            }
        }
        Err(Failure::Refused(error)) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("panicked"), "{when}: {text}");
            scene.docker.sweep().await;
        }
    }
    if outcome.is_err() {
        let again = scene.run(operation).await;
        assert!(again.is_ok(), "{when}: {outcome:?}, the repetition: {again:?}");
    }
    scene.end(&when, &cloud).await;
}

macro_rules! matrix {
    ($($name:ident: $operation:ident;)*) => { $(
        #[tokio::test]
        async fn $name() {
            check(Operation::$operation).await;
        }
    )* };
}

matrix! {
    allocating_a_network: Create;
    reserving_an_address: Reserve;
    replaying_an_address: ReserveAgain;
    releasing_an_address: Release;
    coming_to_a_node: Arrive;
    starting_a_task: Start;
    stopping_a_task: Stop;
    stopping_a_task_the_manager_has_given_up: StopLast;
    freeing_a_network: Remove;
}
