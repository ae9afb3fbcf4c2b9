use interlock_events::{AttributesReader, DeploymentFinished, DeploymentStarted, EventData, RunFinished};

use super::*;

impl Lab {
    /// The types of the events in all webhooks since the last look, in order.
    fn told(&self) -> Vec<String> {
        let sent = self.github.outbox().take_due(self.github.clock().now());
        let events =
            sent.iter().flat_map(|sent| self.receive(&sent.headers, sent.body.clone()).unwrap().events);
        events.map(|event| event.ty().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_deployment_is_told_from_its_request_to_its_end() {
    let lab = Lab::new();
    lab.github.ping();
    let wish = sim::StartDeployment::new("harbour/tide-tables", "live");
    let started = lab.github.start_deployment(&wish).unwrap();
    assert_eq!(lab.told(), [DeploymentRequested::TYPE; 2]);
    lab.github.bypass(started.deployments[0], "olga-ops").unwrap();
    assert_eq!(lab.told(), [DeploymentStarted::TYPE]);
    lab.github.finish(started.deployments[0], sim::Outcome::Success).unwrap();
    assert_eq!(lab.told(), [DeploymentFinished::TYPE, RunFinished::TYPE]);
}

#[tokio::test]
async fn a_canceled_run_is_told_by_its_run_alone() {
    let lab = Lab::new();
    let held = lab.start();
    lab.github.cancel(Lab::run_id(&held), "olga-ops").unwrap();
    assert_eq!(lab.told(), [RunFinished::TYPE]);
}

#[tokio::test]
async fn a_changed_or_unsigned_body_is_not_authentic() {
    let lab = Lab::new();
    lab.github.ping();
    let sent = lab.github.outbox().take_due(lab.github.clock().now()).remove(0);
    assert!(lab.receive(&sent.headers, sent.body.clone()).is_ok());
    let mut changed = sent.body.to_vec();
    changed.push(b' ');
    assert!(lab.receive(&sent.headers, changed.into()).is_err());
    let unsigned: Vec<_> =
        sent.headers.iter().filter(|(name, _)| name != "x-hub-signature-256").cloned().collect();
    assert!(lab.receive(&unsigned, sent.body).is_err());
}

#[tokio::test]
async fn copies_of_a_webhook_have_one_delivery_id_and_events_with_one_id() {
    let lab = Lab::new();
    lab.github.turn(|knobs| knobs.webhook_copies = 1);
    lab.github.start_deployment(&sim::StartDeployment::new("harbour/tide-tables", "live")).unwrap();
    let sent = lab.github.outbox().take_due(lab.github.clock().now());
    let mut ids = std::collections::BTreeMap::<String, Vec<String>>::new();
    for one in &sent {
        let guid = one.headers.iter().find(|(name, _)| name == "x-github-delivery").unwrap().1.clone();
        let events = lab.receive(&one.headers, one.body.clone()).unwrap().events;
        ids.entry(guid).or_default().extend(events.iter().map(|event| event.id().to_owned()));
    }
    assert_eq!(ids.len(), sent.len() / 2);
    for events in ids.values() {
        assert!(events.windows(2).all(|pair| pair[0] == pair[1]), "{events:?}");
    }
}
