//! One run: what Docker asks for, and what happens meanwhile.

use std::fmt::Write as _;
use std::sync::Arc;

use super::check::{self, Before};
use super::dice::Dice;
use super::docker::{Existence, Kind, Volume};
use super::fault::{Mishap, Trouble};
use super::process::Process;
use crate::testing::{ADOPTABLE, World};

const CONTAINERS: [&str; 3] = ["a", "b", "c"];

pub(super) struct Life {
    pub(super) dice: Dice,
    pub(super) world: Arc<World>,
    pub(super) volumes: Vec<Volume>,
    process: Option<Process>,
    mishap: Mishap,
    /// The fault is armed and still to come.
    ahead: bool,
    struck: bool,
    before: Before,
    story: String,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Create,
    Start,
    Stop,
    Remove,
    Restart,
    Look,
    Sweep,
}

impl Life {
    pub(super) fn new(mut dice: Dice) -> Self {
        let world = World::in_memory();
        world.count_journal();
        let in_server = dice.chance(3);
        world.state().in_server = in_server;
        check::furnish(&world);
        let kinds = Kind::of_three(&mut dice, in_server);
        let volumes = ["v0", "v1", "v2"].into_iter().zip(kinds).map(|(n, k)| Volume::new(n, k)).collect();
        let before = Before::of(&world);
        let story = format!("in a server: {in_server}, {kinds:?}\n");
        let mishap = Mishap::During(0, Trouble::Quota);
        Self { dice, world, volumes, process: None, mishap, ahead: false, struck: false, before, story }
    }

    pub(super) fn story(&self) -> String {
        let state = self.world.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut story = self.story.clone();
        let _ = writeln!(story, "calls: {:?}\nhost: {:?}", state.cloud_calls, state.host_calls);
        story
    }

    fn tell(&mut self, text: &str) {
        self.story.push_str(text);
        self.story.push('\n');
    }

    /// Returns whether the fault happened.
    pub(super) fn live(&mut self) -> bool {
        let operations = 6 + self.dice.below(12);
        self.mishap = Mishap::random(&mut self.dice, operations);
        self.tell(&format!("{:?}", self.mishap));
        // Most of a run is to lie before it, so that there is something to lose.
        let fateful = operations / 2 + self.dice.below(operations / 2);
        self.process = Some(Process::start(&self.world));
        for number in 0..operations {
            use Operation as O;
            let all = [O::Create, O::Start, O::Start, O::Start, O::Stop, O::Stop, O::Remove];
            let operation = match self.dice.below(12) {
                _ if number == fateful => {
                    self.dice.one_of(&[O::Create, O::Start, O::Start, O::Stop, O::Remove, O::Remove])
                }
                0 => self.dice.one_of(&[O::Restart, O::Look, O::Sweep]),
                _ => self.dice.one_of(&all),
            };
            let which = self.dice.below(self.volumes.len());
            let container = self.dice.one_of(&CONTAINERS);
            if number == fateful {
                self.make_ready(operation, which, container);
                if let Mishap::At(nth, fault) | Mishap::Reboot(nth, fault) = self.mishap {
                    self.world.plan(nth, fault);
                    self.ahead = true;
                }
            }
            self.one(number, operation, which, container);
        }
        let happened = self.struck;
        self.world.state().plan = None;
        self.ahead = false;
        check::all_ends_well(self);
        happened
    }

    /// There is something to stop, and nobody has what is to be removed.
    fn make_ready(&mut self, operation: Operation, which: usize, container: &'static str) {
        let fine = |result| assert_eq!(result, Some(Ok(())), "before the fault");
        if matches!(operation, Operation::Stop | Operation::Remove) && self.dice.chance(8) {
            fine(self.start(which, container));
        }
        while matches!(operation, Operation::Remove) && !self.volumes[which].containers.is_empty() {
            fine(self.stop(which));
        }
    }

    fn one(&mut self, number: usize, operation: Operation, which: usize, container: &'static str) {
        let during = match self.mishap {
            Mishap::During(at, trouble) if at == number => Some(trouble),
            _ => None,
        };
        if let Some(trouble) = during {
            trouble.begin(&self.world);
        }
        let was_ahead = self.ahead;
        let result = match operation {
            Operation::Create => self.create(which),
            Operation::Start => self.start(which, container),
            Operation::Stop => self.stop(which),
            Operation::Remove => self.remove(which),
            Operation::Restart => self.restart(),
            Operation::Look => self.look(which),
            Operation::Sweep => self.with(async |s| s.sweep().await).map(|()| Ok(())),
        };
        let name = self.volumes[which].name;
        let text = match &result {
            None => "killed".to_owned(),
            Some(Ok(())) => "fine".to_owned(),
            Some(Err(error)) => error.clone(),
        };
        self.tell(&format!("{number}: {operation:?} {name} {container}: {text}"));
        Trouble::end(&self.world);
        let struck = match self.mishap {
            Mishap::During(..) => during.is_some(),
            _ => was_ahead && self.world.state().plan.is_none(),
        };
        if !struck {
            assert_eq!(result, Some(Ok(())), "{operation:?} {name} without a fault");
            return;
        }
        (self.ahead, self.struck) = (false, true);
        let kept = check::alive_with_data(&self.world);
        if result.is_none() {
            self.rise();
        }
        // What the cloud was still about comes to its end at the second look.
        for _ in 0..2 {
            self.with(async |s| s.sweep().await).expect("nothing kills it any more");
        }
        let left = check::alive_with_data(&self.world);
        assert!(left.is_superset(&kept), "recovery deleted what was used: {kept:?}, {left:?}");
        check::after_recovery(self);
    }

