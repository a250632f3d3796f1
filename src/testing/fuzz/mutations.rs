//! A short run on any toolchain: the seeds of every target and mutations of them, always the same.

use super::{FuzzTarget, TARGETS};
use crate::testing::random::Random;

/// Number of runs of a target. A conversation takes longer, since it is written in every format and style, and what
/// is unpacked is longer than the input.
fn runs(target: &FuzzTarget) -> usize {
    match target.name {
        "dialects" => 150,
        "inflate" => 400,
        _ => 1500,
    }
}

/// Bound on an input: longer ones take too long without optimisation.
const MAX_INPUT: usize = 3000;

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

/// Changes an input in a few places.
fn mutate(random: &mut Random, mut data: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..=random.below(4) {
        let (at, len) = (random.below(data.len() + 1), random.below(12));
        let end = data.len().min(at + len);
        match random.below(6) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 => drop(data.drain(at..end)),
            2 => drop(data.splice(at..at, random.pick(&WORDS).iter().copied())),
            3 => drop(data.splice(at..end, random.pick(&WORDS).iter().copied())),
            4 => data.extend_from_within(at..end),
            _ => {
                let other = random.pick(others);
                data.truncate(at);
                data.extend(&other[random.below(other.len() + 1)..]);
            }
        }
        data.truncate(MAX_INPUT);
    }
    data
}

#[test]
fn the_properties_hold_for_recorded_messages_and_small_mutations_of_them() {
    for target in TARGETS {
        let seeds: Vec<_> = (target.seeds)().into_iter().filter(|seed| seed.len() <= MAX_INPUT).collect();
        assert!(seeds.len() >= 4, "{}", target.name);
        seeds.iter().for_each(|seed| (target.run)(seed));
        let mut random = Random::new(1);
        for _ in 0..runs(target) {
            let seed = random.pick(&seeds).clone();
            (target.run)(&mutate(&mut random, seed, &seeds));
        }
    }
}
