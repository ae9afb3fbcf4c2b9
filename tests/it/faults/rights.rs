//! Roles whose user may not declare.

use interlock_tests::world::{Role, Setup};

const MAY_WRITE: &str = r"^interlock\.(events|delay|dead|resume)$";
const MAY_READ: &str = r"^interlock\.(log|(change-worker|approval-worker|evidence)(\..*)?)$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_that_may_not_declare_demand_the_topology_with_the_command_and_then_work_without_the_right() {
    let mut world = Setup { private_broker: true, ..Setup::default() }.prepare().await;
    let node = world.private_broker();
    node.control(&["add_user", "role", "secret-of-the-role"]);
    node.control(&["set_permissions", "-p", "t0", "role", "^$", MAY_WRITE, MAY_READ]);
    world.sign_in("role", "secret-of-the-role");
    for role in [Role::Ingress, Role::ChangeWorker, Role::ApprovalWorker] {
        world.launch(role);
        assert_ne!(world.until_ended(role), Some(0), "{} started", role.name());
        let said = world.log(role);
        assert!(said.contains("interlock topology apply"), "{} says: {said}", role.name());
        assert!(!said.contains("secret-of-the-role"), "{} tells the password", role.name());
    }
    world.sign_in("guest", "guest");
    world.tool(&["topology", "apply"]);
    world.sign_in("role", "secret-of-the-role");
    world.start_all().await;
    let deployment = world.deploy("acme/payments-api");
    let number = world.until_asked(&deployment).await;
    world.approve(&number);
    world.until_gate(&deployment, "approved").await;
    world.succeed(&deployment).await;
    world.until_state(&number, "3").await;
    world.judge_released(&deployment);
}