    pub(super) fn with<T>(&self, work: impl AsyncFnOnce(&crate::Service) -> T) -> Option<T> {
        self.process.as_ref().unwrap().run(work)
    }

    /// The next process after a kill, or the next boot.
    fn rise(&mut self) {
        self.process.take().unwrap().end();
        if matches!(self.mishap, Mishap::Reboot(..)) {
            self.reboot();
        }
        self.process = Some(Process::start(&self.world));
        self.with(async |s| s.recover().await).expect("nothing kills it any more");
    }

    fn reboot(&mut self) {
        let keeps = self.dice.chance(5);
        let mut state = self.world.state();
        state.boot_id.push('x');
        state.mounts.clear();
        state.manila.mounts.clear();
        // Some storage connects by itself.
        if !keeps {
            state.connected.clear();
        }
        for volume in &mut self.volumes {
            volume.containers.clear();
            volume.show(&mut state);
        }
    }

    fn restart(&mut self) -> Option<Result<(), String>> {
        self.process.take().unwrap().end();
        self.process = Some(Process::start(&self.world));
        self.with(async |s| s.recover().await).map(Ok)
    }

    fn look(&mut self, which: usize) -> Option<Result<(), String>> {
        let (name, exists) = (self.volumes[which].name, self.volumes[which].exists);
        // Listed too, for what that does by the way.
        let found = self.with(async |s| {
            let _ = s.list().await;
            s.get(name).await
        })?;
        let found = match found {
            Ok(found) => found,
            Err(error) => return Some(Err(error.to_string())),
        };
        match exists {
            Existence::Yes => {
                assert!(found.is_some(), "{name} is missing")
            }
            Existence::No => assert!(found.is_none(), "{name} came from nowhere"),
            Existence::Maybe => {}
        }
        Some(Ok(()))
    }

    pub(super) fn create(&mut self, which: usize) -> Option<Result<(), String>> {
        let volume = &mut self.volumes[which];
        let (name, options, had) = (volume.name, volume.kind.options(), volume.exists);
        if had == Existence::No {
            volume.exists = Existence::Maybe;
            if volume.kind == Kind::Copy {
                volume.written = self.world.state().data[ADOPTABLE].clone();
            }
        }
        let result = self.with(async |s| s.create(name, options).await);
        let volume = &mut self.volumes[which];
        match &result {
            Some(Ok(())) => volume.exists = Existence::Yes,
            Some(Err(_)) if had == Existence::No => volume.refused = true,
            _ => {}
        }
        result.map(|r| r.map_err(|e| e.to_string()))
    }

    pub(super) fn start(&mut self, which: usize, container: &'static str) -> Option<Result<(), String>> {
        if self.volumes[which].exists != Existence::Yes {
            match self.create(which) {
                Some(Ok(())) => {}
                other => return other,
            }
        }
        let name = self.volumes[which].name;
        if self.volumes[which].containers.contains(container) {
            return Some(Ok(()));
        }
        match self.with(async |s| s.mount(name, container).await)? {
            Err(error) => return Some(Err(error.to_string())),
            Ok(path) => assert!(path.starts_with(format!("/volumes/{name}")), "{path:?}"),
        }
        let word = self.dice.number();
        let mut state = self.world.state();
        let volume = &mut self.volumes[which];
        let id = volume.mounted(&state).expect("an answered Mount is mounted");
        assert!(volume.id.as_ref().is_none_or(|known| *known == id), "{name} is another volume: {id}");
        volume.id = Some(id.clone());
        volume.containers.insert(container);
        volume.show(&mut state);
        volume.check_data(&state);
        if volume.kind.is_share() {
            state.manila.precious.insert(id.clone());
        } else {
            state.precious.insert(id.clone());
        }
        if volume.kind != Kind::Reader {
            volume.written.push(word);
            state.data.entry(id).or_default().push(word);
        }
        Some(Ok(()))
    }

    /// Its first container ends.
    pub(super) fn stop(&mut self, which: usize) -> Option<Result<(), String>> {
        let volume = &mut self.volumes[which];
        let Some(container) = volume.containers.pop_first() else { return Some(Ok(())) };
        volume.show(&mut self.world.state());
        let name = volume.name;
        self.with(async |s| s.unmount(name, container).await).map(|r| r.map_err(|e| e.to_string()))
    }

    /// Docker removes only what no container has.
    pub(super) fn remove(&mut self, which: usize) -> Option<Result<(), String>> {
        let volume = &mut self.volumes[which];
        let others = volume.kind == Kind::Reader && check::others_read(&self.world);
        if !volume.containers.is_empty() || others {
            return Some(Ok(()));
        }
        if volume.exists == Existence::Yes {
            volume.exists = Existence::Maybe;
        }
        let name = volume.name;
        let result = self.with(async |s| s.remove(name).await)?;
        if result.is_ok() {
            self.volumes[which].forget();
        }
        Some(result.map_err(|e| e.to_string()))
    }

    pub(super) fn before(&self) -> &Before {
        &self.before
    }
}
