//! Inputs to begin with, made from the recordings of real servers.

use super::conversation::RECORD;
use super::harmless::KEY;
use super::inflate::END;
use crate::proto::dns::message::{RecordType, encode_query};
use crate::proto::http::upgrade::accept_key;
use crate::testing::recordings::{self, systems};

/// Bound on a message: longer ones only slow a fuzzer down.
const MAX_MESSAGE: usize = 4000;

/// The messages that the server sent in each recording of a system.
fn recorded(system: &str) -> Vec<Vec<Vec<u8>>> {
    let sessions = recordings::all(system).into_iter().map(|recording| recordings::read(&recording));
    sessions
        .map(|frames| {
            let messages = frames.into_iter().filter(|frame| {
                frame.from_server && ["text", "binary"].contains(&&*frame.opcode) && frame.payload.len() <= MAX_MESSAGE
            });
            messages.map(|frame| frame.payload).collect()
        })
        .collect()
}

/// Whole sessions, in a given and in a recognised dialect, with all options and with none.
pub fn sessions() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (dialect, system) in (1..).zip(systems()) {
        for (i, session) in recorded(system).iter().enumerate() {
            let mut records = session.iter().take(3).cloned().collect::<Vec<_>>();
            records.push(vec![1 + (i % 4) as u8]);
            let head = [if i % 2 == 0 { 0 } else { dialect }, [0, 0x7f, 0x80, 0xff][i % 4]];
            seeds.push([&head[..], &records.join(&RECORD)].concat());
        }
    }
    seeds
}

