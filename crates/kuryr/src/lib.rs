//! The network service: pools, networks, endpoints and their binding, over Neutron and host links.
