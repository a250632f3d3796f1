use super::*;
use crate::fleet::grammar::Thresholds;
use crate::fleet::tests::{At, alert, connected, lost, nth, sample, state};
use crate::model::event::{Alert, AlertPhase, Event};
use std::time::{Duration, Instant, SystemTime};

/// A board with a server for each list of messages, in order.
fn board(servers: &[(&str, &[&[Event<'_>]])]) -> (Board, At) {
    let (mut board, at) = (Board::default(), At(Instant::now(), 0.0));
    for (index, (label, messages)) in servers.iter().enumerate() {
        board.add(nth(index), label);
        messages.iter().for_each(|events| at.say(&mut board, index, events));
    }
    (board, at)
}

fn up(values: &[(&str, f64)]) -> [Event<'static>; 2] {
    [connected(), sample(values)]
}

fn now(at: At) -> Now {
    Now { mono: at.now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045) }
}

fn table((board, at): &(Board, At), size: (usize, usize), style: Style) -> String {
    let mut out = String::new();
    Table { board, rules: None, now: now(*at), style }.push(&mut out, size);
    out
}

const WIDE: (usize, usize) = (usize::MAX, usize::MAX);

fn fleet() -> (Board, At) {
    let web =
        [12.5, 95.5, 95.5].map(|cpu| [sample(&[("cpu", cpu), ("memory", 38.1), ("disk", 28.5), ("load1", 0.52)])]);
    let why = "connect to 10.0.0.9:8765: connection refused";
    board(&[
        ("web", &[&[connected()], &web[0], &web[1], &web[2]]),
        ("db", &[&up(&[("cpu", 12.4), ("memory", 38.1), ("gpu", 0.0), ("load1", 12.0)])]),
        ("down", &[&[lost(why)]]),
        ("cache", &[&up(&[("memory", 85.0)])]),
    ])
}

#[test]
fn the_worst_comes_first_and_a_line_about_all_comes_last() {
    assert_eq!(
        table(&fleet(), WIDE, Style::default()),
        "\
SERVER   CPU%  MEM% DISK%  GPU%   LOAD  HISTORY     STATE
down        -     -     -     -      -              reconnecting: connect to 10.0.0.9:8765: connection refused
web      95.5  38.1  28.5     -   0.52         ▂██  connected
cache       -  85.0     -     -      -              connected
db       12.4  38.1     -   0.0  12.00           ▁  connected
3 of 4 up, cpu mean 54 max 96 (web), 2026-01-02T03:04:05Z
"
    );
    let ascii = table(&fleet(), WIDE, Style { ascii: true, ..Style::default() });
    assert!(ascii.is_ascii() && ascii.contains("         .##  connected\n"), "{ascii}");
    let colored = table(&fleet(), WIDE, Style { color: true, ..Style::default() });
    let row = "web   \x1b[31m  95.5\x1b[0m\x1b[32m  38.1\x1b[0m\x1b[32m  28.5\x1b[0m     -   0.52         ▂██  \x1b[31mconnected\x1b[0m\n";
    assert!(colored.contains(&row.replace("web   ", "web    ")), "{colored}");
}

#[test]
fn a_small_screen_has_fewer_rows_and_columns() {
    let lines = |lines, width| -> Vec<String> {
        table(&fleet(), (lines, width), Style::default())
            .lines()
            .map(|line| line.chars().take(width).collect())
            .collect()
    };
    assert_eq!(lines(6, 79).len(), 6);
    assert_eq!(
        lines(5, 39),
        [
            "SERVER   CPU%  HISTORY     STATE",
            "down        -              reconnecting:",
            "web      95.5         ▂██  connected",
            "... 2 more",
            "3 of 4 up, cpu mean 54 max 96 (web), 20"
        ]
        .map(|line| line.chars().take(39).collect::<String>())
    );
    assert_eq!(lines(3, 1), ["S", ".", "3"]);
    assert_eq!(lines(2, 79)[0], "... 4 more");
    assert_eq!(lines(1, 79), ["3 of 4 up, cpu mean 54 max 96 (web), 2026-01-02T03:04:05Z"]);
    assert!(lines(0, 0).is_empty());
    let head = |width| lines(9, width)[0].clone();
    assert_eq!(head(61), "SERVER   CPU%  MEM% DISK%  GPU%   LOAD  HISTORY     STATE");
    assert_eq!(head(60), "SERVER   CPU%  MEM% DISK%   LOAD  HISTORY     STATE");
    assert_eq!(head(48), "SERVER   CPU%  MEM% DISK%  HISTORY     STATE");
    assert_eq!(head(42), "SERVER   CPU%  MEM%  HISTORY     STATE");
}

#[test]
fn rules_take_the_place_of_the_colours() {
    let (mut board, at) = fleet();
    let mut thresholds = Thresholds::default();
    thresholds.add_warnings("memory=30,up.sum=4:").unwrap();
    thresholds.add_criticals("load1=10").unwrap();
    let mut rules = Rules::new(thresholds);
    rules.step(at.now(), &mut board);
    let mut out = String::new();
    Table { board: &board, rules: Some(&rules), now: now(at), style: Style::default() }.push(&mut out, WIDE);
    let states: Vec<_> = out.lines().map(|line| (&line[..4], line.rsplit_once("  ").unwrap_or(("", line)).1)).collect();
    assert_eq!(
        states[1..],
        [
            ("down", "reconnecting: connect to 10.0.0.9:8765: connection refused"),
            ("db  ", "connected, WARNING memory 38.1% (30), CRITICAL load1 12.00 (10)"),
            ("cach", "connected, WARNING memory 85.0% (30)"),
            ("web ", "connected, WARNING memory 38.1% (30)"),
            ("3 of", "3 of 4 up, cpu mean 54 max 96 (web), WARNING up.sum 3 (4:), 2026-01-02T03:04:05Z"),
        ]
    );
}

#[test]
fn alerts_in_force_stand_behind_the_state_and_no_text_leaves_its_row() {
    let hostile = "a\n\x1b[2Jé\u{202e}";
    let alert = |message: &str| Alert { message: message.to_owned().into(), level: hostile.into(), ..Alert::default() };
    let said = [connected(), Event::Alert(Alert { phase: AlertPhase::Begins, ..alert(hostile) })];
    let whole = board(&[("web", &[&said, &[self::alert("disk", AlertPhase::Begins)]]), (hostile, &[&[lost(hostile)]])]);
    let out = table(&whole, WIDE, Style::default());
    let text = "a\\n\\x1b[2Jé\\u{202e}";
    assert!(out.lines().nth(2).unwrap().ends_with(&format!("  connected, {text} {text}, WARNING disk")), "{out}");
    assert!(out.lines().nth(1).unwrap().ends_with(&format!("  reconnecting: {text}")), "{out}");
    assert_eq!(out.lines().count(), 4);
}

#[test]
fn a_server_that_was_never_reached_is_down_and_an_empty_board_has_no_rows() {
    let (connecting, never) = (ClientState::Connecting, ClientState::Disconnected);
    let both = board(&[("new", &[]), ("a", &[&[state(never, connecting, "")]])]);
    let out = table(&both, WIDE, Style::default());
    assert!(out.ends_with("  disconnected\n0 of 2 up, 2026-01-02T03:04:05Z\n"), "{out}");
    assert_eq!(table(&board(&[]), WIDE, Style::default()).lines().nth(1), Some("0 of 0 up, 2026-01-02T03:04:05Z"));
}

#[test]
fn a_server_of_saved_data_that_begins_later_is_up_until_it_is_lost() {
    let (mut board, at) = board(&[("a", &[&[sample(&[("cpu", 5.0)])]])]);
    let last = |board: &Board| {
        let mut out = String::new();
        Table { board, rules: None, now: now(at), style: Style::default() }.push(&mut out, WIDE);
        out.lines().map(str::to_owned).collect::<Vec<_>>()[1..].concat()
    };
    assert!(last(&board).contains("  connected1 of 1 up, "), "{}", last(&board));
    at.say(&mut board, 0, &[lost("")]);
    assert!(last(&board).contains("  reconnecting0 of 1 up, "), "{}", last(&board));
}

#[test]
fn of_many_servers_the_worst_are_found() {
    let mut numbers: Vec<usize> = (0..1000).map(|n| n * 619 % 1000).collect();
    let (mut board, at) = board(&[]);
    for (index, number) in numbers.iter().enumerate() {
        board.add(nth(index), &format!("node-{number:03}"));
        let cpu = if number % 100 == 7 { 99.0 } else { 5.0 };
        at.say(&mut board, index, &up(&[("cpu", cpu)]));
    }
    let out = table(&(board, at), (15, 80), Style::default());
    let labels: Vec<_> = out.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    numbers.sort_by_key(|number| (number % 100 != 7, *number));
    let expected: Vec<_> = numbers.iter().take(12).map(|number| format!("node-{number:03}")).collect();
    assert_eq!(labels[..12], expected);
    assert!(out.contains("\n... 988 more\n1000 of 1000 up, cpu mean 6 max 99 (node-"), "{out}");
}
