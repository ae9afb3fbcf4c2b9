//! `demo`: one deployment from its gate to the closed change, on this machine, with nothing installed.

mod beat;
mod by_hand;
mod seen;
mod stage;
mod story;
mod tell;

use std::process::ExitCode;

use interlock_runtime::signals::shutdown_on_signal;
use tempfile::TempDir;

use crate::arguments::Demo;
use crate::say;
use stage::Stage;
use story::Played;
use tell::Teller;

/// Plays the story, and stays up unless it is to be played once.
pub async fn run(wish: Demo) -> anyhow::Result<ExitCode> {
    let folder = TempDir::with_prefix("interlock-demo-")?;
    let shutdown = shutdown_on_signal()?;
    let teller = Teller::new(wish.json);
    let stage = Stage::set(folder.path(), wish.verbose, shutdown.clone()).await?;
    let played = story::play(&stage, &teller, wish.reject).await;
    let stay = !wish.once && !shutdown.has_begun();
    if matches!(played, Ok(Played::Whole)) && stay {
        by_hand::run(&stage, &teller).await;
    }
    stage.strike().await?;
    match played? {
        Played::Whole => Ok(ExitCode::SUCCESS),
        Played::Missing { step, deadline } => {
            let kept = folder.keep();
            say::fault(format_args!(
                "interlock demo: the step {step} did not come within {} s; logs and data are in {}",
                deadline.as_secs(),
                kept.display()
            ));
            Ok(ExitCode::FAILURE)
        }
        Played::Interrupted => Ok(ExitCode::FAILURE),
    }
}
