//! Random numbers that need no library and keep no secret.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// Random enough for waits, DNS ids and the key of an upgrade: the keyed hash of a counter.
#[derive(Debug)]
pub struct Random {
    keys: RandomState,
    count: u64,
}

impl Random {
    /// With keys of its own.
    pub fn new() -> Self {
        Random { keys: RandomState::new(), count: 0 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        self.keys.hash_one(self.count)
    }
}
