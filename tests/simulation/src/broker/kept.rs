//! What the broker keeps: queues, deliveries in hand, log, dead letters, and its own troubles.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use interlock_broker::topology::{WORKERS, bindings};
use interlock_events::{AttributesReader, Event, traceparent_of};
use interlock_runtime::ports::broker::{
    BrokerError, DeadLetter, Delivered, LogEntry, Prefetch, PublishError, Receipt, Tier, Travel, Unreadable,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::process::Process;

/// A message in a queue or in hand.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub event: Result<Event, Unreadable>,
    pub travel: Travel,
    pub watch: bool,
    pub direct: bool,
    pub redelivered: bool,
    pub returned: u32,
}

impl Message {
    fn first(event: Event, travel: Travel) -> Self {
        let direct = !travel.again;
        Self { event: Ok(event), travel, watch: false, direct, redelivered: false, returned: 0 }
    }

    /// By way of a tier, or for one worker alone.
    pub fn again(event: Result<Event, Unreadable>, travel: Travel) -> Self {
        Self { event, travel, watch: true, direct: false, redelivered: false, returned: 0 }
    }
}

/// A consumer.
#[derive(Debug)]
struct Session {
    worker: &'static str,
    prefetch: Prefetch,
    owner: (String, u32),
    bell: Arc<Notify>,
}

/// What goes wrong with publications at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Refused: nothing was taken.
    Refuses,
    /// Taken, but not confirmed.
    Unconfirmed,
    /// Nobody can connect.
    Gone,
}

