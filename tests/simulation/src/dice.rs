//! Chance from a seed: the same seed throws the same dice on every machine.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea, Flood, 2014). Shared by reference: one stream, thrown in the order of the calls.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A stream of its own for a part of the world, so that one part's throws do not move another's.
    #[must_use]
    pub fn of(seed: u64, part: &str) -> Self {
        // FNV-1a.
        let mixed = part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self::new(mixed)
    }

    /// Any number.
    pub fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True so many times in a hundred.
    pub fn percent(&self, chance: u64) -> bool {
        self.next() % 100 < chance
    }

    /// One of several.
    pub fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        let place = self.next() % u64::try_from(choices.len().max(1)).unwrap_or(1);
        &choices[usize::try_from(place).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_throws_the_same_dice_again_and_its_parts_differ() {
        let throws = |dice: &Dice| (0..8).map(|_| dice.next()).collect::<Vec<_>>();
        assert_eq!(throws(&Dice::of(7, "net")), throws(&Dice::of(7, "net")));
        assert_ne!(throws(&Dice::of(7, "net")), throws(&Dice::of(7, "people")));
        assert!((0..100).all(|_| (3..=5).contains(&Dice::new(1).between(3, 5))));
    }
}
