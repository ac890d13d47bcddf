//! Users, projects, roles, application credentials and trusts, as seeded.

use uuid::Uuid;

use crate::options::Options;

/// Id of the only domain.
pub(crate) const DOMAIN_ID: &str = "default";
/// Its name.
pub(crate) const DOMAIN_NAME: &str = "Default";
/// Id of the seeded application credential of `admin` in the project `admin`.
pub const APPLICATION_CREDENTIAL_ID: &str = "a0d0c0de00000000000000000000ac01";
/// Its name.
pub const APPLICATION_CREDENTIAL_NAME: &str = "kuryr";
/// Id of the seeded trust: `demo` lets the user `service` act as a member in the project `demo`.
pub const TRUST_ID: &str = "a0d0c0de0000000000000000000075f1";

/// A user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    password: String,
}

impl User {
    pub(crate) fn has_password(&self, password: &str) -> bool {
        self.password == password
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A user's stand-in for one project.
#[derive(Clone)]
pub(crate) struct ApplicationCredential {
    pub(crate) id: String,
    pub(crate) name: String,
    secret: String,
    pub(crate) user_id: String,
    pub(crate) project_id: String,
}

impl ApplicationCredential {
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        self.secret == secret
    }
}

impl std::fmt::Debug for ApplicationCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApplicationCredential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A user's leave for another to act in its project.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    pub(crate) id: String,
    pub(crate) trustor: String,
    pub(crate) trustee: String,
    pub(crate) project_id: String,
    pub(crate) roles: Vec<&'static str>,
}

/// Everybody.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) users: Vec<User>,
    pub(crate) projects: Vec<Project>,
    pub(crate) credentials: Vec<ApplicationCredential>,
    pub(crate) trusts: Vec<Trust>,
    pub(crate) demo_is_admin: bool,
}

/// A name's id: the same in every run, so that a saved state still fits.
pub(crate) fn stable_id(kind: &str, name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{kind}:{name}").as_bytes()).simple().to_string()
}

impl Directory {
    /// `admin`, `demo` and `service`, each with the project of its name.
    pub(crate) fn seeded(options: &Options) -> Self {
        let user = |name: &str, password: &str| User {
            id: stable_id("user", name),
            name: name.into(),
            password: password.into(),
        };
        let project = |name: &str| Project { id: stable_id("project", name), name: name.into() };
        let credential = ApplicationCredential {
            id: APPLICATION_CREDENTIAL_ID.into(),
            name: APPLICATION_CREDENTIAL_NAME.into(),
            secret: options.application_credential_secret.clone(),
            user_id: stable_id("user", "admin"),
            project_id: stable_id("project", "admin"),
        };
        let trust = Trust {
            id: TRUST_ID.into(),
            trustor: stable_id("user", "demo"),
            trustee: stable_id("user", "service"),
            project_id: stable_id("project", "demo"),
            roles: vec!["member", "reader"],
        };
        Self {
            users: vec![
                user("admin", &options.admin_password),
                user("demo", &options.demo_password),
                // Services and operators are one here, hence the same secret.
                user("service", &options.admin_password),
            ],
            projects: vec![project("admin"), project("demo"), project("service")],
            credentials: vec![credential],
            trusts: vec![trust],
            demo_is_admin: options.demo_is_admin,
        }
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|u| u.id == id)
    }

    pub(crate) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|u| u.name == name)
    }

    pub(crate) fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.id == id)
    }

    /// The roles of a user in a project; none: no access.
    pub(crate) fn roles(&self, user_id: &str, project_id: &str) -> Vec<&'static str> {
        let user = self.user(user_id).map(|u| u.name.as_str()).unwrap_or_default();
        let project = self.project(project_id).map(|p| p.name.as_str()).unwrap_or_default();
        match (user, project) {
            ("admin", "admin" | "demo") => vec!["admin", "member", "reader"],
            ("demo", "demo") if self.demo_is_admin => vec!["admin", "member", "reader"],
            ("demo", "demo") => vec!["member", "reader"],
            ("service", "service") => vec!["admin", "service"],
            _ => Vec::new(),
        }
    }
}
