//! What we tell the service manager, by `sd_notify(3)`. Without one all of it does nothing.

use std::convert::Infallible;

use sd_notify::NotifyState;

/// Docker is served.
pub(crate) fn ready(plugins: &[String]) {
    let status = format!("serving {}", plugins.join(" and "));
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// What can be read again is read again, then [`ready`] is told.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what runs")]);
}

/// Tells that we live, twice in the time after which the manager would kill us (`WatchdogSec=`). It is told from among
/// the tasks that answer Docker: where none of them comes to run any more, this does not either.
pub(crate) async fn watchdog() -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else {
        return std::future::pending().await;
    };
    let mut clock = tokio::time::interval(patience / 2);
    loop {
        clock.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell the service manager how we are");
    }
}
