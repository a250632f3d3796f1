//! Malformed and unusual messages.

use crate::client::{greet, json_lines, log_lines, sample, sending, statistics, watch, watched};
use crate::support::program::Run;
use crate::support::server::{CLOSE, PONG, Peer, Server, TEXT, text_frame};
use serde_json::{Value, json};
use std::time::Duration;

/// The actions of a server after its greeting.
type Script = fn(&mut Peer);

/// Runs `-f jsonl -s` on these messages. Returns the lines without the greeting, and the statistics.
fn lines_of(messages: &[&str]) -> (Vec<Value>, Value) {
    let server = sending(messages);
    let finished = watched(&server, &format!("-f jsonl -s --only unknown,sample -n {}", messages.len()));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(server.accepted(), 1, "{finished:?}");
    let mut lines = json_lines(&finished.stdout);
    let statistics = lines.pop().unwrap()["stats"].take();
    (lines, statistics)
}

#[test]
fn text_that_is_not_json_is_written_as_text_and_counted_as_undecoded_alone() {
    let messages = ["no JSON", "", "{} x", "{\"type\":", "{'a': 1}"];
    let server = sending(messages.map(str::to_owned).into_iter().chain([sample(1.0)]));
    let finished = watched(&server, "-n 1 -s -f jsonl");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&finished.stdout);
    let texts: Vec<_> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts, ["no JSON", "", "x", "{\"type\":", "{'a': 1}"], "{finished:?}");
    assert_eq!(statistics(&finished)["undecoded"], json!(5));
    let warnings = log_lines(&finished.stderr, &["WARN"]);
    let warning = "WARN x: a message of 7 bytes could not be decoded (byte 0: no); further ones are only counted";
    assert_eq!(warnings, [warning], "the first of a connection");
}

#[test]
fn a_server_of_which_nothing_can_be_decoded_has_sent_nothing() {
    let server = sending(["{\"type\": \"monitoring_data\", \"data\": undefined}"]);
    let finished = watched(&server, "-d 1 -f events --only sample,alert");
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    let warning = "could not be decoded (byte 36: undefined)";
    assert!(log_lines(&finished.stderr, &["WARN"])[0].contains(warning), "{finished:?}");
}

#[test]
fn every_spelling_of_nan_is_null_and_the_server_is_recognised_by_such_a_message() {
    let words = ["nan", "-nan", "NAN", "inf", "-inf", "-nan(ind)", "NaN", "Infinity"];
    for word in words.iter().chain(&["NaN(0x1)", "+inf", "Inf", "1.#INF", "-1.#IND", "1e400", "-1e309"]) {
        let text = format!(
            r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":5}},"gpu":{{"power_draw":{word}}}}}}}"#
        );
        let server = Server::start(move |mut peer| {
            peer.upgrade();
            peer.text(&text);
            peer.hold();
        });
        let finished = watched(&server, "-n 1 -f simple");
        assert_eq!(finished.stdout.lines().last(), Some("CPU:   5.0%"), "{word}: {finished:?}");
        let finished = watched(&server, "-n 1 -f jsonl");
        let line = json_lines(&finished.stdout).pop().unwrap();
        assert_eq!(line["data"]["gpu"]["power_draw"], Value::Null, "{word}: {finished:?}");
    }
}

#[test]
fn documents_in_one_message_are_so_many_messages() {
    let [a, b, c] = [1.0, 2.0, 3.0].map(sample);
    for text in [
        format!("{a}{b}{c}"),
        format!("{a}\n{b}\n{c}\n"),
        format!("\x1e{a}\n\x1e{b}\n\x1e{c}\n"),
        format!("\u{feff}{a}\0{b}\0{c}\0"),
        format!("[{a},{b},{c}]"),
        format!(" [ {a} ,\n {b}, {c} ] "),
    ] {
        let finished = watched(&sending([text.clone()]), "-n 3 -s -f jsonl");
        assert_eq!(finished.code, Some(0), "{text:?}: {finished:?}");
        let lines = json_lines(&finished.stdout);
        let usages: Vec<_> =
            lines.iter().filter_map(|line| line["data"]["processor"]["usage_percent"].as_f64()).collect();
        assert_eq!(usages, [1.0, 2.0, 3.0], "{text:?}");
        let statistics = statistics(&finished);
        assert_eq!((&statistics["messages_received"], &statistics["undecoded"]), (&json!(4), &json!(0)), "{text:?}");
    }
}

