//! Quality-of-service policies.

use super::{Client, QosPolicy};
use crate::Result;

impl Client {
    /// Policies that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`]; not found where Neutron lacks the extension `qos`.
    pub async fn list_qos_policies(&self, filters: &[(&str, &str)]) -> Result<Vec<QosPolicy>> {
        self.list("/qos/policies", "policies", "list QoS policies", filters).await
    }
}
