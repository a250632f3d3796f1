//! A short run on any toolchain: the seeds of every target and mutations of them, always the same.

use std::time::{Duration, Instant};

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

/// Makes an input longer: a part of it, somewhere in it, again and again.
fn lengthen(random: &mut Random, data: &[u8], len: usize) -> Vec<u8> {
    let at = random.below(data.len());
    let end = at + 1 + random.below((data.len() - at).min(64));
    let times = len.saturating_sub(data.len()) / (end - at);
    [&data[..at], &data[at..end].repeat(times), &data[at..]].concat()
}

fn time_of(run: fn(&[u8]), data: &[u8]) -> Duration {
    let start = Instant::now();
    run(data);
    start.elapsed()
}

/// Time that grows with the square of the length grows sixteenfold here. What else the machine does can make a run
/// longer, but hardly each of several.
#[test]
fn an_input_four_times_as_long_takes_about_four_times_as_long() {
    const SHORT: usize = 16 << 10;
    const ATTEMPTS: usize = 5;
    for target in TARGETS {
        let seeds: Vec<_> = (target.seeds)().into_iter().filter(|seed| (2..=MAX_INPUT).contains(&seed.len())).collect();
        let mut random = Random::new(2);
        for round in 0..3 {
            let seed = random.pick(&seeds).clone();
            let lengths = [SHORT, 4 * SHORT];
            let [short, long] = lengths.map(|len| lengthen(&mut Random::new(1 + round), &seed, len));
            let mut tried: Vec<[Duration; 2]> = Vec::new();
            while tried.last().is_none_or(|[one, four]| *four > 8 * *one + Duration::from_millis(150)) {
                let begin = String::from_utf8_lossy(&short[..200]);
                assert!(tried.len() < ATTEMPTS, "{} {round}: {tried:?} for {begin:?}…", target.name);
                tried.push([&short, &long].map(|data| time_of(target.run, data)));
            }
        }
    }
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