#[derive(Debug, Default)]
struct State {
    ready: BTreeMap<(&'static str, bool), VecDeque<Message>>,
    in_hand: BTreeMap<(u64, u64), Message>,
    sessions: BTreeMap<u64, Session>,
    numbers: u64,
    log: Vec<LogEntry>,
    dead: Vec<(&'static str, Message, DeadLetter)>,
    delayed: usize,
    trouble: Option<(Trouble, Instant)>,
    /// Whose turn it is among competing consumers.
    turn: usize,
}

/// The broker itself, which outlives its clients.
#[derive(Debug)]
pub struct BrokerCore {
    state: Mutex<State>,
    dice: Dice,
}

impl BrokerCore {
    /// An empty broker with its topology.
    #[must_use]
    pub fn new(dice: Dice) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), dice })
    }

    /// From now on for a while something goes wrong with half of all publications, or with everything.
    pub fn trouble_for(&self, trouble: Trouble, how_long: Duration) {
        self.lock().trouble = Some((trouble, Instant::now() + how_long));
        if trouble == Trouble::Gone {
            let owners: Vec<_> = self.lock().sessions.values().map(|session| session.owner.clone()).collect();
            owners.iter().for_each(|owner| self.end_sessions(owner));
        }
    }

    /// Ends one process's sessions: a lost connection, or a crash. What was in hand comes again, counted.
    pub fn end_sessions_of(&self, process: &Process) {
        self.end_sessions(&(process.name.clone(), process.life));
    }

    /// Nothing waits, is delayed or in hand.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let state = self.lock();
        state.delayed == 0 && state.in_hand.is_empty() && state.ready.values().all(VecDeque::is_empty)
    }

    /// Subjects and reasons of everything that is dead.
    #[must_use]
    pub fn dead(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let subject = |message: &Message| {
            message
                .event
                .as_ref()
                .ok()
                .and_then(|event| event.subject().map(str::to_owned))
                .unwrap_or_default()
        };
        state.dead.iter().map(|(_, message, letter)| (subject(message), letter.reason.clone())).collect()
    }

    /// Puts bytes into a worker's intake that are no event.
    pub fn poison(&self, worker: &'static str, bytes: &'static [u8], now: DateTime<Utc>) {
        let unreadable = Unreadable { bytes: Bytes::from_static(bytes), reason: "it is no JSON".into() };
        let travel = Travel::first(now, "poison".into());
        let message = Message { watch: false, ..Message::again(Err(unreadable), travel) };
        self.put(worker, message);
    }

    pub(super) fn trouble(&self) -> Result<(), PublishError> {
        match self.now_in() {
            Some(Trouble::Gone) => Err(PublishError::Gone("the broker is gone".into())),
            Some(Trouble::Refuses) if self.dice.percent(50) => {
                Err(PublishError::Full { what: "an event".into() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn doubt(&self) -> Result<(), PublishError> {
        match self.now_in() {
            Some(Trouble::Unconfirmed) if self.dice.percent(50) => {
                Err(PublishError::Unconfirmed { what: "an event".into(), waited_ms: 5_000 })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn reachable(&self) -> Result<(), BrokerError> {
        match self.now_in() {
            Some(Trouble::Gone) => Err(BrokerError::Unavailable("it is gone".into())),
            _ => Ok(()),
        }
    }

    fn now_in(&self) -> Option<Trouble> {
        self.lock().trouble.filter(|(_, until)| Instant::now() < *until).map(|(trouble, _)| trouble)
    }

    pub(super) fn route(&self, event: &Event, travel: &Travel) {
        let travel = Travel { traceparent: traceparent_of(event), ..travel.clone() };
        let mut state = self.lock();
        // A log entry is never older than one before it.
        let at = state.log.last().map_or(travel.first_at, |last| last.at.max(travel.first_at));
        state.log.push(LogEntry { at, event: event.clone() });
        drop(state);
        for worker in WORKERS.iter().filter(|worker| bindings(worker.name).contains(&event.ty())) {
            self.put(worker.name, Message::first(event.clone(), travel.clone()));
        }
    }

    pub(super) fn put(&self, worker: &'static str, message: Message) {
        let mut state = self.lock();
        state.ready.entry((worker, message.watch)).or_default().push_back(message);
        ring(&mut state, worker);
    }

    pub(super) fn delay(self: &Arc<Self>, worker: &'static str, tier: Tier, message: Message) {
        self.lock().delayed += 1;
        let core = self.clone();
        tokio::spawn(async move {
            sleep(tier.duration()).await;
            core.lock().delayed -= 1;
            core.put(worker, message);
        });
    }

    pub(super) fn open(&self, worker: &'static str, prefetch: Prefetch, process: &Process) -> u64 {
        let mut state = self.lock();
        state.numbers += 1;
        let number = state.numbers;
        let owner = (process.name.clone(), process.life);
        state.sessions.insert(number, Session { worker, prefetch, owner, bell: Arc::default() });
        number
    }

    pub(super) fn bell(&self, session: u64) -> Option<Arc<Notify>> {
        self.lock().sessions.get(&session).map(|session| session.bell.clone())
    }

    /// The next delivery for a session, watches first, within its prefetch.
    pub(super) fn take(&self, session: u64) -> Option<Delivered> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let of = state.sessions.get(&session)?;
        for watch in [true, false] {
            let most = if watch { of.prefetch.watch } else { of.prefetch.intake };
            let mine = state.in_hand.range((session, 0)..=(session, u64::MAX));
            let held = mine.filter(|(_, message)| message.watch == watch).count();
            if held >= usize::from(most) {
                continue;
            }
            let queue = state.ready.entry((of.worker, watch)).or_default();
            let Some(message) = queue.pop_front() else { continue };
            state.numbers += 1;
            let number = state.numbers;
            state.in_hand.insert((session, number), message.clone());
            return Some(delivered(message, session, number));
        }
        None
    }

    pub(super) fn held(&self, receipt: &Receipt) -> Option<(&'static str, Message)> {
        let state = self.lock();
        let worker = state.sessions.get(&receipt.session)?.worker;
        state.in_hand.get(&(receipt.session, receipt.number)).map(|message| (worker, message.clone()))
    }

    pub(super) fn ack(&self, receipt: &Receipt) -> bool {
        let mut state = self.lock();
        let acked = state.in_hand.remove(&(receipt.session, receipt.number)).is_some();
        if let Some(session) = state.sessions.get(&receipt.session) {
            session.bell.notify_one();
        }
        acked
    }

    /// Gives one delivery back; not counted.
    pub(super) fn put_back(&self, receipt: &Receipt) {
        let mut state = self.lock();
        let Some(worker) = state.sessions.get(&receipt.session).map(|session| session.worker) else { return };
        let Some(message) = state.in_hand.remove(&(receipt.session, receipt.number)) else { return };
        let message = Message { redelivered: true, ..message };
        state.ready.entry((worker, message.watch)).or_default().push_front(message);
        ring(&mut state, worker);
    }

    fn end_sessions(&self, owner: &(String, u32)) {
        let sessions: Vec<u64> = {
            let state = self.lock();
            let theirs = state.sessions.iter().filter(|(_, session)| session.owner == *owner);
            theirs.map(|(number, _)| *number).collect()
        };
        sessions.into_iter().for_each(|session| self.end_session(session));
    }

    pub(super) fn end_session(&self, number: u64) {
        let mut state = self.lock();
        let Some(session) = state.sessions.remove(&number) else { return };
        let held: Vec<_> =
            state.in_hand.range((number, 0)..=(number, u64::MAX)).map(|(place, _)| *place).collect();
        for place in held.into_iter().rev() {
            if let Some(message) = state.in_hand.remove(&place) {
                let message = Message { redelivered: true, returned: message.returned + 1, ..message };
                state.ready.entry((session.worker, message.watch)).or_default().push_front(message);
            }
        }
        session.bell.notify_one();
        ring(&mut state, session.worker);
    }

    pub(super) fn bury(&self, worker: &'static str, message: Message, why: (&str, u32), at: DateTime<Utc>) {
        let mut state = self.lock();
        state.numbers += 1;
        let letter = DeadLetter {
            id: state.numbers.to_string(),
            event: message.event.clone(),
            reason: why.0.to_owned(),
            attempts: why.1,
            at: Some(at),
        };
        state.dead.push((worker, message, letter));
    }

    pub(super) fn dead_letters(&self, worker: &str, limit: usize) -> Vec<DeadLetter> {
        let state = self.lock();
        let of = state.dead.iter().filter(|(of, ..)| *of == worker);
        of.take(limit).map(|(_, _, letter)| letter.clone()).collect()
    }

    fn take_letter(&self, worker: &str, id: &str) -> Option<Message> {
        let mut state = self.lock();
        let place = state.dead.iter().position(|(of, _, letter)| *of == worker && letter.id == id)?;
        Some(state.dead.remove(place).1)
    }

    pub(super) fn drop_letter(&self, worker: &str, id: &str) -> bool {
        self.take_letter(worker, id).is_some()
    }

    pub(super) fn replay(
        &self,
        worker: &'static str,
        id: &str,
        edited: Option<&Event>,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(message) = self.take_letter(worker, id) else { return false };
        let travel = message.travel.replayed(now, nonce);
        let event = edited.map_or(message.event, |edited| Ok(edited.clone()));
        self.put(worker, Message::again(event, travel));
        true
    }

    pub(super) fn log(&self, since: DateTime<Utc>, types: &[&str], limit: usize) -> Vec<LogEntry> {
        let state = self.lock();
        let start = state.log.partition_point(|entry| entry.at < since);
        let wanted = |entry: &&LogEntry| types.is_empty() || types.contains(&entry.event.ty());
        state.log[start..].iter().filter(wanted).take(limit).cloned().collect()
    }

    pub(super) fn intake_ready(&self, worker: &'static str) -> u64 {
        let state = self.lock();
        state.ready.get(&(worker, false)).map_or(0, |queue| queue.len() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes every consumer of a worker; in turn one of them comes first, as the broker deals in rounds.
fn ring(state: &mut State, worker: &str) {
    state.turn = state.turn.wrapping_add(1);
    let theirs = || state.sessions.values().filter(|session| session.worker == worker);
    let first = state.turn % theirs().count().max(1);
    for session in theirs().skip(first).chain(theirs().take(first)) {
        session.bell.notify_one();
    }
}

fn delivered(message: Message, session: u64, number: u64) -> Delivered {
    Delivered {
        event: message.event,
        travel: message.travel,
        redelivered: message.redelivered,
        returned: message.returned,
        direct: message.direct,
        receipt: Receipt { session, number, watch: message.watch },
    }
}
