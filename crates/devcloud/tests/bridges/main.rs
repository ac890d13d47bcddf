//! Packets between containers, through real bridges and a real packet filter, in namespaces of their own.

#[cfg(test)]
mod group_rules;
#[cfg(test)]
mod host;
#[cfg(test)]
mod impostors;
#[cfg(test)]
mod links;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod world;