#[test]
fn a_message_of_very_many_documents_keeps_neither_signals_nor_the_end_waiting() {
    let server = sending(["{}".repeat(2_000_000)]);
    let finished = watched(&server, "-d 0.3");
    assert!(finished.took < Duration::from_secs(5), "{:?}", finished.took);
    assert_eq!(finished.code, Some(0), "{:?}", finished.code);
}

#[test]
fn json_that_is_not_an_object_is_written_as_a_value() {
    let messages = ["[1, 2, 3]", "null", "\"ping\"", "5", "true"];
    let (lines, _) = lines_of(&messages);
    for (line, message) in lines.iter().zip(messages) {
        assert_eq!(line["value"], serde_json::from_str::<Value>(message).unwrap(), "{line}");
    }
}

#[test]
fn a_type_that_is_not_a_text_is_harmless() {
    let messages = [r#"{"type":["ping"]}"#, r#"{"type":{"a":1}}"#, r#"{"type":42}"#, r#"{"type":null}"#, "{}"];
    let (lines, _) = lines_of(&messages);
    assert_eq!(lines[1]["type"], json!({"a": 1}));
    assert_eq!(lines.len(), 5);
}

#[test]
fn nan_and_infinity_are_absent_values_and_the_rest_of_the_message_counts() {
    let message = r#"{"type": "monitoring_data", "data": {"processor": {"usage_percent": 12.5}, "memory": {"percentage": NaN}, "disk": {"percentage": -Infinity}}}"#;
    let (lines, statistics) = lines_of(&[message]);
    assert_eq!(lines[0]["data"]["memory"], json!({"percentage": null}));
    assert_eq!(statistics["undecoded"], 0);
    let simple = watched(&sending([message]), "-n 1");
    assert_eq!(simple.stdout.lines().last(), Some("CPU:  12.5%"), "{simple:?}");
}

#[test]
fn five_thousand_levels_are_shown_in_every_format_that_shows_unknown_messages() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let object = format!("{}1{}", r#"{"type":"monitoring_data","data":"#.repeat(5000), "}".repeat(5000));
    let server = sending([deep.clone(), object, sample(1.0)]);
    for (format, expected) in [("simple", 900), ("compact", 900), ("detailed", 900), ("json", 5000), ("jsonl", 5000)] {
        let finished = watched(&server, &format!("-n 1 -f {format} --only sample,unknown"));
        assert_eq!((finished.code, finished.signal), (Some(0), None), "{format}: {}", finished.stderr);
        let brackets = finished.stdout.matches('[').count();
        assert!(brackets >= expected, "{format}: {brackets}");
        assert!(finished.stderr.contains("(it is nested too deeply); further ones are only counted"), "{finished:?}");
        if format == "jsonl" {
            json_lines(&finished.stdout);
        }
    }
    assert_eq!(server.accepted(), 5);
}

#[test]
fn ten_megabytes_are_shown_if_the_limit_allows_them() {
    let large = format!(r#"{{"type":"large","data":"{}"}}"#, "x".repeat(10 << 20));
    let server = sending([large.clone(), sample(1.0)]);
    let finished = watched(&server, "--max-message 16M --queue 16M -n 1 -f jsonl -s");
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains(&large[1..]), "{}", finished.stderr);
    assert_eq!(statistics(&finished)["dropped"], 0);
}

#[test]
fn a_message_over_the_limit_ends_the_connection_with_a_reason_that_names_the_option() {
    let (code, codes) = std::sync::mpsc::channel();
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        // The second length is 5 without its upper half.
        if let Some(length) = [10_u64 << 20, (1 << 32) + 5].get(peer.number() - 1) {
            peer.announce(TEXT, *length);
            code.send(peer.expect(CLOSE).close().0).unwrap();
        } else {
            peer.text(sample(1.0));
        }
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --reconnect-interval 0.1");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = log_lines(&finished.stderr, &["WARN"]);
    for (line, size) in lines.iter().zip(["10485760", "4294967301"]) {
        let why = format!("WARN x: a message of {size} bytes is over the limit of 4194304: see --max-message; ");
        assert!(line.starts_with(&why), "{line}");
        assert_eq!(codes.recv().unwrap(), 1009);
    }
    assert_eq!((lines.len(), server.accepted()), (2, 3));
}

#[test]
fn a_message_as_large_as_the_limit_is_taken_and_one_byte_more_is_not() {
    let just = format!("\"{}\"", "x".repeat(998));
    assert_eq!(watched(&sending([&just]), "--max-message 1000 -n 1 -f jsonl --only unknown").code, Some(0));
    let refused = watched(&sending([format!("{just} ")]), "--max-message 1000 -n 1 --no-reconnect");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--max-message"), "{refused:?}");
}

/// Bits of deflate with fixed codes: a blank, repeated to so many bytes, a thousandth of them.
fn packed_blanks(len: usize) -> Vec<u8> {
    let mut bits = vec![1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    (0..len / 258).for_each(|_| bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]));
    bits.extend([0; 7]);
    bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << at).sum()).collect()
}

