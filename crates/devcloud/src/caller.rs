//! Who is calling: what the token check learnt, handed to every service as a request extension.

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// User's id.
    pub user_id: String,
    /// Project the token is scoped to.
    pub project_id: String,
    /// Has the role `admin`.
    pub is_admin: bool,
}
