//! Links, routes and namespaces of this host over netlink. No policy.
