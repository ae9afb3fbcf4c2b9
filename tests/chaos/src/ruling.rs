//! The judge's report, the dose, and everything else that must not be.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_broker::rabbitmq::{Options, RabbitMq};
use interlock_broker::topology;
use interlock_events::AttributesReader as _;
use interlock_judge::{Evidence, Report, Terms, judge};
use interlock_runtime::ports::broker::{Broker as _, DeadLetter};
use interlock_runtime::ports::clock::SystemClock;
use interlock_simulators::request_log::RequestFilter;

use crate::people::key;
use crate::plan::Plan;
use crate::world::{TIMEOUT_MINUTES, World};

/// Between a call's arrival at a simulator and its entry in the journal, on a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// After the storm deliveries come again, and processes are there, within this time.
const BACK_WITHIN: i64 = 40;
const DEAD_LETTERS_MAX: usize = 1_000;

/// What is ruled.
pub struct Ruling {
    report: Report,
    dose: String,
    ignored: u64,
    deployments: u64,
    dead: Vec<String>,
    wrong: Vec<String>,
}

impl World {
    /// Judges what came of it all; `open`: what is not over.
    pub async fn rule(
        &mut self,
        calm: DateTime<Utc>,
        plan: &Plan,
        deployments: u64,
        open: Vec<String>,
    ) -> Ruling {
        let received = self.courier.received();
        let letters = dead_letters(&self.amqp_url).await;
        let views = self.people.github.deployments();
        let subjects =
            letters.as_ref().map(|letters| letters.iter().filter_map(subject).collect::<BTreeSet<_>>());
        let back = calm + TimeDelta::seconds(BACK_WITHIN);
        let evidence = Evidence {
            terms: Terms { timeout: Duration::from_secs(60 * TIMEOUT_MINUTES), on_its_way: ON_ITS_WAY },
            github: self.people.github.journal(),
            github_requests: self.people.github.requests().find(&RequestFilter::default()),
            service_now: self.people.service_now.journal().entries(),
            prefixes: views.iter().map(|view| (view.id, key(view).correlation_prefix())).collect(),
            accepted: received.gates.clone(),
            webhooks: (received.attempted, received.accepted),
            dead: subjects.unwrap_or_default(),
            end: Utc::now(),
            undisturbed: back,
            quiet: back,
            readable: back,
            may_double: true,
        };
        let mut wrong: Vec<String> = open.into_iter().map(|what| format!("not over: {what}")).collect();
        wrong.extend(
            self.dose.short_of(&plan.asked()).into_iter().map(|what| format!("too small a dose: {what}")),
        );
        wrong.extend(self.deaths());
        if views.len() as u64 != deployments || received.gates.len() as u64 != deployments {
            wrong.push(format!(
                "{} deployments began, {} gates were told",
                views.len(),
                received.gates.len()
            ));
        }
        let dead = match &letters {
            Ok(letters) => letters.iter().map(|letter| format!("dead: {}", letter.reason)).collect(),
            Err(fault) => vec![format!("the dead letters cannot be read: {fault:#}")],
        };
        let dose = self.dose.to_string();
        Ruling { report: judge(&evidence), dose, ignored: received.ignored, deployments, dead, wrong }
    }
}

impl Ruling {
    /// Nothing bad is in it.
    pub fn is_good(&self) -> bool {
        let Report {
            lost, untold, wrong_releases, opposite, hanging, open, extra, blocked, residual, ..
        } = self.report;
        let bad = lost + untold + wrong_releases + opposite + hanging + open + extra + blocked + residual;
        let all_done = self.report.done == self.deployments;
        bad == 0
            && all_done
            && self.report.findings.is_empty()
            && self.dead.is_empty()
            && self.wrong.is_empty()
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.dose)?;
        write!(f, "ignored {} webhooks; {}", self.ignored, self.report)?;
        writeln!(f, "dead letters {}", self.dead.len())?;
        self.dead.iter().chain(&self.wrong).try_for_each(|what| writeln!(f, "  {what}"))?;
        write!(f, "{}", if self.is_good() { "chaos: nothing is wrong" } else { "chaos: FAILED" })
    }
}

fn subject(letter: &DeadLetter) -> Option<String> {
    Some(letter.event.as_ref().ok()?.subject()?.to_owned())
}

async fn dead_letters(url: &str) -> anyhow::Result<Vec<DeadLetter>> {
    let options = Options { declare: false, name: "chaos".into(), ..Options::default() };
    let broker = RabbitMq::connect(url, Arc::new(SystemClock), options).await?;
    let mut letters = Vec::new();
    for worker in topology::WORKERS {
        letters.extend(broker.dead_letters(worker.name, DEAD_LETTERS_MAX).await?);
    }
    broker.close().await;
    Ok(letters)
}
