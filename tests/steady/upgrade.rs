//! Answers to the upgrade that never end or make no sense.

use crate::Attack;

const ATTACKS: &[Attack] = &[
    Attack::new(
        "headers without end",
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 101 Switching Protocols\r\n");
            peer.flood("X-Filler: abcdefghijklmnopqrstuvwxyz\r\n");
        },
        "upgrade at ",
    ),
    Attack::new(
        "one header without end",
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 200 OK\r\nX: ");
            peer.flood([b'x'; 4096]);
        },
        "upgrade at ",
    ),
    Attack::new(
        "interim answers without end",
        |peer| {
            peer.request();
            peer.flood("HTTP/1.1 103 Early Hints\r\n\r\n");
        },
        "upgrade at ",
    ),
    Attack::new(
        "a body without end",
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 503 Busy\r\n\r\n");
            peer.flood([b'x'; 4096]);
        },
        "503",
    ),
    Attack::new(
        "an answer in control characters",
        |peer| {
            peer.answer("503 \u{1b}[2J", &["Retry-After: 0"], "a\u{1b}]0;x\u{7}\r\u{202e}b");
            peer.wait_gone();
        },
        "503",
    ),
    Attack::new(
        "rubbish",
        |peer| {
            peer.request();
            peer.flood([0xff, 0, 0x1b, b'\n']);
        },
        "upgrade at ",
    ),
];

#[test]
fn an_answer_without_end_or_sense_is_given_up_and_the_next_connection_is_as_good_as_any() {
    ATTACKS.iter().for_each(|attack| attack.run(1024));
}
