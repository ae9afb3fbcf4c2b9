//! Evidence before a simulated instance, in paused time.

use std::io::{Cursor, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use interlock_events::{AttributesReader, ChangeOpened, ChangeRef, Event, FaultRaised, data_of};
use interlock_platforms::{Artifact, Platform, PlatformError};
use interlock_rules::{Permit, RunReading};
use interlock_runtime::webhook::{NotAuthentic, Parsed, Unreadable, Verified, Webhook, WebhookSource};
use interlock_runtime::worker::Subscriber as _;
use interlock_simulators::servicenow::{Effect, Fault};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::evidence::attach::AttachEvidence;

/// A platform whose run has uploaded something.
struct Uploads {
    gates: Gates,
    kept: Mutex<Vec<(Artifact, Bytes)>>,
    listed: AtomicUsize,
}

impl WebhookSource for Uploads {
    fn connection(&self) -> &str {
        self.gates.connection()
    }
    fn source_uri(&self) -> String {
        self.gates.source_uri()
    }
    fn body_limit(&self) -> usize {
        self.gates.body_limit()
    }
    fn verify(&self, webhook: Webhook) -> Result<Verified, NotAuthentic> {
        self.gates.verify(webhook)
    }
    fn delivery_id(&self, webhook: &Verified) -> Option<String> {
        self.gates.delivery_id(webhook)
    }
    fn parse(&self, webhook: &Verified) -> Result<Parsed, Unreadable> {
        self.gates.parse(webhook)
    }
}

#[async_trait]
impl Platform for Uploads {
    fn gate_limit(&self) -> Duration {
        self.gates.gate_limit()
    }
    async fn read(&self, gate: &GateHandle, deployment: &Deployment) -> Result<RunReading, PlatformError> {
        self.gates.read(gate, deployment).await
    }
    async fn release(&self, _: &GateHandle, _: Permit, _: &str, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
    async fn reject(&self, _: &GateHandle, _: &str, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
    async fn cancel(&self, _: &GateHandle, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
    async fn report(&self, _: &GateHandle, _: &str, _: Instant) -> Result<(), PlatformError> {
        Ok(())
    }
    async fn artifacts(&self, _: &GateHandle) -> Result<Vec<Artifact>, PlatformError> {
        self.listed.fetch_add(1, Ordering::Relaxed);
        Ok(self.kept.lock().unwrap().iter().map(|(artifact, _)| artifact.clone()).collect())
    }
    async fn artifact(&self, _: &GateHandle, id: &str) -> Result<Bytes, PlatformError> {
        let kept = self.kept.lock().unwrap();
        let found = kept.iter().find(|(artifact, _)| artifact.id == id);
        found.map(|(_, archive)| archive.clone()).ok_or(PlatformError::Gone)
    }
}

fn zipped(files: &[(&str, &str)]) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer.start_file(*path, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

/// A change that was opened, and a run that has tested.
struct Opened {
    world: World,
    uploads: Arc<Uploads>,
    change: ChangeRef,
}

impl Opened {
    async fn new() -> Self {
        let mut world = World::new();
        let policy = json!({
            "name": "default",
            "change": { "assignment_group": "Change Management" },
            "evidence": { "artifacts": ["junit*"] },
        });
        world.desk.policies = Policies::new(vec![serde_json::from_value(policy).unwrap()], "acme".into());
        world.tick_for(Duration::from_secs(200)).await;
        let change = world.change();
        let text = |field: &str| change[field].as_str().unwrap().to_owned();
        let change = ChangeRef { connection: "acme".into(), number: text("number"), sys_id: text("sys_id") };
        let gates = Gates::new(world.desk.context.clock.clone());
        let uploads = Arc::new(Uploads { gates, kept: Mutex::default(), listed: AtomicUsize::default() });
        world.desk.platforms.insert("ci".into(), uploads.clone());
        let opened = Self { world, uploads, change };
        opened.upload("1", "junit", zipped(&[("unit.xml", "<testsuite><testcase/></testsuite>")]));
        opened
    }

    fn upload(&self, id: &str, name: &str, archive: Bytes) {
        let bytes = archive.len() as u64;
        let artifact = Artifact { id: id.into(), name: name.into(), bytes, expired: false };
        self.uploads.kept.lock().unwrap().push((artifact, archive));
    }

    fn delivery(&self, state: Option<Value>) -> Delivery<ChangeOpened> {
        let Delivery { time, redelivered, attempt, first_and_direct, first_at, .. } = self.world.delivery();
        let fact = ChangeOpened {
            key: self.world.request.deployment.key.clone(),
            change: self.change.clone(),
            policy: "default".into(),
            found: false,
            shared_with: None,
            rolls_back: None,
            ignored_fields: vec![],
        };
        Delivery {
            data: fact,
            time,
            redelivered,
            attempt,
            first_and_direct,
            first_at,
            state,
            spare: false,
            traceparent: None,
            began: Instant::now(),
        }
    }

    async fn handle(&self, state: Option<Value>) -> Handled {
        let desk = Arc::new(self.world.desk.clone());
        AttachEvidence::<ChangeOpened>::new(desk).handle(self.delivery(state)).await
    }

    /// Handles until it is done with; what was told.
    async fn done(&self, mut handled: Handled) -> Vec<Event> {
        let mut told = Vec::new();
        loop {
            match handled {
                Handled::Done(events) => {
                    told.extend(events);
                    return told;
                }
                Handled::Watch { after, state, events } => {
                    told.extend(events);
                    tokio::time::sleep(after).await;
                    handled = self.handle(Some(state)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn attached(&self) -> usize {
        self.world.sim.records("sys_attachment").len()
    }

    fn notes(&self) -> Vec<String> {
        let journal = self.world.sim.records("sys_journal_field");
        let said = journal.iter().filter_map(|entry| entry["value"].as_str());
        said.filter(|said| said.contains("[interlock:evidence:")).map(str::to_owned).collect()
    }

    fn fault(&self, fault: Fault) {
        self.world.sim.fault(fault).unwrap();
    }
}

fn types(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.ty().trim_start_matches("io.interlock.")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_artifact_is_attached_noted_and_told_once() {
    let opened = Opened::new().await;
    opened.upload("2", "binaries", zipped(&[("app", "x")]));
    opened.world.sim.requests().clear();
    let told = opened.done(opened.handle(None).await).await;
    assert_eq!(types(&told), ["evidence.attached.v1"]);
    assert_eq!((opened.attached(), opened.notes().len()), (1, 1));
    assert!(opened.notes()[0].contains("unit.xml: JUnit: 1 test, 0 failed"), "{:?}", opened.notes());
    assert_eq!(opened.world.calls(), 4, "notes, attachments, the file and its note");
    // Another job that shares the change, or the same event once more.
    let told = opened.done(opened.handle(None).await).await;
    assert_eq!((types(&told).len(), opened.attached(), opened.notes().len()), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn five_hundred_that_wait_for_servicenow_use_up_no_attempts_and_ask_it_and_the_platform_seldom() {
    let mut opened = Opened::new().await;
    let change = opened.change.clone();
    opened.fault(Fault::forever(Effect::Status { code: 503, body: None }));
    opened.world.sim.requests().clear();
    let mut waiting = Vec::new();
    for number in 0..500 {
        opened.change.sys_id = format!("{number:032x}");
        let handled = opened.handle(None).await;
        let Handled::Watch { after, state, .. } = handled else { panic!("{handled:?}") };
        assert!(after >= Duration::from_secs(5), "{after:?}");
        waiting.push(state);
    }
    assert!(opened.world.calls() < 20, "an instance that is away is left alone: {}", opened.world.calls());
    for state in waiting {
        assert!(matches!(opened.handle(Some(state)).await, Handled::Watch { .. }));
    }
    assert_eq!(opened.uploads.listed.load(Ordering::Relaxed), 500, "the platform is asked once each");
    opened.change = change;
    opened.world.sim.clear_faults();
    tokio::time::sleep(Duration::from_secs(300)).await;
    opened.done(opened.handle(None).await).await;
    assert_eq!(opened.attached(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_which_nothing_was_heard_is_looked_for_after_the_settle_time() {
    let opened = Opened::new().await;
    opened.fault(Fault::once(Effect::StatusAfterCommit { code: 504 }).on_path("/attachment/file"));
    let handled = opened.handle(None).await;
    let Handled::Watch { after, .. } = &handled else { panic!("{handled:?}") };
    assert_eq!(*after, Duration::from_secs(75));
    assert_eq!((opened.attached(), opened.notes().len()), (1, 0));
    let told = opened.done(handled).await;
    assert_eq!(types(&told), ["evidence.attached.v1"]);
    assert_eq!((opened.attached(), opened.notes().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_noted_and_dead_with_its_cure_and_can_be_given_back() {
    let opened = Opened::new().await;
    let body = json!({ "error": {
        "message": "Operation Failed", "detail": "ACL Exception Insert Failed due to security constraints" } });
    let denied = Effect::Status { code: 403, body: Some(body) };
    opened.fault(Fault::forever(denied).on_path("/attachment/file"));
    for _ in 0..2 {
        let handled = opened.handle(None).await;
        let Handled::Later { reason } = &handled else { panic!("{handled:?}") };
        assert!(
            reason.contains(&opened.change.number) && reason.contains("create sys_attachment"),
            "{reason}"
        );
    }
    assert_eq!(opened.notes().len(), 1, "said once: {:?}", opened.notes());
    opened.world.sim.clear_faults();
    opened.done(opened.handle(None).await).await;
    assert_eq!((opened.attached(), opened.notes().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_attached_is_said_of_its_artifact_and_told_and_the_others_are() {
    let opened = Opened::new().await;
    opened.upload("2", "junit-broken", Bytes::from_static(b"<html>"));
    opened.upload("3", "junit-large", zipped(&[]));
    opened.upload("4", "junit-old", zipped(&[]));
    {
        let mut kept = opened.uploads.kept.lock().unwrap();
        kept[2].0.bytes = 11 * 1024 * 1024;
        kept[3].0.expired = true;
    }
    let told = opened.done(opened.handle(None).await).await;
    assert_eq!(types(&told), ["evidence.attached.v1", "fault.raised.v1", "fault.raised.v1"]);
    let fault: FaultRaised = data_of(&told[2]).unwrap();
    assert!(fault.reason.contains("junit-large") && fault.reason.contains("11 MiB"), "{}", fault.reason);
    let said = opened.notes().join("\n");
    for line in ["it is no ZIP archive", "10 MiB at most are fetched", "expired at its platform"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!((opened.attached(), opened.notes().len()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_type_that_the_instance_does_not_take_is_of_its_file_alone_whatever_the_status() {
    for status in [400, 403, 415] {
        let opened = Opened::new().await;
        let mut knobs = opened.world.sim.knobs();
        knobs.attachment_extensions = vec!["pdf".into()];
        knobs.attachment_refused_status = status;
        opened.world.sim.set_knobs(knobs);
        let told = opened.done(opened.handle(None).await).await;
        assert_eq!(types(&told), ["fault.raised.v1"], "{status}");
        let said = opened.notes().join("\n");
        assert!(said.contains("1 test") && said.contains("glide.attachment.extensions"), "{status}: {said}");
        assert_eq!((opened.attached(), opened.notes().len()), (0, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_nobody_remembers_is_waited_for_and_told_only_if_evidence_was_wanted() {
    for was_wanted in [true, false] {
        let opened = Opened::new().await;
        if was_wanted {
            opened.done(opened.handle(None).await).await;
        }
        let place = format!("deployment:{}", opened.world.request.deployment.key.hash());
        opened.world.desk.context.store.put(&place, "", Duration::from_secs(1)).await.unwrap();
        let handled = opened.handle(None).await;
        assert!(matches!(handled, Handled::Watch { .. }), "{handled:?}");
        tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
        let handled = opened.handle(None).await;
        assert_eq!(matches!(handled, Handled::Dead { .. }), was_wanted, "{handled:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_another_at_the_same_change_waits_for_it() {
    let opened = Opened::new().await;
    let store = &opened.world.desk.context.store;
    let lease = format!("evidence:{}", opened.change.sys_id);
    store.claim(&lease, "another", Duration::from_secs(45)).await.unwrap();
    let handled = opened.handle(None).await;
    assert!(matches!(handled, Handled::Watch { .. }) && opened.attached() == 0, "{handled:?}");
    opened.done(handled).await;
    assert_eq!(opened.attached(), 1, "whoever holds it may have died: its lease ends");
}
