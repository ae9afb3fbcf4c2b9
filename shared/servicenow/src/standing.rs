//! Whether an instance answers: what follows from calls that failed and from the question whether it does.
//! Pure. One slow record and one failing table are no outage: calls that fail only raise the question, and it is
//! asked of something else than what failed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So many different calls fail one after the other, with no answer between, before the question is raised.
pub(crate) const SUSPICIOUS: usize = 3;
/// While an instance comes back one such call is enough.
const SUSPICIOUS_WHILE_BACK: usize = 1;

const SILENT_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Every question may count as a failed login, and after some an instance may lock the user.
const REFUSED_PAUSE_MIN: Duration = Duration::from_secs(30);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(900);

/// What keeps an instance from being used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// No answer of its API.
    Silent,
    /// It does not take our credentials.
    Refused,
}

/// How an instance stands with us, as all processes share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It answers.
    Up,
    /// It does not, after so many questions in vain; at 0 it is a suspicion.
    Out { why: Why, asked: u32 },
    /// It answers again: at most `limit` calls at once, after so many answers on this step.
    Back { limit: u32, answered: u32 },
}

/// What the question was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Answer,
    Nothing(Why),
}

impl Standing {
    /// After calls failed: `different` of them without an answer between.
    pub(crate) fn suspected(self, why: Why, different: usize) -> Self {
        let enough = match (self, why) {
            (Self::Out { .. }, _) => return self,
            (_, Why::Refused) => 1,
            (Self::Up, Why::Silent) => SUSPICIOUS,
            (Self::Back { .. }, Why::Silent) => SUSPICIOUS_WHILE_BACK,
        };
        if different >= enough { Self::Out { why, asked: 0 } } else { self }
    }

    /// After the question was asked.
    pub(crate) fn after(self, heard: Heard) -> Self {
        match (self, heard) {
            // A suspicion that was wrong leaves nothing behind.
            (Self::Up | Self::Out { asked: 0, .. }, Heard::Answer) => Self::Up,
            (Self::Out { .. }, Heard::Answer) => Self::Back { limit: 1, answered: 0 },
            (Self::Back { .. }, Heard::Answer) => self,
            (Self::Out { why, asked }, Heard::Nothing(now)) if why == now => {
                Self::Out { why, asked: asked.saturating_add(1) }
            }
            (_, Heard::Nothing(why)) => Self::Out { why, asked: 1 },
        }
    }

    /// After a call was answered: the limit doubles after twice as many answers as it lets at once.
    pub(crate) fn answered(self, permits: u32) -> Self {
        let Self::Back { limit, answered } = self else { return self };
        let answered = answered + 1;
        if answered < limit * 2 {
            Self::Back { limit, answered }
        } else if limit * 2 >= permits {
            Self::Up
        } else {
            Self::Back { limit: limit * 2, answered: 0 }
        }
    }

    /// How long nobody asks: twice as long each time, less up to a half by chance.
    pub(crate) fn pause(self, random: u64) -> Duration {
        let Self::Out { why, asked } = self else { return Duration::ZERO };
        let Some(doublings) = asked.checked_sub(1) else { return Duration::ZERO };
        let (least, most) = match why {
            Why::Silent => (Duration::from_secs(1), SILENT_PAUSE_MAX),
            Why::Refused => (REFUSED_PAUSE_MIN, REFUSED_PAUSE_MAX),
        };
        let longest = least.saturating_mul(1 << doublings.min(10)).min(most);
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX);
        (longest - Duration::from_millis(random % half.max(1))).max(least)
    }

    /// Calls at once while it comes back.
    pub(crate) fn limit(self) -> Option<u32> {
        if let Self::Back { limit, .. } = self { Some(limit) } else { None }
    }
}

/// As it stands in the Store.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Out { why: Why::Silent, asked } => write!(f, "silent {asked}"),
            Self::Out { why: Why::Refused, asked } => write!(f, "refused {asked}"),
            Self::Back { limit, answered } => write!(f, "back {limit} {answered}"),
        }
    }
}

impl FromStr for Standing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().map_err(|_| ());
        match words[..] {
            ["up"] => Ok(Self::Up),
            ["silent", asked] => Ok(Self::Out { why: Why::Silent, asked: number(asked)? }),
            ["refused", asked] => Ok(Self::Out { why: Why::Refused, asked: number(asked)? }),
            ["back", limit, answered] => {
                let (limit, answered) = (number(limit)?.clamp(1, 64), number(answered)?.min(64));
                Ok(Self::Back { limit, answered })
            }
            _ => Err(()),
        }
    }
}

