//! One chain a key: which copy of a watch goes on, and which is one too many.

/// What a copy of a watch may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It keeps the chain: it acts.
    Holder,
    /// Another copy holds the chain, as far as we know: this one acts for the deadline alone, sleeps
    /// unchanged, and notes the holder's tick.
    Spare {
        /// The holder's tick, to be noted.
        noted: u64,
    },
    /// The holder's tick has grown since this copy noted it: another chain lives, this copy may go.
    Surplus,
}

/// Judges a copy that noted `noted` at its last look, where the store says that another pair holds
/// the chain at `holder_tick` (`None`: this pair holds it, or the store cannot tell).
///
/// A stored number alone never ends a copy: the holder may be dead. Growth proves that it lives.
#[must_use]
pub fn standing(holder_tick: Option<u64>, noted: Option<u64>) -> Standing {
    match (holder_tick, noted) {
        (None, _) => Standing::Holder,
        (Some(tick), Some(noted)) if tick > noted => Standing::Surplus,
        (Some(tick), _) => Standing::Spare { noted: tick },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_goes_only_when_the_holders_tick_has_grown() {
        for (holder_tick, noted, expected) in [
            (None, None, Standing::Holder),
            (None, Some(4), Standing::Holder),
            (Some(4), None, Standing::Spare { noted: 4 }),
            (Some(4), Some(4), Standing::Spare { noted: 4 }),
            (Some(3), Some(4), Standing::Spare { noted: 3 }),
            (Some(5), Some(4), Standing::Surplus),
        ] {
            assert_eq!(standing(holder_tick, noted), expected, "{holder_tick:?} {noted:?}");
        }
    }
}
