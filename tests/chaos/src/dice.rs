//! Chance from a seed: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of chance; may be shared.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// A source for one purpose.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let mixed =
            purpose.bytes().fold(seed, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(byte.into()));
        Self(AtomicU64::new(mixed))
    }

    /// Less than `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
