//! The disk that has the journal, which fails or sees its process die at any change, too.

use std::cell::RefCell;
use std::io::{Error as IoError, ErrorKind};
use std::sync::{Arc, Weak};

use super::{Fault, World};

thread_local! {
    /// The world whose plan counts this thread's changes of the journal, beside the calls.
    static COUNTED: RefCell<Weak<World>> = const { RefCell::new(Weak::new()) };
}

impl World {
    /// From now on what this thread changes in the journal is a step of this world's plan.
    pub(crate) fn count_journal(self: &Arc<Self>) {
        COUNTED.set(Arc::downgrade(self));
    }
}

/// In the place of the ledger's function of that name.
pub(crate) fn off_the_workers(change: impl FnOnce() -> journal::Result<()>) -> journal::Result<()> {
    let Some(world) = COUNTED.with_borrow(Weak::upgrade) else { return change() };
    let fault = world.state().next_fault();
    let failed = || {
        let source = IoError::from(ErrorKind::StorageFull);
        Err(journal::Error::Io { action: "write", path: world.journal.path().to_owned(), source })
    };
    let Some(fault) = fault else { return change() };
    match fault {
        Fault::AnswerLost | Fault::DiesAfter => change()?,
        Fault::DiesBefore => {
            // What a write that was cut off leaves.
            for collection in ["volumes", "shares"] {
                let torn = world.journal.path().join(collection).join(".v0.part");
                if torn.parent().is_some_and(std::path::Path::is_dir) {
                    std::fs::write(torn, b"{\"name\": ").unwrap();
                }
            }
        }
        Fault::Fails | Fault::Unanswered | Fault::Refused => {}
    }
    if matches!(fault, Fault::DiesBefore | Fault::DiesAfter) {
        world.death.notify_one();
    }
    failed()
}
