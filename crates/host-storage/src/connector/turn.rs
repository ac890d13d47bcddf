//! Whose turn it is: two volumes behind one target must not connect and disconnect it at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One lock per name, as long as somebody holds or awaits it.
static TURNS: Mutex<BTreeMap<String, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

/// Does `work` while nobody else of this process works on `name`.
pub(super) fn alone<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let turn = lock(&TURNS).entry(name.to_owned()).or_default().clone();
    let guard = lock(&turn);
    let result = work();
    drop(guard);
    drop(turn);
    lock(&TURNS).retain(|_, t| Arc::strong_count(t) > 1);
    result
}

/// What is protected holds no data that a panic could have left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn two_at_one_target_take_turns_and_leave_no_lock() {
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    alone("turn-test", || {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(5));
                        inside.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(!lock(&TURNS).contains_key("turn-test"));
    }
}
