//! DHCP agents that take their time.

use std::sync::Arc;

use super::NeutronService;
use crate::model::Model;

impl NeutronService {
    /// Lets the agents serve, later, the networks whose subnets have changed.
    pub(crate) fn wake_dhcp_agents(self: &Arc<Self>) {
        if self.read(|model| model.dhcp_due.is_empty()) {
            return;
        }
        let taken = self.write(|model| Ok((std::mem::take(&mut model.dhcp_due), model.dhcp_delay)));
        let Ok((due, delay)) = taken else { return };
        let cloud = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let serve = |model: &mut Model| {
                due.iter().for_each(|network| model.serve_dhcp(network));
                Ok(())
            };
            drop(cloud.change(serve).await);
        });
    }
}