/// One message of each length and system.
pub fn messages() -> Vec<Vec<u8>> {
    let all = systems().flat_map(recorded).flatten();
    let mut seeds: Vec<_> = all.filter(|message| std::str::from_utf8(message).is_ok()).collect();
    seeds.sort_by_key(Vec::len);
    seeds.dedup_by_key(|message| message.len() / 16);
    seeds.push(br#"{"a":NaN,"b":[-Infinity,1e400,-0.50E+3],"token":"\ud800\ud83d\ude00\\"}"#.to_vec());
    seeds.push("[\"\u{7f}\u{9b}\u{202e}\u{61c}\u{2028}\u{1f600}\"]".into());
    seeds
}

/// Several documents in a message, and what is nearly JSON.
pub fn documents() -> Vec<Vec<u8>> {
    let texts = [
        "\u{feff}{\"a\":nan}\0{\"b\":-nan(ind)}\u{1e}[1,-inf]\n",
        "[{\"type\":\"a\"},\r\n {\"type\":\"b\",\"x\":[\"]\\\"}\"]}] {\"type\":\"c\"}",
        "{\"a\":NaN(0x1),\"b\":1.#INF,\"c\":+inf,\"d\":Infinity,\"e\":-1e400,\"f\":1.#QNAN,\"g\":.5}",
        "{\"type\":\"a\"}{\"type\"",
        "\0\u{1e}\u{feff} ",
        "{\"a\":\"\\ud800\",\"b\":tru}",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Streams of frames: texts in parts, control frames between them, long ones, masks, and texts that are not UTF-8.
pub fn frames() -> Vec<Vec<u8>> {
    let long = [&[0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70][..], &[b'x'; 70_000]].concat();
    let medium = [&[0x82, 126, 1, 0][..], &[0x99; 256]].concat();
    let parts = [&[1, 3][..], b"a\xe2\x98", &[0x89, 2], b"pi", &[0x80, 1, 0x83, 0x88, 2, 3, 0xe8]].concat();
    let streams = [
        parts,
        [&[1, 2, 0xe2, 0x28][..], &[0x80, 1, b'x']].concat(),
        [&[0x81, 0x83, 1, 2, 3, 4][..], b"abc", &medium].concat(),
        [&[0x89, 126, 1, 0][..], &[b'p'; 256]].concat(),
        vec![0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x'],
        [long, vec![0x81, 2, b'{', b'}']].concat(),
    ];
    (0_u8..)
        .map(|n| n.wrapping_mul(37))
        .zip(streams)
        .map(|(choice, stream)| [&[choice][..], &stream].concat())
        .collect()
}

/// The first bytes of other protocols.
pub fn foreign() -> Vec<Vec<u8>> {
    let starts: [&[u8]; 6] = [
        b"\x04SSH-2.0-dropbear_2022.83\r\n",
        b"\x09HTTP/1.0 400 Bad\r\n\r\n<html>",
        b"\0\x15\x03\x03\0\x02\x02\x28",
        b"\x20220 mail.example ESMTP \x1b[2J\xe2\x80\xae\xff and a long text after that\r\n",
        b"\xff\0\0\x12\x04\0\0\0\0\0",
        b"\x01-ERR unknown command\r\n",
    ];
    starts.map(<[u8]>::to_vec).into()
}

/// Values of `WWW-Authenticate`, one on each line.
pub fn challenges() -> Vec<Vec<u8>> {
    let lines = [
        "NEGOTIATE,NTLM,BASIC realm=\"x\"",
        "Digest realm=\"a, Basic b\", nonce = \"\\\", Basic\" , qop=auth,Basic realm=x",
        "Negotiate YII=, Negotiate\nnegotiate\n , ,Bearer",
        "Digest realm=\"never closed, Basic",
        "\"Basic\"\n=x",
        "\u{e4} \u{202e}x, Bearer error=\"invalid_token\"",
    ];
    lines.map(|text| text.as_bytes().to_vec()).into()
}

/// Files of settings, with marks and comments.
pub fn settings() -> Vec<Vec<u8>> {
    let texts = [
        "\u{feff}# comment\r\n\r\n \tX-Token: a b \r\n",
        "ws://h/?token=x\n",
        "a\n#b\n \u{feff}c\u{feff}",
        "\u{a0}\u{2003}A: \0\nB: \u{85}",
        "",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Texts with all hostile characters.
pub fn texts() -> Vec<Vec<u8>> {
    let hostile: String = ('\0'..='\u{2069}').filter(|&c| crate::model::text::is_hostile(c)).collect();
    [&*hostile, "na\u{ef}ve \u{2603} \\ text", "\x1b[31mred\x1b[0m\r\n", ""].map(|text| text.as_bytes().to_vec()).into()
}

/// URIs of every scheme, and parts to put a secret between.
pub fn uris() -> Vec<Vec<u8>> {
    let uris = [
        "ws://u:p%40@h.example:9/a/b?token=x&y=2",
        "ws://[fe80::1%25eth0]:8765/",
        "wss://h.example/",
        "ws+unix:///run/x%3A.sock:/p?key=a",
        "ws+unix:///run/%E2%80%AE",
        "sysmedic://a@b@[::1]:9/x?y=1",
        "192.168.1.100:8765",
        "u:\n/x?y#z\nh:0/?a=b",
        "a%40\n\n[::1]:99999/p",
    ];
    uris.map(|uri| uri.as_bytes().to_vec()).into()
}

/// DNS answers with addresses, aliases and errors, and the resolver's files.
pub fn dns() -> Vec<Vec<u8>> {
    let question = encode_query(0x1234, "h.example", RecordType::A).expect("a name");
    let whole = [&[0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], &question[12..]].concat();
    let a = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    let aaaa = [&[0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16][..], &[1; 16]].concat();
    let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'b', 0xc0, 14];
    let fitted = |choice, code, count, records: &[&[u8]]| {
        [&[choice, 0x81, code, count, 0, 0][..], &records.concat(), &[0]].concat()
    };
    vec![
        [&whole[..], &a].concat(),
        fitted(2, 0x80, 2, &[&alias, &a]),
        fitted(3, 0x80, 1, &[&aaaa]),
        fitted(2, 0x83, 0, &[]),
        b"\0nameserver 192.0.2.1\nsearch a.example b\noptions ndots:2 timeout:1\n192.0.2.1 h.example h\n".to_vec(),
    ]
}

/// The binary messages of neurograph.
pub fn binaries() -> Vec<Vec<u8>> {
    recorded("neurograph").into_iter().flatten().filter(|message| std::str::from_utf8(message).is_err()).collect()
}

/// Compressed messages with every kind of block, and frames around them.
pub fn packed() -> Vec<Vec<u8>> {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let far = [0x02, 0x12, 0x00, 0x00];
    // A match of 258 bytes with the distance 1, again and again: longer than the smallest windows.
    let long = [&[0x4a][..], &[0x1c, 0x05, 0xa3, 0x60, 0x14].repeat(20), &[0x00]].concat();
    let texts = [&hello[..], &again, &stored, &last, &two, &far, &[0], &[], &long];
    let frames = [
        &[0x41, 3][..],
        &hello[..3],
        &[0x89, 1, 7, 0, 0, 0x80, 4],
        &hello[3..],
        &[0x81, 2, b'{', b'}', 0xc1, 5],
        &again,
        &[0x82, 126, 0, 200],
        &[b'x'; 200],
        &[0x88, 2, 3, 232],
    ];
    let mut seeds = vec![[&[0x17][..], &frames.concat()].concat(), [&[0x1c][..], &frames.concat()].concat()];
    for choice in [0, 4, 7, 15] {
        seeds.push([&[choice][..], &texts.join(&END[..])].concat());
    }
    // Not mutated in every seed, since these are long: blocks with codes of their own.
    let messages = messages();
    let packed = messages.iter().rev().take(3).map(|text| {
        let mut body = miniz_oxide::deflate::compress_to_vec(text, 6);
        body.push(0);
        body
    });
    seeds.push([&[7][..], &packed.collect::<Vec<_>>().join(&END[..])].concat());
    seeds
}

/// Answers to the upgrade and to CONNECT, requests, locations, headers.
pub fn http() -> Vec<Vec<u8>> {
    let granted = format!(
        "\0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12;\
         client_max_window_bits=\"9\"\r\n\r\nframes",
        accept_key(KEY)
    );
    let request = format!(
        "\x02GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    let others = [
        "\0HTTP/1.1 429 No\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<b>go\r\n",
        "\0HTTP/1.1 302 Found\r\nLocation: https://u:p@h/p?token=x\r\n\r\n",
        "\0\x15\x03\x01\0\x02\x02\x46",
        "\x01HTTP/1.1 200 Connection established\r\n\r\nrest",
        "\x01HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=x\r\n\r\n",
        "\x03https://h.example/../a/./b?x=1#f",
        "\x03https:1:2@h",
        "\x03//h.example:80/x",
        "\x03../x?y",
        "\x04A: b\r\n# no\r\nx-y:  a: b \r\n",
    ];
    [&*granted, &request].into_iter().chain(others).map(|text| text.as_bytes().to_vec()).collect()
}

/// Lists of rules with every kind of range, and templates.
pub fn rules() -> Vec<Vec<u8>> {
    let texts = [
        "cpu=80,memory_available=1G:,uptime=10m:\n{server} wsmon.cpu {unix} {cpu}",
        "temperature=~:75,up.sum=3:,cpu.mean=80/1h 30m\nupdate {server}.rrd\\t{{x}\\n{gpu}",
        "@10:20/5m,failed=0,age=500ms:2d,network=-1e308:1.5k\n",
        "80/30\n{time}{host}{os_release}",
        "ping=@~:0.2,alerts=0:0,running.min=1:\n\\\\",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
