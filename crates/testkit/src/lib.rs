//! Test support: private hosts in namespaces, a Docker driver, clients of the development cloud. Never in the product.
