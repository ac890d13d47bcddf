//! Security groups and their rules.

use http::Method;

use super::{Client, Ignored, NewSecurityGroup, NewSecurityGroupRule, SecurityGroup, wrap};
use crate::Result;

impl Client {
    /// Groups that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>> {
        self.list("/security-groups", "security_groups", "list security groups", filters).await
    }

    /// Creates a group; Neutron gives it rules that let everything out. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_over_quota`].
    pub async fn create_security_group(&self, group: &NewSecurityGroup) -> Result<SecurityGroup> {
        self.create("/security-groups", "security_group", &group.name, group).await
    }

    /// Creates all of these rules or none, in one call; no call for none. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] if one of the rules is there already.
    pub async fn create_security_group_rules(&self, rules: &[NewSecurityGroupRule]) -> Result<()> {
        let Some(first) = rules.first() else { return Ok(()) };
        let what = format!("create {} rules of security group {}", rules.len(), first.security_group_id);
        let call = self.call(Method::POST, "/security-group-rules", &[], &what)?;
        let call = call.json(&wrap("security_group_rules", &rules))?;
        self.session.json::<Ignored>(&call).await.map(drop)
    }

    /// Deletes a group with its rules. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] while ports use it.
    pub async fn delete_security_group(&self, id: &str) -> Result<()> {
        self.delete("/security-groups/{}", "delete security group", id).await
    }
}
