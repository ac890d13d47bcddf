//! Swarm networks of local scope (`--config-from`): each node makes the network of one id for itself.

use super::super::docker::{Docker, Net, Run, v4};
use super::ID;

#[tokio::test]
async fn nodes_with_one_swarm_network_of_local_scope_share_a_subnet_and_leave_it_as_found() {
    for first_leaves_first in [true, false] {
        let mut one = Docker::new();
        let id = one.operator_network("theirs", &["10.40.0.0/24"]).await;
        let found = one.world.snapshot();
        let mut two = one.beside();
        let option = || vec![("neutron.net.uuid", id.clone())];
        let net = Net { options: option(), ipam: option(), ..v4("10.40.0.0/24") };
        one.network_create_as(ID, &net).await.unwrap();
        two.network_create_as(ID, &net).await.unwrap();
        let here = one.run(ID, &Run::default()).await.unwrap();
        let there = two.run(ID, &Run::default()).await.unwrap();
        assert_ne!(here.addresses[0].1, there.addresses[0].1);
        let (leaver, gone, stayer, kept) = if first_leaves_first {
            (&mut one, here, &mut two, there)
        } else {
            (&mut two, there, &mut one, here)
        };
        leaver.stop(&gone).await.unwrap();
        leaver.network_rm(ID).await.unwrap();
        leaver.assert_forgotten("the first to leave");
        // The tags are gone with the first, the network is not.
        let another = stayer.run(ID, &Run::default()).await.unwrap();
        stayer.stop(&another).await.unwrap();
        stayer.stop(&kept).await.unwrap();
        stayer.network_rm(ID).await.unwrap();
        assert_eq!(stayer.world.snapshot(), found);
    }
}
