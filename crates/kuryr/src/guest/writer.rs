//! One writer for a thing that many change at once: what is asked for while a change is under way is done together by
//! the next. Nobody waits for company, and nobody's change overwrites another's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::Trouble;

/// Most jobs in one request; Neutron takes a lock for each of them.
const MOST: usize = 128;

/// What the writer does with what it was asked for.
#[async_trait]
pub(super) trait Work: Send {
    /// What is asked for.
    type Job: Send;
    /// What is answered.
    type Done: Send;
    /// Does all of them, in as few requests as it can; one outcome per job, in their order.
    async fn perform(&mut self, jobs: Vec<Self::Job>) -> Vec<Result<Self::Done, Trouble>>;
}

type Outcome<W> = Result<<W as Work>::Done, Trouble>;
type Waiting<W> = Vec<(<W as Work>::Job, oneshot::Sender<Outcome<W>>)>;

/// The writer.
pub(super) struct Writer<W: Work> {
    waiting: Mutex<Waiting<W>>,
    work: tokio::sync::Mutex<W>,
}

impl<W: Work> Writer<W> {
    pub(super) fn new(work: W) -> Self {
        Self { waiting: Mutex::default(), work: tokio::sync::Mutex::new(work) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<W>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a job and waits until it is done, alone or with others.
    pub(super) async fn submit(&self, job: W::Job) -> Outcome<W> {
        let (answer, mut outcome) = oneshot::channel();
        self.waiting().push((job, answer));
        loop {
            let mut work = self.work.lock().await;
            match outcome.try_recv() {
                // Whoever had the turn before has done it.
                Ok(done) => return done,
                Err(oneshot::error::TryRecvError::Closed) => return Err(Trouble::Broken),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let batch: Waiting<W> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(MOST);
                waiting.drain(..count).collect()
            };
            let (jobs, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            for (answer, outcome) in answers.into_iter().zip(work.perform(jobs).await) {
                // Nobody is there to hear it when the service is being ended.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Looks at, or changes, what the writer knows, in a turn of its own.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, W> {
        self.work.lock().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Doubles numbers; the first batch takes until the gate opens.
    struct Doubling {
        batches: Arc<Mutex<Vec<usize>>>,
        gate: Arc<tokio::sync::Semaphore>,
        fail_at: Option<u32>,
    }

    #[async_trait]
    impl Work for Doubling {
        type Job = u32;
        type Done = u32;

        async fn perform(&mut self, jobs: Vec<u32>) -> Vec<Result<u32, Trouble>> {
            self.batches.lock().unwrap().push(jobs.len());
            self.gate.acquire().await.unwrap().forget();
            let fails = self.fail_at;
            jobs.into_iter()
                .map(|n| if fails == Some(n) { Err(Trouble::Broken) } else { Ok(2 * n) })
                .collect()
        }
    }

    type Rig = (Arc<Writer<Doubling>>, Arc<Mutex<Vec<usize>>>, Arc<tokio::sync::Semaphore>);

    fn doubling(permits: usize) -> Rig {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(tokio::sync::Semaphore::new(permits));
        let work = Doubling { batches: Arc::clone(&batches), gate: Arc::clone(&gate), fail_at: Some(7) };
        (Arc::new(Writer::new(work)), batches, gate)
    }

    async fn until(holds: impl Fn() -> bool) {
        for _ in 0..1000 {
            if holds() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("waited in vain");
    }

    #[tokio::test]
    async fn what_comes_while_one_is_under_way_is_done_together_by_the_next() {
        let (writer, batches, gate) = doubling(0);
        let begun = Arc::new(AtomicUsize::new(0));
        let ask = |n: u32| {
            let (writer, begun) = (Arc::clone(&writer), Arc::clone(&begun));
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                writer.submit(n).await
            })
        };
        let first = ask(1);
        until(|| batches.lock().unwrap().len() == 1).await;
        let others: Vec<_> = (2..=32).map(ask).collect();
        until(|| writer.waiting().len() == 31).await;
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 2);
        for (n, other) in (2..).zip(others) {
            let outcome = other.await.unwrap();
            // One that fails is nobody else's trouble.
            if n == 7 { assert!(outcome.is_err()) } else { assert_eq!(outcome.unwrap(), 2 * n) }
        }
        assert_eq!(*batches.lock().unwrap(), [1, 31]);
    }

    #[tokio::test]
    async fn a_writer_that_breaks_off_leaves_nobody_waiting() {
        let (writer, batches, gate) = doubling(0);
        let first = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.submit(1).await })
        };
        until(|| batches.lock().unwrap().len() == 1).await;
        let second = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.submit(2).await })
        };
        until(|| writer.waiting().len() == 1).await;
        first.abort();
        gate.add_permits(1);
        assert_eq!(second.await.unwrap().unwrap(), 4);
    }

    #[tokio::test]
    async fn no_batch_is_without_bound() {
        let (writer, batches, gate) = doubling(0);
        let first = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.submit(1).await })
        };
        until(|| batches.lock().unwrap().len() == 1).await;
        let others: Vec<_> = (100..400)
            .map(|n| {
                let writer = Arc::clone(&writer);
                tokio::spawn(async move { writer.submit(n).await })
            })
            .collect();
        until(|| writer.waiting().len() == 300).await;
        gate.add_permits(10);
        first.await.unwrap().unwrap();
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert_eq!(*batches.lock().unwrap(), [1, 128, 128, 44]);
    }
}
