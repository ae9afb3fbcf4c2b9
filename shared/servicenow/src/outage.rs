//! An instance that does not answer, or does not take our credentials, is left alone by every process; one at a
//! time asks whether it is back. Shared through the Store; each process keeps it too, for when the Store is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interlock_runtime::ports::clock::Clock;
use interlock_runtime::ports::store::{Claim, Store};
use tokio::time::Instant;

use crate::error::Fault;
use crate::standing::{Heard, Standing, Streak, Why};

/// How long the question may take.
pub(crate) const QUESTION_MAX: Duration = Duration::from_secs(8);
/// Whoever cannot come again asks within the pause too, with so much time left at least, and so rarely.
const HURRIED_QUESTION_MIN: Duration = Duration::from_secs(2);
const HURRIED_QUESTIONS_APART: Duration = Duration::from_secs(4);
/// Whoever asks has the right to for so long, also if it dies meanwhile.
const TURN: Duration = Duration::from_secs(12);
/// Longer than any pause, so that an outage is not forgotten within one.
const KEPT: Duration = Duration::from_secs(3600);

/// One connection's knowledge.
pub(crate) struct Outage {
    connection: String,
    /// Two connections to one instance have credentials of their own.
    key: String,
    permits: u32,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    here: Mutex<Here>,
}

struct Here {
    standing: Standing,
    /// End of the pause as this process knows it.
    until: Option<Instant>,
    /// Somebody in this process asks, until then at the latest.
    asking: Option<Instant>,
    /// When it last began to.
    asked: Option<Instant>,
    streak: Streak,
    /// Which credentials were refused to this process.
    refused: Option<u64>,
    /// What was wrong, in words.
    said: String,
}

/// Whether a call may go out.
pub(crate) enum Pass {
    /// It may, with this many others at most while the instance comes back.
    Go(Option<u32>),
    /// Not now.
    Wait(Fault),
    /// First it is to be asked whether the instance answers.
    Ask(Turn),
}

/// The right to ask.
pub(crate) struct Turn(String);

impl Outage {
    pub(crate) fn new(
        connection: &str,
        instance: &str,
        permits: u32,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
    ) -> Self {
        let here = Here {
            standing: Standing::Up,
            until: None,
            asking: None,
            asked: None,
            streak: Streak::default(),
            refused: None,
            said: String::new(),
        };
        let key = format!("{connection}@{instance}");
        Self { connection: connection.to_owned(), key, permits, clock, store, here: Mutex::new(here) }
    }

    /// May a call go out, and is there time enough to ask first if need be? One that `cannot_come_again` does not
    /// wait for the end of a pause. `credentials` is a fingerprint.
    pub(crate) async fn pass(
        &self,
        time_left: Duration,
        cannot_come_again: bool,
        credentials: impl Fn() -> Option<u64>,
    ) -> Pass {
        let known = self.store.get(&self.shared_key()).await;
        let standing = match &known {
            Ok(Some(text)) => self.learn(text.parse().unwrap_or(Standing::Up)),
            // The Store forgot, or nothing was ever wrong: an outage is one until it is asked about.
            Ok(None) | Err(_) => self.here().standing,
        };
        let Standing::Out { why, .. } = standing else { return Pass::Go(standing.limit()) };
        let is_new =
            || why == Why::Refused && self.here().refused.is_some_and(|old| credentials() != Some(old));
        if let Some(left) = self.left(matches!(known, Ok(Some(_)))).await
            && !is_new()
        {
            let hurries = cannot_come_again && why == Why::Silent && time_left >= HURRIED_QUESTION_MIN;
            return match hurries && self.was_not_asked_lately() {
                true => self.ask(why).await,
                false => Pass::Wait(self.wait(why, left)),
            };
        }
        if time_left < QUESTION_MAX {
            return Pass::Wait(self.wait(why, Duration::from_secs(1)));
        }
        self.ask(why).await
    }

    async fn ask(&self, why: Why) -> Pass {
        match self.take_turn().await {
            Some(turn) => Pass::Ask(turn),
            None => Pass::Wait(self.wait(why, Duration::from_secs(1))),
        }
    }

    fn was_not_asked_lately(&self) -> bool {
        let now = self.clock.instant();
        self.here().asked.is_none_or(|asked| now - asked >= HURRIED_QUESTIONS_APART)
    }

    fn learn(&self, shared: Standing) -> Standing {
        let mut here = self.here();
        if here.standing != shared {
            self.show(shared);
            here.standing = shared;
        }
        shared
    }

    /// What is left of the pause. After a flush the Store knows nothing, but this process does.
    async fn left(&self, is_shared: bool) -> Option<Duration> {
        let now = self.clock.instant();
        let left_here = || self.here().until.and_then(|until| until.checked_duration_since(now));
        let left = match self.store.paused(&self.key).await {
            Ok(Some(left)) => {
                self.here().until = Some(now + left);
                Some(left)
            }
            Ok(None) if is_shared => None,
            Ok(None) | Err(_) => left_here(),
        };
        left.filter(|left| !left.is_zero())
    }