/// Calls that failed one after the other. The same call again proves nothing new.
#[derive(Debug, Default)]
pub(crate) struct Streak(Vec<u64>);

impl Streak {
    /// A call of this fingerprint failed; how many different ones did so.
    pub(crate) fn failed(&mut self, call: u64) -> usize {
        if self.0.len() < SUSPICIOUS && !self.0.contains(&call) {
            self.0.push(call);
        }
        self.0.len()
    }

    /// Something was answered.
    pub(crate) fn ended(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Standing = Standing::Out { why: Why::Silent, asked: 0 };

    #[test]
    fn one_slow_record_raises_no_question_however_often_it_fails() {
        let mut streak = Streak::default();
        for _ in 0..100 {
            let different = streak.failed(7);
            assert_eq!(Standing::Up.suspected(Why::Silent, different), Standing::Up);
        }
    }

    #[test]
    fn three_different_calls_in_a_row_raise_it_and_an_answer_between_does_not() {
        let mut streak = Streak::default();
        streak.failed(1);
        streak.failed(2);
        streak.ended();
        assert_eq!(Standing::Up.suspected(Why::Silent, streak.failed(3)), Standing::Up);
        streak.failed(1);
        assert_eq!(Standing::Up.suspected(Why::Silent, streak.failed(2)), SILENT);
    }

    #[test]
    fn a_question_that_is_answered_leaves_no_outage_behind() {
        // The failing table fails on; what was asked is another one.
        assert_eq!(SILENT.after(Heard::Answer), Standing::Up);
    }

    #[test]
    fn a_refusal_of_the_credentials_is_asked_about_at_once() {
        let suspected = Standing::Up.suspected(Why::Refused, 1);
        assert_eq!(suspected, Standing::Out { why: Why::Refused, asked: 0 });
        assert_eq!(suspected.pause(5), Duration::ZERO);
        let refused = suspected.after(Heard::Nothing(Why::Refused));
        assert!(refused.pause(u64::MAX) >= Duration::from_secs(30));
    }

    #[test]
    fn pauses_grow_from_a_second_to_a_minute_and_to_a_quarter_of_an_hour_for_credentials() {
        for (why, least, most) in [(Why::Silent, 1, 60), (Why::Refused, 30, 900)] {
            let mut standing = Standing::Out { why, asked: 0 };
            let mut longest = Duration::ZERO;
            for asked in 0..40_u64 {
                standing = standing.after(Heard::Nothing(why));
                for random in [0, 1, 999, asked * 7_919, u64::MAX] {
                    let pause = standing.pause(random);
                    assert!(pause >= Duration::from_secs(least) && pause <= Duration::from_secs(most));
                    longest = longest.max(pause);
                }
            }
            assert_eq!(longest, Duration::from_secs(most));
            assert!(standing.pause(u64::MAX) >= Duration::from_secs(most) / 2, "half of it is certain");
        }
    }

    #[test]
    fn it_comes_back_by_one_call_then_two_then_four() {
        let mut standing = Standing::Out { why: Why::Silent, asked: 3 }.after(Heard::Answer);
        let mut limits = Vec::new();
        while let Some(limit) = standing.limit() {
            limits.push(limit);
            standing = standing.answered(8);
        }
        assert_eq!(limits, [1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(standing, Standing::Up);
        let back = Standing::Back { limit: 2, answered: 1 };
        assert_eq!(back.suspected(Why::Silent, 1), SILENT, "while it comes back one failure is enough");
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_not_ours_is_refused() {
        let all = [
            Standing::Up,
            SILENT,
            Standing::Out { why: Why::Refused, asked: 12 },
            Standing::Back { limit: 4, answered: 3 },
        ];
        for standing in all {
            assert_eq!(standing.to_string().parse(), Ok(standing));
        }
        for text in ["", "down", "silent", "silent x", "back 1", "back 1 2 3"] {
            assert_eq!(text.parse::<Standing>(), Err(()), "{text}");
        }
        assert_eq!("back 0 4000000000".parse(), Ok(Standing::Back { limit: 1, answered: 64 }));
    }
}
