//! Each point between effects once for real: the process dies (`kill -9`) before or after a call, a publication or an
//! ack, and another takes its place. The story ends as if nothing had happened.

use std::time::Instant;

use interlock_simulators::request_log::RequestFilter;
use interlock_simulators::{github, servicenow};
use interlock_tests::cutting::{Point, Wire};
use interlock_tests::world::{Deployment, Role, SOON, Setup, World};

/// What kills.
enum Death<'a> {
    /// The wire to the broker has stopped.
    Wire(&'a Wire),
    /// A call that was spoiled has arrived at the far side.
    Call(&'a dyn Fn(&World) -> bool),
}

/// One deployment from the request to the closed change, in whose course a role is killed once.
struct Life<'a> {
    role: Role,
    death: Death<'a>,
    deaths: u32,
}

impl Life<'_> {
    /// Waits for a condition, and kills the role as soon as its point is reached.
    async fn until<T>(&mut self, world: &mut World, what: &str, ask: impl Fn(&World) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        loop {
            if self.deaths == 0 && self.is_due(world) {
                world.kill(self.role);
                if let Death::Wire(wire) = &self.death {
                    wire.mend();
                }
                world.launch(self.role);
                self.deaths += 1;
            }
            if let Some(answer) = ask(world) {
                return answer;
            }
            assert!(Instant::now() < deadline, "not within {SOON:?}, {} deaths: {what}", self.deaths);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn is_due(&self, world: &World) -> bool {
        match &self.death {
            Death::Wire(wire) => wire.is_cut(),
            Death::Call(arrived) => arrived(world),
        }
    }

    async fn live(&mut self, world: &mut World, name: &str) {
        let deployment = world.deploy(&format!("acme/{name}"));
        let state = |world: &World, wanted: &str| {
            let changes = world.live_changes_of(&deployment);
            changes.into_iter().find(|change| change["state"] == wanted)
        };
        let asked = self.until(world, "approval is asked", |world| state(world, "-4")).await;
        world.approve(asked["number"].as_str().expect("a change has a number"));
        self.until(world, "the gate is released", |world| {
            (world.at_github(&deployment).gate == "approved").then_some(())
        })
        .await;
        self.until(world, "the change is in Implement", |world| state(world, "-1")).await;
        world.succeed(&deployment).await;
        let closed = self.until(world, "the change is closed", |world| state(world, "3")).await;
        assert_eq!(closed["close_code"], "successful");
        // What comes after the last effect may be the point.
        self.until_dead(world, &deployment).await;
        world.judge_released(&deployment);
        assert_eq!(world.changes_of(&deployment).len(), 1, "{name}: no second change was opened");
    }

    async fn until_dead(&mut self, world: &mut World, deployment: &Deployment) {
        if self.deaths == 0 {
            let other = world.deploy("acme/another");
            self.until(world, "the point is reached", |world| world.changes_of(&other).first().cloned())
                .await;
        }
        let what = format!("the role of deployment {} died", deployment.id);
        if self.deaths == 0 {
            let dead = |_: &World| None::<()>;
            let _: Result<(), _> =
                tokio::time::timeout(std::time::Duration::from_secs(1), self.until(world, &what, dead)).await;
        }
    }
}

const POINTS: [Point; 4] = [Point::BeforePublish, Point::AfterPublish, Point::BeforeAck, Point::AfterAck];

async fn dies_at_the_broker(role: Role) {
    let mut world = Setup::default().prepare().await;
    let wire = Wire::to(world.amqp_url()).await;
    world.reroute(role, wire.route(world.amqp_url()));
    world.start_all().await;
    for point in POINTS {
        for nth in [1, 3] {
            wire.arm(point, nth);
            let mut life = Life { role, death: Death::Wire(&wire), deaths: 0 };
            life.live(&mut world, &format!("{point:?}-{nth}").to_lowercase()).await;
            assert_eq!(life.deaths, 1, "{point:?} {nth} was not reached");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_worker_dies_before_and_after_a_publication_and_an_ack() {
    dies_at_the_broker(Role::ChangeWorker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approval_worker_dies_before_and_after_a_publication_and_an_ack() {
    dies_at_the_broker(Role::ApprovalWorker).await;
}

/// Calls to ServiceNow in the life of a change: a read, the create, and each step of its state.
const CALLS: [(&str, &str); 6] = [
    ("GET", ""),
    ("POST", ""),
    ("PATCH", r#""state":"-4""#),
    ("PATCH", r#""state":"-1""#),
    ("PATCH", r#""state":"0""#),
    ("PATCH", r#""state":"3""#),
];

fn played(world: &World) -> usize {
    world.service_now.journal().entries().iter().filter(|entry| entry.what == "fault.played").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_worker_dies_before_and_after_its_calls_to_servicenow() {
    use servicenow::{Effect, Fault};
    let mut world = Setup::default().start().await;
    for (number, (method, body)) in CALLS.into_iter().enumerate() {
        for effect in
            [Effect::TimeoutBeforeCommit { hang_ms: 60_000 }, Effect::TimeoutAfterCommit { hang_ms: 60_000 }]
        {
            let before = played(&world);
            let mut fault = Fault::once(effect.clone()).on_method(method).on_table("change_request");
            fault.matching.body_contains = Some(body.to_owned());
            world.service_now.fault(fault).expect("there is room for a fault");
            let arrived = |world: &World| played(world) > before;
            let mut life = Life { role: Role::ChangeWorker, death: Death::Call(&arrived), deaths: 0 };
            let when = if matches!(effect, Effect::TimeoutAfterCommit { .. }) { "after" } else { "before" };
            life.live(&mut world, &format!("{method}-{number}-{when}").to_lowercase()).await;
            assert_eq!(life.deaths, 1, "{method} {body} was not reached");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approval_worker_dies_before_and_after_its_answer_to_github() {
    use github::{Fault, FaultKind};
    let mut world = Setup::default().start().await;
    for kind in [FaultKind::TimeoutBeforeCommit, FaultKind::TimeoutAfterCommit] {
        let answers = |world: &World| {
            let all = world.github.requests().find(&RequestFilter::default());
            all.iter().filter(|call| call.path.ends_with("deployment_protection_rule")).count()
        };
        let before = answers(&world);
        assert!(world.github.fault(Fault::on("deployment_protection_rule", kind.clone()).times(1)));
        let arrived = |world: &World| answers(world) > before;
        let mut life = Life { role: Role::ApprovalWorker, death: Death::Call(&arrived), deaths: 0 };
        life.live(&mut world, &format!("{kind:?}").to_lowercase()).await;
        assert_eq!(life.deaths, 1);
    }
}