    async fn take_turn(&self) -> Option<Turn> {
        let now = self.clock.instant();
        {
            let mut here = self.here();
            if here.asking.is_some_and(|until| until > now) {
                return None;
            }
            (here.asking, here.asked) = (Some(now + TURN), Some(now));
        }
        let tag = self.clock.tag();
        match self.store.claim(&self.turn_key(), &tag, TURN).await {
            Ok(Claim::Held(_)) => {
                self.here().asking = None;
                None
            }
            Ok(Claim::Won) | Err(_) => Some(Turn(tag)),
        }
    }

    /// The question was answered so. `Ok`: the instance is there.
    pub(crate) async fn heard(
        &self,
        turn: Turn,
        heard: Result<(), (Why, String)>,
        credentials: Option<u64>,
    ) -> Result<Option<u32>, Fault> {
        let before = self.here().standing;
        let told = if heard.is_ok() {
            Heard::Answer
        } else {
            Heard::Nothing(heard.as_ref().err().map_or(Why::Silent, |(why, _)| *why))
        };
        let standing = before.after(told);
        let pause = standing.pause(self.clock.random());
        if let Err((why, said)) = heard {
            self.note(why, said, credentials);
        }
        self.change(before, standing, pause).await;
        let Turn(tag) = turn;
        // What fails here ends by its lease.
        let _ = self.store.release(&self.turn_key(), &tag).await;
        self.here().asking = None;
        match standing {
            Standing::Out { why, .. } => Err(self.wait(why, pause)),
            Standing::Up | Standing::Back { .. } => Ok(standing.limit()),
        }
    }

    /// A call was answered.
    pub(crate) async fn answered(&self) {
        let (before, after) = {
            let mut here = self.here();
            here.streak.ended();
            (here.standing, here.standing.answered(self.permits))
        };
        if before == after {
            return;
        }
        self.learn(after);
        // Where another process was faster, its count stands.
        let (key, before, after) = (self.shared_key(), before.to_string(), after.to_string());
        let _ = self.store.swap(&key, &before, &after, KEPT).await;
    }

    /// A call of this fingerprint failed as all do when the instance is not there.
    pub(crate) async fn failed(&self, call: u64, why: Why, said: String, credentials: Option<u64>) {
        let (before, after) = {
            let mut here = self.here();
            let different = here.streak.failed(call);
            (here.standing, here.standing.suspected(why, different))
        };
        if before != after {
            self.note(why, said, credentials);
            self.change(before, after, Duration::ZERO).await;
        }
    }

    fn note(&self, why: Why, said: String, credentials: Option<u64>) {
        let mut here = self.here();
        here.said = said;
        if why == Why::Refused {
            here.refused = credentials;
        }
    }

    async fn change(&self, before: Standing, after: Standing, pause: Duration) {
        self.tell(before, after);
        self.learn(after);
        {
            let mut here = self.here();
            here.streak.ended();
            here.until = Some(self.clock.instant() + pause);
        }
        let mut shared = self.store.put(&self.shared_key(), &after.to_string(), KEPT).await;
        if !pause.is_zero() {
            shared = shared.and(self.store.pause(&self.key, pause).await);
        }
        if let Err(error) = shared {
            tracing::debug!(%error, "other processes do not learn how the instance stands");
        }
    }

    /// Once when it begins, and once when it is over.
    fn tell(&self, before: Standing, after: Standing) {
        let (connection, said) = (&self.connection, self.here().said.clone());
        match (before, after) {
            (_, Standing::Out { why: Why::Silent, asked: 1 }) => {
                tracing::warn!(
                    connection,
                    said,
                    "the instance does not answer; it is left alone and asked now and then"
                );
            }
            (_, Standing::Out { why: Why::Refused, asked: 1 }) => {
                tracing::error!(
                    connection,
                    said,
                    "the instance does not take our credentials; it is left alone until they change"
                );
            }
            (Standing::Out { .. }, Standing::Back { .. }) => {
                tracing::info!(connection, "the instance is back")
            }
            _ => {}
        }
    }

    fn show(&self, standing: Standing) {
        let is_up = !matches!(standing, Standing::Out { asked: 1.., .. });
        metrics::gauge!("interlock_servicenow_up", "connection" => self.connection.clone()).set(if is_up {
            1.0
        } else {
            0.0
        });
    }

    fn wait(&self, why: Why, left: Duration) -> Fault {
        let said = self.here().said.clone();
        let what = match why {
            Why::Silent => "the instance does not answer",
            Why::Refused => "the instance does not take our credentials",
        };
        let reason = if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
        // Whoever waits must not come back all at one moment.
        Fault::Paused { wait: self.clock.jittered(left.max(Duration::from_secs(1))), reason }
    }

    /// What the instance said when it refused the credentials, while it does.
    pub(crate) fn refused(&self) -> Option<String> {
        let here = self.here();
        matches!(here.standing, Standing::Out { why: Why::Refused, asked: 1.. }).then(|| here.said.clone())
    }

    fn shared_key(&self) -> String {
        format!("standing:{}", self.key)
    }

    fn turn_key(&self) -> String {
        format!("asking:{}", self.key)
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
