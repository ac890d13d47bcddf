//! Two holders of one address: whatever the order, it is deleted by the second, and never before.

use super::*;

struct Scene {
    manager: Docker,
    worker: Docker,
    network: Global,
    pool: Pool,
    task: Task,
}

async fn running() -> Scene {
    let manager = node("node-1");
    let worker = beside(&manager, "node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let wanted = address(&manager, &network.pool.id, None).await.unwrap();
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let task = start(&worker, ID, &pool, wanted).await.unwrap();
    Scene { manager, worker, network, pool, task }
}

impl Scene {
    async fn manager_releases(&self) {
        self.manager.service.release_address(&self.network.pool.id, self.task.address.addr()).await.unwrap();
    }

    async fn node_releases(&self) {
        stop(&self.worker, ID, &self.pool, &self.task).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_goes_last_deletes_the_port_and_repetitions_do_nothing() {
    for manager_first in [true, false] {
        let scene = running().await;
        if manager_first {
            scene.manager_releases().await;
            let port = only(&scene.manager);
            assert_eq!(port.device_id, scene.task.endpoint, "the container still has it");
            scene.manager_releases().await;
            assert_eq!(only(&scene.manager).tags, port.tags);
            scene.node_releases().await;
        } else {
            scene.node_releases().await;
            let port = only(&scene.manager);
            assert_eq!(
                (port.tags.as_slice(), port.host_id.as_deref()),
                (["kuryr.g".to_owned()].as_slice(), Some(""))
            );
            scene.node_releases().await;
            assert_eq!(only(&scene.manager).tags, ["kuryr.g"]);
            scene.manager_releases().await;
        }
        assert!(held(&scene.manager).is_empty());
        scene.manager_releases().await;
        scene.node_releases().await;
        assert!(held(&scene.manager).is_empty());
    }
}

#[tokio::test]
async fn both_at_once_delete_it_once_and_leave_nothing() {
    for _ in 0..20 {
        let scene = running().await;
        tokio::join!(scene.manager_releases(), scene.node_releases());
        assert!(held(&scene.manager).is_empty());
    }
}

#[tokio::test]
async fn a_replay_during_the_release_of_the_node_keeps_the_address_reserved() {
    for first in 0..12 {
        let scene = running().await;
        scene.manager_releases().await;
        let back = async {
            for _ in 0..first {
                tokio::task::yield_now().await;
            }
            replay(&scene.manager, ID, &scene.network, &[scene.task.address], &[]).await.unwrap();
        };
        tokio::join!(scene.node_releases(), back);
        let port = only(&scene.manager);
        assert_ne!(port.name, "kuryr-released");
        assert!(port.tags.contains(&"kuryr.g".to_owned()), "{first}: {port:?}");
        assert_eq!(port.fixed_ips[0].ip_address, scene.task.address.addr());
    }
}

#[tokio::test]
async fn a_restart_of_the_only_manager_frees_no_address_of_a_live_service() {
    let scene = running().await;
    // The engine stops its containers before it asks again for what it manages.
    scene.node_releases().await;
    depart(&scene.worker, ID, &scene.network, &scene.pool).await.unwrap();
    assert_eq!(only(&scene.manager).tags, ["kuryr.g"]);
    let mut manager = scene.manager;
    manager.reboot().await;
    replay(&manager, ID, &scene.network, &[scene.task.address], &[]).await.unwrap();
    assert_eq!(held(&manager).len(), 1);
}

#[tokio::test]
async fn manager_and_node_in_one_process_hold_an_address_twice() {
    let both = node("node-1");
    let before = both.world.snapshot();
    let network = create(&both, ID, RANGE, &[], &[]).await.unwrap();
    let wanted = address(&both, &network.pool.id, None).await.unwrap();
    let pool = arrive(&both, ID, &network, &[]).await.unwrap();
    assert_ne!(pool.id, network.pool.id, "the pool's id tells who releases");
    let task = start(&both, ID, &pool, wanted).await.unwrap();
    stop(&both, ID, &pool, &task).await.unwrap();
    assert_eq!(only(&both).tags, ["kuryr.g"]);
    let task = start(&both, ID, &pool, wanted).await.unwrap();
    both.service.release_address(&network.pool.id, wanted.addr()).await.unwrap();
    assert_eq!(only(&both).device_id, task.endpoint);
    stop(&both, ID, &pool, &task).await.unwrap();
    assert!(held(&both).is_empty());
    depart(&both, ID, &network, &pool).await.unwrap();
    remove(&both, ID, &network).await.unwrap();
    assert_as_before(&before, &[&both]);
}

#[tokio::test]
async fn what_could_not_be_released_is_released_later_unless_it_is_wanted_again() {
    for wanted_again in [false, true] {
        let scene = running().await;
        scene.node_releases().await;
        scene.manager.world.arm(1, crate::doubles::Fault::Down);
        let address = scene.task.address.addr();
        scene.manager.service.release_address(&scene.network.pool.id, address).await.unwrap_err();
        scene.manager.world.disarm();
        if wanted_again {
            replay(&scene.manager, ID, &scene.network, &[scene.task.address], &[]).await.unwrap();
        }
        scene.manager.sweep().await;
        assert_eq!(held(&scene.manager).len(), usize::from(wanted_again));
    }
}
