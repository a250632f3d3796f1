//! Properties of any command line, for tests/fuzz and, with fixed seeds, for `cargo test`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::plan::{Exit, Plan, plan, server_lines};

const VARIABLES: [&str; 6] = [
    "MONITORING_WEBSOCKET_URI",
    "MONITORING_FORMAT",
    "MONITORING_LOG_LEVEL",
    "MONITORING_LOG_FILE",
    "MONITORING_TOKEN",
    "WSMON_OPTIONS",
];

/// Ten years, the longest duration that is accepted.
const LONGEST: Duration = Duration::from_secs(3653 * 86_400);

/// Checks the command line in `data`: words with NULs between them. A word that begins with a byte from 1 to 6 is the
/// value of that variable instead.
pub fn run(data: &[u8]) {
    let words: Vec<&[u8]> = data.split(|byte| *byte == 0).take(64).collect();
    let (variables, argv): (Vec<&[u8]>, Vec<&[u8]>) = words.into_iter().partition(|word| matches!(word, [1..=6, ..]));
    let env = |name: &str| {
        let number = VARIABLES.iter().position(|variable| *variable == name)?;
        let value = variables.iter().find(|value| usize::from(value[0]) == number + 1)?;
        Some(OsString::from_vec(value[1..].to_vec()))
    };
    for text in &variables {
        assert_lines_within_limits(&text[1..]);
    }
    let mut argv = argv.into_iter().map(|word| OsString::from_vec(word.to_vec()));
    match plan(&mut argv, &env) {
        Ok(plan) => assert_within_limits(&plan),
        Err(Exit::Asked(text)) => assert!(text.ends_with('\n')),
        Err(Exit::Usage(why)) => assert_eq!(wsmon::escape(&why), why),
    }
}

fn assert_within_limits(plan: &Plan) {
    let durations = [plan.every, plan.duration, plan.stats_every];
    assert!(durations.iter().flatten().all(|duration| !duration.is_zero() && *duration <= LONGEST));
    assert!(plan.queue > 0 && plan.count != Some(0));
    assert!(plan.demo == 0 || plan.uris.is_empty());
    assert!(wsmon::format(plan.format).is_some());
    for uri in plan.uris.iter().filter(|uri| !uri.contains('@')) {
        if let Err(error) = wsmon::Server::default().place(uri) {
            assert_eq!(wsmon::escape(&error.to_string()), error.to_string());
        }
    }
}

/// Reads the text of a variable as a file of servers.
fn assert_lines_within_limits(text: &[u8]) {
    match server_lines::read("f", text, &Plan::default(), &|_| false, &mut |_| None) {
        Ok(lines) => {
            assert!(!lines.is_empty() && lines.iter().all(|line| line.connection.starts_with("--uri\0")));
        }
        Err(why) => assert!(why.starts_with("f:"), "{why}"),
    }
}

/// Command lines for a fuzzer to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "-u\0a=ws://h:1/?token=x\0--uri=h\0-fjson\0-sv\0-n\x005\0--duration\x001h 30m\0--stats",
        "--reconnect-interval\x00500ms\0--reconnect-cap=2m\0--max-reconnects\x003\0--ping-interval=0\0--stale-after\0auto",
        "--max-message\x004MiB\0--rotate-size=64k\0--queue\x001M\0--when-full\0wait\0--save-data\0f\0--only\0sample,x",
        "--dialect\0sysmedic\0--subscribe\0a, b\0--process=x\0--request\0a={\"b\":1}\0--header\0A: b\0--proxy\0h:1",
        "--cert\0a\0--key\0b\0-4\0-6\0--no-compression\0--color\0never\0--no-color\0--ascii\0--unicode\0-q\0--log-level\0critical",
        "\x01ws://u:p@h/\0\x02detailed\0\x03debug\0\x04f\0\x05t",
        "--demo\0--\0x",
        "--demo=fleet\0--check\0-w\0cpu=80\0--require\x005",
        "--demo=fleets",
        "--help",
        "-f\0table\0--live\0--every=30s\0-n1\0--average\0-w\0cpu=80,up.sum=3:\0--unicode",
        "-V",
        "ws://u:p@h/?x",
        "--every\x0018446744073709551615s 1000ms",
        "--average\0--every\x001m\0-w\0cpu=80/5m,~:~,@1:2\0-c\0up.sum=3:,age=60,memory_available=1G:\0--check\0-t\x005",
        "--template\0{server}\\t{cpu}\\n{{{gpu}\0--textfile\0a.prom\0--save-data=f\0--save-format\0csv\0--flush-every\x0010m",
        "\x06ws://u:p@h/ -f json 'x y' # z\n--every=5\0--servers\0f\0-c\0cpu=5",
        "\x06a=h:1 -H \"A: b\" --proxy http://u:p@h -w ping=1 --request a={}\na=h\0-v",
        "\x06--check --help\0\x06\"\0--servers=",
        "--warning=1e308,20:10,cpu=/1\0--critical=-5,a=b=c,bogus=1\0--save-format=json\0--template={\0--average",
        "--listen\09109\0--listen=[::1]:0\0--listen\0localhost:1",
        "--on-alert\0exit 1\0--on-alert=\0--on-alert\0cat; mail -s \"$WSMON_TEXT\" x\0-w\0up.min=1:\0--servers\0f",
        "--stats-every\x0030s\0--log-format\0json\0--log-format=text\0--stats-every=0\0--history\0-vv",
        "--read\0f\0--read=-\0--check\0-c\0up=1:\0-d5",
    ];
    lines.map(|line| line.as_bytes().to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::random::Random;

    #[test]
    fn the_properties_hold_for_command_lines_with_misplaced_words() {
        let words: Vec<Vec<u8>> = seeds().iter().flat_map(|line| line.split(|b| *b == 0).map(<[u8]>::to_vec)).collect();
        let mut random = Random::new(1);
        seeds().iter().for_each(|line| run(line));
        for _ in 0..4000 {
            let mut line: Vec<_> =
                (0..=random.below(5)).map(|_| random.pick(&words).clone()).collect::<Vec<_>>().join(&0);
            let at = random.below(line.len());
            match random.below(4) {
                0 => line.truncate(at),
                1 if at < line.len() => line[at] = random.below(256) as u8,
                2 => drop(line.splice(at..at, *b"\xe2\x80\xae")),
                _ => {}
            }
            run(&line);
        }
    }
}
