//! What the metrics say.

use interlock_servicenow::Lane;
use interlock_simulators::servicenow::{Effect, Fault};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::world::{World, key, new_change};

#[test]
fn every_call_is_counted_by_what_it_is_for_and_what_became_of_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let world = World::new();
            world.client.create(&new_change()).await.unwrap();
            world.client.changes_of(&key().hash(), Lane::Gate).await.unwrap();
            world.sim.fault(Fault::once(Effect::Status { code: 500, body: None })).unwrap();
            world.client.create(&new_change()).await.unwrap_err();
        });
    });
    let text = metrics.render();
    for (what, outcome, times) in [
        ("create", "ok", 1),
        ("create", "unknown", 1),
        ("name", "ok", 1),
        ("look_up", "ok", 1),
        ("approvers", "ok", 1),
    ] {
        let line = format!(
            "interlock_servicenow_calls_total{{connection=\"acme\",what=\"{what}\",outcome=\"{outcome}\"}} {times}"
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("interlock_servicenow_call_duration_seconds"));
    assert!(text.contains("interlock_servicenow_clock_skew_seconds{connection=\"acme\"} 0"), "{text}");
}
