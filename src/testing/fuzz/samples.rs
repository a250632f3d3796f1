//! The two readers of samples against each other.

use crate::model::json::Node;
use crate::model::metric::{Metric, Text};
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::message::SampleMessage;
use crate::model::sample::others::{PushLeaf, other_members, scan_others};
use crate::model::sample::read::read_strictly;
use crate::model::sample::scan::scan_sample;
use crate::proto::dialect::sample_rows;

/// Rows of every rule, within each other to any depth.
static ROWS: &[Field] = &[
    Field("type", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("data", FieldRule::Into(INNER)),
    Field("alerts", FieldRule::Alerts),
    Field("users", FieldRule::Users),
    Field("memory", FieldRule::Number(Metric::Memory, 1.0)),
    Field("usage_percent", FieldRule::Number(Metric::Cpu, 0.1)),
    Field("percentage", FieldRule::Else(Metric::Cpu, 1.0)),
    Field("total", FieldRule::NonZero(Metric::DiskTotal, 3.0)),
    Field("disk", FieldRule::Numbers(&[Metric::DiskUsed, Metric::DiskFree])),
    Field("processor", FieldRule::First(&ROWS)),
    Field("per_core_usage", FieldRule::PerCore),
    Field("hostname", FieldRule::Text(Text::Host)),
    Field("platform", FieldRule::Words(&[Metric::Load1, Metric::Load5], |word| word.parse().ok())),
];

static INNER: &[Field] = &[
    Field("percentage", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory", FieldRule::Number(Metric::Memory, 1.0)),
    Field("processor", FieldRule::First(&ROWS)),
];

/// Reads the input with the rows of each dialect: what the scanner accepts, the strict reader does, and both read the same
/// and leave the same.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for rows in sample_rows().into_iter().chain([ROWS]) {
        if let Some(scanned) = scan_sample(Vec::new(), text, rows) {
            let strict = read_strictly(text, rows).unwrap_or_else(|error| panic!("{error}: {text:?}"));
            assert_eq!(shown(&scanned), shown(&strict), "{text:?}");
            let leaves = |list: &mut dyn FnMut(PushLeaf<'_>) -> Option<usize>| {
                let mut leaves = Vec::new();
                list(&mut |path, text| leaves.push(format!("{path}: {text}"))).map(|left_out| (leaves, left_out))
            };
            // A bound that some of them reach.
            let (sample, room) = (&scanned.sample, text.len());
            let others = leaves(&mut |push| scan_others(text, sample, room, push));
            if let (Some(others), Ok(whole)) = (others, Node::parse(text)) {
                let all = leaves(&mut |push| Some(other_members(&whole, sample, room, push)));
                assert_eq!(Some(others), all, "{text:?}");
            }
        }
    }
}

/// Shows all that was read, with the bits of numbers.
fn shown(message: &SampleMessage<'_>) -> String {
    let sample = &message.sample;
    let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let texts: Vec<_> = Text::ALL.iter().map(|&text| sample.text(text)).collect();
    let numbers = (bits(sample.numbers()), bits(&sample.per_core));
    format!("{numbers:?} {texts:?} {:?} {:?} {:?}", sample.at, message.alerts, message.users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;
    use crate::testing::recordings::{self, systems};
    use crate::testing::tokens::TOKENS;

    #[test]
    fn both_readers_read_the_same_in_recorded_messages_and_mutations_of_them() {
        let texts: Vec<String> =
            systems().flat_map(recordings::all).flat_map(|name| recordings::texts(&name)).collect();
        let samples: Vec<&String> = texts.iter().filter(|text| text.len() < 3000).collect();
        let mut random = Random::new(11);
        for text in &texts {
            run(text.as_bytes());
        }
        for _ in 0..6000 {
            let mut text = (*random.pick(&samples)).clone();
            for _ in 0..=random.below(2) {
                let at = text.floor_char_boundary(random.below(text.len() + 1));
                let end = text.floor_char_boundary((at + random.below(3)).min(text.len()));
                let token: &&str = random.pick(&TOKENS);
                text.replace_range(at..end, token);
            }
            run(text.as_bytes());
        }
    }

    #[test]
    fn the_scanner_reads_nearly_every_recorded_sample() {
        let texts = recordings::texts("monitoring/plain_10s");
        let samples = texts.iter().filter(|text| text.contains("monitoring_data"));
        assert!(samples.clone().count() > 5);
        for text in samples {
            assert!(scan_sample(Vec::new(), text, sample_rows()[0]).is_some(), "{text}");
        }
    }
}
