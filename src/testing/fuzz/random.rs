//! A short run on any toolchain: the seeds of every target, and what little mutations make of them, always the same.

use super::{FuzzTarget, TARGETS};

/// How often each target is run; a conversation is written in every format and style.
fn runs(target: &FuzzTarget) -> usize {
    if target.name == "dialects" { 150 } else { 1500 }
}

/// Longer inputs take too long without optimisation.
const LONGEST: usize = 3000;

const WORDS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"\x1e",
    b"\x1e\x03\x1e",
    b"\x1e\x01\x1e",
    b"\"type\":",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"\xff",
    b"%",
    b"@",
    b"\r\n\r\n",
];

/// xorshift64: good enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn mutate(&mut self, mut data: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            let (at, len) = (self.below(data.len() + 1), self.below(12));
            let end = data.len().min(at + len);
            match self.below(6) {
                0 if at < data.len() => data[at] ^= 1 << self.below(8),
                1 => drop(data.drain(at..end)),
                2 => drop(data.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => drop(data.splice(at..end, WORDS[self.below(WORDS.len())].iter().copied())),
                4 => data.extend_from_within(at..end),
                _ => {
                    let other = &others[self.below(others.len())];
                    data.truncate(at);
                    data.extend(&other[self.below(other.len() + 1)..]);
                }
            }
            data.truncate(LONGEST);
        }
        data
    }
}

#[test]
fn the_laws_hold_for_recorded_messages_and_what_little_mutations_make_of_them() {
    for target in TARGETS {
        let seeds: Vec<_> = (target.seeds)().into_iter().filter(|seed| seed.len() <= LONGEST).collect();
        assert!(seeds.len() >= 4, "{}", target.name);
        seeds.iter().for_each(|seed| (target.run)(seed));
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..runs(target) {
            let seed = seeds[random.below(seeds.len())].clone();
            (target.run)(&random.mutate(seed, &seeds));
        }
    }
}
