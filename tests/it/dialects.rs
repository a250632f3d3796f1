//! Servers of the other dialects, with the options that depend on what their messages mean.

use crate::client::{json_lines, watched};
use crate::support::program::{Run, wsmon};
use crate::support::recording;
use crate::support::server::{Peer, Server, TEXT};
use crate::support::temp_dir::TempDir;

/// Sends the texts of a recording and holds the connection until the client closes it.
fn playing(name: &'static str) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade();
        play(&mut peer, name);
        peer.hold();
    })
}

fn play(peer: &mut Peer, name: &str) {
    let frames = recording::read(&format!("tests/recordings/{name}.jsonl"));
    for frame in frames.iter().filter(|frame| frame.from_server && frame.opcode == TEXT) {
        peer.text(&frame.payload);
    }
}

#[test]
fn metrics_with_nothing_but_the_servers_own_numbers_are_samples_for_every_option() {
    let name = "neurograph/stock_builtin_metrics_every_5s";
    for (format, word) in
        [("simple", "total_connections=1"), ("detailed", "total_connections: 1"), ("jsonl", "system_metrics")]
    {
        let finished = watched(&playing(name), &format!("--only sample -n 2 -f {format}"));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(finished.stdout.matches(word).count(), 2, "{finished:?}");
    }
    let finished = watched(&playing(name), "--only sample --every 1h -n 1 -f events");
    let lines = json_lines(&finished.stdout);
    assert!(lines.len() == 1 && lines[0]["extra"]["total_connections"] == 1, "{finished:?}");
}

#[test]
fn a_server_that_turns_out_to_be_neurograph_is_dialled_again_with_the_token_in_the_uri() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        let request = peer.request().to_owned();
        let user = if request.contains("/ws?token=geheim%20%26 ") { "\"admin\"" } else { "null" };
        peer.text(format!(r#"{{"type":"connected","client_id":"c","user_id":{user},"reconnected":false}}"#));
        if user != "null" {
            let subscribe = peer.expect(TEXT);
            assert!(subscribe.text().contains("subscribe"), "{}", subscribe.text());
            peer.text(r#"{"channel":"status","data":{"status":"running"}}"#);
        }
        peer.hold();
    });
    let directory = TempDir::new();
    let token = directory.write("token", "geheim &\n");
    let uri = format!("{}/ws", server.uri());
    let mut command = wsmon(["-u", &uri, "--token-file", &token, "--no-reconnect", "-n", "1"]);
    let finished = Run::start(&mut command).finish();
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
    assert!(finished.stdout.contains("Connected as admin"), "{finished:?}");
    assert!(finished.stderr.contains("dialling again with the token in the URI"), "{finished:?}");
    assert!(!format!("{finished:?}").contains("geheim"), "{finished:?}");
}

#[test]
fn a_server_that_ignores_subscriptions_is_filtered_as_if_it_had_obeyed() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        play(&mut peer, "pmdaemon/rest_actions");
        peer.close(1000, "");
        peer.drain();
    });
    let directory = TempDir::new();
    let data = directory.path("data");
    let options = "--no-reconnect --dialect pmdaemon --process worker,sleeper --subscribe process_status --interval 1h";
    let finished = watched(&server, &format!("{options} --save-data {data}"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (word, is_shown) in [
        ("worker-0: online", true),
        ("worker-1: online → gone", true),
        ("sleeper: online → stopped", true),
        ("web-api", false),
        ("crasher", false),
        ("CPU", false),
    ] {
        assert_eq!(finished.stdout.contains(word), is_shown, "{word}: {finished:?}");
    }
    let saved = directory.read("data");
    let lists = saved.matches("ProcessList").count();
    assert!(
        !saved.contains("SystemUpdate") && (3..8).contains(&lists),
        "only the first list and those with changes: {saved}"
    );
    let detailed = watched(&server, &format!("{options} -f detailed"));
    assert!(
        detailed.stdout.lines().all(|line| line.chars().count() <= 80 || line.contains("PROCESS: ")),
        "{detailed:?}"
    );
    assert_eq!(detailed.stdout.matches(" listed\n").count(), lists, "{detailed:?}");
}