#[test]
fn bombs_of_a_dialect_that_packs_its_messages_cost_a_line_and_no_memory() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.text(r#"{"type":"connected","client_id":"c","user_id":null}"#);
        let metrics = r#"{"channel":"metrics","timestamp":"2026-01-02T03:04:05","event_type":"system_metrics","data":{"cpu_percent":42}}"#;
        let bomb = packed_blanks(200 << 20);
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let gzip = [&head[..], &bomb, &[0; 4], &(200_u32 << 20).to_le_bytes()].concat();
        let empty = [0x02, 0x08, 0x20, 0x80, 0x00].repeat(600_000);
        for message in [
            gzip.clone(),
            [&[0x78, 0x9c][..], &bomb].concat(),
            bomb[..bomb.len() / 2].to_vec(),
            [&gzip[..], &gzip].concat(),
            [&[1, 5, 0, 0][..], &(gzip.len() as u32).to_be_bytes(), &gzip].concat(),
            [&head[..], &empty].concat(),
            empty,
        ] {
            peer.binary(message);
            peer.text(metrics);
        }
        peer.hold();
    });
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 150000; exec \"$@\"", "sh"]).arg(crate::support::program::binary());
    command.args(["-u", &server.uri(), "--dialect", "neurograph", "-n", "7", "-s", "-f", "events", "--only", "sample"]);
    command.env_clear().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(json_lines(&finished.stdout).iter().filter(|line| line["cpu"] == 42.0).count(), 7, "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN"]).len(), 1, "{finished:?}");
    assert_eq!((statistics(&finished)["undecoded"].as_u64(), server.accepted()), (Some(7), 1), "{finished:?}");
}

#[test]
fn a_binary_message_of_json_is_read_as_text_and_any_other_is_described_by_its_size() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.binary(sample(42.0));
        peer.binary([0xff, 0, 1]);
        peer.binary("UTF-8, but no JSON");
        peer.binary("");
        peer.text(sample(43.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 2");
    let lines: Vec<_> = finished.stdout.lines().skip(1).collect();
    assert_eq!(lines[0], "CPU:  42.0%", "{finished:?}");
    for (line, size) in lines[1..4].iter().zip(["3 bytes", "18 bytes", "0 bytes"]) {
        assert!(line.contains("binary") && line.contains(size), "{finished:?}");
    }
    let finished = watched(&server, "-n 2 -s -f jsonl");
    let lines = json_lines(&finished.stdout);
    assert_eq!(lines[1]["type"], "monitoring_data");
    assert_eq!(lines[2]["base64"], "/wAB");
    assert_eq!(statistics(&finished)["undecoded"], 3, "{finished:?}");
}

#[test]
fn a_text_that_is_not_utf_8_ends_the_connection_with_1007() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text([b'"', 0xff, b'"']);
        assert_eq!(peer.expect(CLOSE).close().0, 1007);
        peer.drain();
    });
    let finished = watched(&server, "--no-reconnect");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(
        "ERROR x: the server sent a text message that is not UTF-8 (byte 1: 0xff): see --lossy-utf8; giving up"
    ));
    server.finish();
}

