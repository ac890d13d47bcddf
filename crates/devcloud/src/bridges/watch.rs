//! Following the devices of the machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_net::{LinkEvent, LinkEvents, LinkInfo};

use super::{Shared, failed};
use crate::datapath::Result;

/// Subscribes and follows until aborted.
pub(super) fn start(shared: Arc<Shared>) -> Result<tokio::task::AbortHandle> {
    let events = shared.links.link_events().map_err(failed)?;
    Ok(tokio::spawn(follow(shared, events)).abort_handle())
}

async fn follow(shared: Arc<Shared>, mut events: LinkEvents) {
    // Carrier by device, so that listeners hear of changes only.
    let mut known: BTreeMap<u32, LinkInfo> = BTreeMap::new();
    resync(&shared, &mut known).await;
    while let Some(event) = events.next().await {
        match event {
            LinkEvent::Changed(link) => changed(&shared, &mut known, link).await,
            LinkEvent::Gone(link) => gone(&shared, &mut known, link.index).await,
            LinkEvent::Resync => resync(&shared, &mut known).await,
        }
    }
    tracing::warn!("the kernel's news about links ended, ports keep the state they have");
}

async fn resync(shared: &Shared, known: &mut BTreeMap<u32, LinkInfo>) {
    let listed = shared.list_links(&*shared.state.lock().await).await;
    match listed {
        Ok(links) => {
            let missing: Vec<u32> = known
                .keys()
                .filter(|index| !links.iter().any(|link| link.index == **index))
                .copied()
                .collect();
            for index in missing {
                gone(shared, known, index).await;
            }
            for link in links {
                changed(shared, known, link).await;
            }
        }
        Err(error) => tracing::warn!(%error, "cannot list links"),
    }
}

async fn changed(shared: &Shared, known: &mut BTreeMap<u32, LinkInfo>, link: LinkInfo) {
    if !link.name.starts_with("tap") {
        return;
    }
    {
        let mut state = shared.state.lock().await;
        // The event may be old news; act on what is now.
        let now = shared.links.link(&link.name).await;
        let seen = match now {
            Ok(Some(now)) => shared.see(&mut state, &now).await,
            Ok(None) => Ok(()),
            Err(error) => Err(failed(error)),
        };
        if let Err(error) = seen {
            tracing::warn!(device = %link.name, %error, "cannot take care of a device");
        }
    }
    let before = known.get(&link.index);
    if let Some(old) = before.filter(|old| old.name != link.name) {
        shared.tell(old, false);
    }
    let was = before.is_some_and(|old| old.name == link.name && old.up);
    if was != link.up {
        shared.tell(&link, link.up);
    }
    known.insert(link.index, link);
}

async fn gone(shared: &Shared, known: &mut BTreeMap<u32, LinkInfo>, index: u32) {
    let Some(mut link) = known.remove(&index) else { return };
    if link.up {
        shared.tell(&link, false);
    }
    link.master = None;
    let mut state = shared.state.lock().await;
    // A stranger that left need not stay shut out.
    if !state.ports.contains_key(&link.name)
        && let Err(error) = shared.see(&mut state, &link).await
    {
        tracing::warn!(device = %link.name, %error, "cannot take care of a device");
    }
}
