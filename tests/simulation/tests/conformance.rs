//! The simulated broker and Store keep the promises of the real ones.

mod broker {
    use std::sync::Arc;

    use interlock_runtime::ports::broker::Broker;
    use interlock_runtime::ports::clock::{Clock, SystemClock};
    use interlock_simulation::broker::{BrokerCore, SimBroker};
    use interlock_simulation::dice::Dice;
    use interlock_simulation::process::Process;
    use interlock_simulation::tale::Tale;
    use interlock_tests::broker_conformance::Subject;
    use tokio::time::Instant;

    fn process(life: u32) -> Arc<Process> {
        Process::new("tests", life, None, Arc::new(Tale::new(Instant::now(), false)))
    }

    async fn subject() -> Subject {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let core = BrokerCore::new(Dice::new(1));
        let (crashing, poisoned) = (core.clone(), core.clone());
        Subject {
            broker: Arc::new(SimBroker::new(core, process(0), clock.clone())),
            crash: Box::new(move |broker| {
                let core = crashing.clone();
                Box::pin(async move {
                    broker.close().await;
                    let next: Arc<dyn Broker> =
                        Arc::new(SimBroker::new(core, process(1), Arc::new(SystemClock)));
                    next
                })
            }),
            poison: Some(Box::new(move |_, worker, bytes| {
                let core = poisoned.clone();
                Box::pin(async move { core.poison(worker, bytes, SystemClock.now()) })
            })),
            keep: Box::new(()),
        }
    }

    interlock_tests::broker_conformance!(subject);
}

mod store {
    use std::sync::Arc;
    use std::time::Duration;

    use interlock_runtime::ports::clock::{Clock, SystemClock};
    use interlock_runtime::ports::store::Store;
    use interlock_simulation::process::Process;
    use interlock_simulation::store::{SimStore, StoreCore};
    use interlock_simulation::tale::Tale;
    use interlock_tests::store_conformance::{Subject, everything_errs_in_time};
    use tokio::time::Instant;

    fn store(core: &Arc<StoreCore>) -> SimStore {
        let tale = Arc::new(Tale::new(Instant::now(), false));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        core.of(&Process::new("tests", 0, None, tale), &clock)
    }

    async fn subject() -> Subject {
        Subject { store: Arc::new(store(&StoreCore::new())), keep: Box::new(()) }
    }

    interlock_tests::store_conformance!(subject);

    #[tokio::test(start_paused = true)]
    async fn while_it_is_gone_everything_errs_in_time() {
        let core = StoreCore::new();
        core.away(Duration::from_secs(60));
        let store: Arc<dyn Store> = Arc::new(store(&core));
        everything_errs_in_time(&store).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_is_another_epoch_and_forgets_everything() {
        let core = StoreCore::new();
        let store = store(&core);
        store.put("a", "1", Duration::from_secs(60)).await.unwrap();
        let before = store.epoch().await.unwrap();
        core.flush();
        assert_eq!(store.get("a").await.unwrap(), None);
        assert_ne!(store.epoch().await.unwrap().id, before.id);
    }
}
