//! RandomSource numbers without a library for them. They are not fit for secrets.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// Generates numbers for jitter, DNS ids and the key of an upgrade: the hash of a counter under random keys.
#[derive(Debug)]
pub struct RandomSource {
    keys: RandomState,
    count: u64,
}

impl RandomSource {
    pub fn new() -> Self {
        RandomSource { keys: RandomState::new(), count: 0 }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        self.keys.hash_one(self.count)
    }
}