#[test]
fn what_came_before_a_text_that_is_not_utf_8_is_shown_and_lossy_reading_shows_the_text_as_well() {
    for pieces in
        [&[&b"{\"a\": \"x\x99y\"}"[..]][..], &[b"{\"a\":", b" \"x\x99", b"y\"}"], &[b"{\"a\": \"x", b"\x99y\"}"]]
    {
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let server = Server::start(move |mut peer| {
            // All of it in one write, with the response to the upgrade.
            let mut bytes = peer.granted().into_bytes();
            bytes.extend(text_frame(sample(1.0)));
            for (at, piece) in pieces.iter().enumerate() {
                let (first, last) = (at == 0, at + 1 == pieces.len());
                bytes.extend([u8::from(first) | if last { 0x80 } else { 0 }, piece.len() as u8]);
                bytes.extend(piece);
            }
            bytes.extend(text_frame(sample(2.0)));
            peer.raw(bytes);
            peer.drain();
        });
        let strict = watched(&server, "--no-reconnect");
        assert_eq!((strict.code, strict.stdout.as_str()), (Some(1), "CPU:   1.0%\n"), "{strict:?}");
        assert!(strict.stderr.contains("not UTF-8 (byte 8: 0x99): see --lossy-utf8"), "{strict:?}");
        let lossy = watched(&server, "-n 2 -f jsonl --lossy-utf8");
        let lines = json_lines(&lossy.stdout);
        assert_eq!((lossy.code, &lines[1]["a"], lines.len()), (Some(0), &json!("x\u{fffd}y"), 3), "{lossy:?}");
    }
}

#[test]
fn frames_that_break_the_protocol_end_the_connection_with_1002() {
    let table: [(Script, &str); 4] = [
        (|peer| peer.frame(true, 0x40 | TEXT, "{}"), "reserved bits"),
        (|peer| peer.frame(true, 3, ""), "opcode"),
        (|peer| peer.frame(true, 0, "{}"), "continu"),
        (|peer| peer.ping([0; 126]), "control frame"),
    ];
    for (script, why) in table {
        let server = Server::start(move |mut peer| {
            greet(&mut peer);
            script(&mut peer);
            assert_eq!(peer.expect(CLOSE).close().0, 1002);
            peer.drain();
        });
        let finished = watched(&server, "--no-reconnect");
        let said = log_lines(&finished.stderr, &["ERROR x: the server broke the WebSocket protocol: "]);
        assert!(said.len() == 1 && said[0].contains(why), "{finished:?}");
        server.finish();
    }
}

#[test]
fn fragments_with_pings_between_them_are_one_message_and_the_pings_are_answered() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        let text = sample(33.0);
        peer.fragments(&[&text[..10], &text[10..40], "", &text[40..]]);
        for _ in 0..3 {
            let pong = peer.expect(PONG);
            assert!(pong.masked && pong.text() == "between", "{pong:?}");
        }
        peer.text(sample(34.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 2");
    assert_eq!(finished.stdout.lines().skip(1).collect::<Vec<_>>(), ["CPU:  33.0%", "CPU:  34.0%"], "{finished:?}");
    server.finish();
}

#[test]
fn a_server_cannot_forge_its_label_or_the_time_of_receipt() {
    let forged = r#"{"server": "other", "received_at": "1999", "type": "monitoring_data"}"#;
    let escaped = r#"{"s\u0065rver": "other"}"#;
    let (lines, _) = lines_of(&[forged, escaped]);
    for (line, message) in lines.iter().zip([forged, escaped]) {
        assert_eq!(line["server"], "x");
        assert!(line["received_at"].as_str().unwrap().starts_with("20"), "{line}");
        assert_eq!(line["value"], serde_json::from_str::<Value>(message).unwrap());
    }
}

#[test]
fn messages_in_the_same_packet_as_the_upgrade_are_not_lost() {
    let server = Server::start(|mut peer| {
        let text = sample(7.0);
        let head = [0x81, u8::try_from(text.len()).unwrap()];
        let close = [0x88, 2, 0x03, 0xe8];
        let granted = peer.granted();
        peer.raw([granted.as_bytes(), &head, text.as_bytes(), &close].concat());
        peer.end();
        peer.drain();
    });
    let finished = watched(&server, "--no-reconnect");
    assert_eq!((finished.code, &*finished.stdout), (Some(0), "CPU:   7.0%\n"), "{finished:?}");
}

#[test]
fn a_message_that_comes_a_byte_at_a_time_is_shown_when_it_is_whole() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        let text = sample(7.0);
        peer.announce(TEXT, text.len() as u64);
        peer.drip(text);
        peer.hold();
    });
    let run = watch(&server, "-n 1");
    run.wait_stdout("CPU:   7.0%\n");
    assert_eq!(run.finish().code, Some(0));
}
