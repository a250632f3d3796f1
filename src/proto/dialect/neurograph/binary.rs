//! Binary messages, in the server's own layout. The server as published does not call the library that writes it:
//!
//! ```text
//! 0  version = 1   1  type   2  u16, big endian: length of the metadata   4  u32: length of the payload
//! 8  metadata, a JSON object   behind it the payload; what follows is ignored, as the server's own parser does
//! ```
//!
//! Its other library packs JSON without such a header: only the first bytes tell the format.

use std::fmt::Write;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::decompress;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};

use crate::model::json::{self, Node};
use crate::model::setting::Setting;
use crate::proto::dialect::Binary;
use crate::proto::inflate::Inflater;

/// Names of the types, by their number less one.
const TYPES: [&str; 5] = ["image", "audio", "video", "data", "compressed JSON"];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A packed message may have this many times its size; JSON that repeats itself has some 20 times.
const MAX_RATIO: usize = 100;
/// Bound by the ratio of a short message, in bytes.
const MIN_LIMIT: usize = 64 << 10;

/// Bytes that are unpacked at a time. So many may also come out less than went in, beyond an eighth of those: text never
/// grows by more when it is packed, and blocks that hold nothing take 2 us a byte, some seconds in a long message.
const SLICE: usize = 4096;

/// Unpacks a binary message. `limit` is that of a message as received; a packed one unpacks to at most a quarter of it,
/// and to [`MAX_RATIO`] times its own size.
pub fn unpack(bytes: &[u8], limit: usize) -> Binary {
    let limit = (limit / 4).min(bytes.len().saturating_mul(MAX_RATIO).max(MIN_LIMIT));
    try_unpack(bytes, limit).unwrap_or_else(|words| Binary::Broken(format!("{} bytes: {words}", bytes.len())))
}

fn try_unpack(bytes: &[u8], limit: usize) -> Result<Binary, String> {
    text_of(match bytes {
        [1, ..] => return Framed::parse(bytes)?.unpack(limit),
        [b'{' | b'[', ..] => bytes.to_vec(),
        [0x1f, 0x8b, ..] => gunzip(bytes, limit)?,
        // RFC 1950 section 2.2: deflate, and a check over both bytes.
        [a, b, ..] if a & 0x0f == 8 && u16::from_be_bytes([*a, *b]) % 31 == 0 => {
            let (out, rest) = inflate(bytes, TINFL_FLAG_PARSE_ZLIB_HEADER, limit)?;
            nothing_follows(rest)?;
            out
        }
        // Raw deflate has no header: it is taken for that only if JSON comes out.
        _ => {
            let out = inflate(bytes, 0, limit).ok().filter(|(_, rest)| rest.is_empty());
            let text = out.and_then(|(out, _)| String::from_utf8(out).ok());
            let json = text.filter(|text| text.starts_with(['{', '[']) && json::is_readable(text));
            return json.map(Binary::Text).ok_or_else(|| first_bytes(bytes));
        }
    })
}

/// A message in the server's own layout.
struct Framed<'a> {
    kind: &'static str,
    metadata: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Framed<'a> {
    /// Uses the error texts of the real parser.
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let [_, kind, m1, m0, p3, p2, p1, p0, rest @ ..] = bytes else { return Err("binary message too short".into()) };
        let kind = usize::from(*kind).checked_sub(1).and_then(|index| TYPES.get(index));
        let kind = kind.ok_or_else(|| format!("invalid binary message type {}", bytes[1]))?;
        let metadata_len = usize::from(u16::from_be_bytes([*m1, *m0]));
        let payload_len = usize::try_from(u32::from_be_bytes([*p3, *p2, *p1, *p0])).unwrap_or(usize::MAX);
        let (metadata, rest) = rest.split_at_checked(metadata_len).ok_or("binary message truncated (metadata)")?;
        let payload = rest.get(..payload_len).ok_or("binary message truncated (payload)")?;
        Ok(Framed { kind, metadata, payload })
    }

    fn unpack(&self, limit: usize) -> Result<Binary, String> {
        if self.kind != TYPES[4] {
            return Ok(Binary::Description(self.description()));
        }
        let unpacked = match self.payload {
            [a, b, ..] if [*a, *b] == GZIP => gunzip(self.payload, limit),
            plain => Ok(plain.to_vec()),
        };
        unpacked.and_then(text_of).map_err(|why| format!("{}: {why}", self.description()))
    }

    fn description(&self) -> String {
        let metadata = std::str::from_utf8(self.metadata).ok().and_then(|text| Node::parse(text).ok());
        let metadata = match metadata.map(|node| node.to_string()) {
            None => " (invalid metadata JSON)".to_owned(),
            Some(none) if none.is_empty() => none,
            Some(words) => format!(" ({words})"),
        };
        format!("{} of {} bytes{metadata}", self.kind, self.payload.len())
    }
}

/// Unpacks gzip of one member (RFC 1952). The checksum is left to TCP and to the reader of the JSON; the length is checked.
fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let body = gzip_body(bytes).ok_or("gzip with a broken head")?;
    let (out, rest) = inflate(body, 0, limit)?;
    let [_, _, _, _, n0, n1, n2, n3, rest @ ..] = rest else { return Err("gzip, cut off".into()) };
    nothing_follows(rest)?;
    // Modulo 2^32, which is above any limit.
    match u32::from_le_bytes([*n0, *n1, *n2, *n3]) as usize == out.len() {
        true => Ok(out),
        false => Err("gzip of another length than it says".into()),
    }
}

fn nothing_follows(rest: &[u8]) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("packed JSON with {} bytes behind its end", rest.len())) }
}

/// Skips the header of a gzip member, section 2.3.
fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = bytes else { return None };
    if flags & 0xe0 != 0 {
        return None;
    }
    let mut rest = rest;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

/// Unpacks deflate, to at most `limit` bytes. Returns these, and what follows.
fn inflate(packed: &[u8], flags: u32, limit: usize) -> Result<(Vec<u8>, &[u8]), String> {
    let mut inflater = Inflater::default();
    let (mut out, mut made) = (vec![0; packed.len().saturating_mul(2).max(SLICE).min(limit)], 0);
    let mut rest = packed;
    loop {
        let slice = &rest[..rest.len().min(SLICE)];
        let more = if slice.len() < rest.len() { TINFL_FLAG_HAS_MORE_INPUT } else { 0 };
        let flags = flags | more | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, taken, written) = decompress(&mut inflater, slice, &mut out, made, flags);
        (rest, made) = (&rest[taken..], made + written);
        let all_taken = packed.len() - rest.len();
        match status {
            TINFLStatus::Done => {
                out.truncate(made);
                return Ok((out, rest));
            }
            TINFLStatus::NeedsMoreInput if all_taken - all_taken / 8 <= made + SLICE => {}
            TINFLStatus::NeedsMoreInput => return Err("packed JSON of blocks that hold next to nothing".into()),
            TINFLStatus::HasMoreOutput if out.len() < limit => out.resize(out.len().saturating_mul(2).min(limit), 0),
            TINFLStatus::HasMoreOutput => {
                const LIMIT: Setting = Setting("Server::max_message");
                return Err(format!(
                    "packed JSON of more than {limit} bytes, the limit for a message of this size (see {LIMIT})"
                ));
            }
            _ => return Err("packed JSON that cannot be unpacked".into()),
        }
    }
}

fn text_of(bytes: Vec<u8>) -> Result<Binary, String> {
    let len = bytes.len();
    String::from_utf8(bytes).map(Binary::Text).map_err(|_| format!("{len} bytes unpacked, which are no text"))
}

/// Describes an unknown format by its first bytes.
fn first_bytes(bytes: &[u8]) -> String {
    let mut words = "begins with".to_owned();
    if bytes.is_empty() {
        words.push_str(" nothing");
    }
    for byte in bytes.iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(words, " {byte:02x}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;
    use crate::testing::recordings;

    const PLENTY: usize = 4 << 20;

    /// The binary message of a recording, which is named after its contents.
    fn recorded(name: &str) -> Vec<u8> {
        let frames = recordings::read(&format!("neurograph/stock_binary_{name}"));
        frames.into_iter().find(|frame| frame.opcode == "binary").unwrap().payload
    }

    fn words(bytes: &[u8], limit: usize) -> String {
        match unpack(bytes, limit) {
            Binary::Description(words) | Binary::Broken(words) => words,
            Binary::Text(text) => panic!("{text}"),
        }
    }

    /// A message in the server's layout.
    fn framed(kind: u8, metadata: &str, payload: &[u8]) -> Vec<u8> {
        let (m, p) = (u16::try_from(metadata.len()).unwrap(), u32::try_from(payload.len()).unwrap());
        [&[1, kind][..], &m.to_be_bytes(), &p.to_be_bytes(), metadata.as_bytes(), payload].concat()
    }

    fn gzip(flags: u8, extra: &[u8], text: &[u8]) -> Vec<u8> {
        let body = miniz_oxide::deflate::compress_to_vec(text, 9);
        let length = u32::try_from(text.len()).unwrap();
        let head = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 2, 255];
        [&head, extra, &body, &[0; 4], &length.to_le_bytes()].concat()
    }

    #[test]
    fn a_message_that_is_not_json_is_described() {
        for (name, expected) in [
            ("image", "image of 70 bytes (format=png width=1 height=1 camera=front)"),
            ("audio", "audio of 12 bytes (format=wav sample_rate=44100 channels=2)"),
            ("data_nometa", "data of 0 bytes"),
        ] {
            assert_eq!(words(&recorded(name), PLENTY), expected);
        }
        let video = framed(3, r#"{"format": "mp4", "fps": 29.97, "x": {"y": null}}"#, b"...");
        assert_eq!(words(&video, PLENTY), "video of 3 bytes (format=mp4 fps=29.97 x={y=null})");
        assert_eq!(words(&framed(4, "{]", b""), PLENTY), "data of 0 bytes (invalid metadata JSON)");
        assert_eq!(words(&framed(4, "{}", b"").repeat(2), PLENTY), "data of 0 bytes", "what follows is ignored");
    }

    #[test]
    fn packed_json_is_unpacked_however_it_is_packed() {
        for name in ["compressed_json", "gzip_raw", "adaptive", "deflate"] {
            let Binary::Text(text) = unpack(&recorded(name), PLENTY) else { panic!("{name}") };
            assert!(json::is_json(&text) && text.len() > 1000, "{name}");
        }
        assert_eq!(unpack(b"[1]", PLENTY), Binary::Text("[1]".into()));
        assert_eq!(unpack(&framed(5, "{}", b"{\"a\":1}"), PLENTY), Binary::Text("{\"a\":1}".into()));
    }

    #[test]
    fn every_field_of_a_gzip_header_is_skipped() {
        let (extra, name) = (&[3, 0, 1, 2, 3][..], &b"name\0"[..]);
        for (flags, head) in [
            (0, vec![]),
            (1, vec![]),
            (2, vec![7, 7]),
            (4, extra.to_vec()),
            (8 | 16, name.repeat(2)),
            (31, [extra, name, name, &[7, 7]].concat()),
        ] {
            assert_eq!(unpack(&gzip(flags, &head, b"{}"), PLENTY), Binary::Text("{}".into()), "{flags}");
        }
        assert!(words(&gzip(0x20, &[], b"{}"), PLENTY).contains("broken head"));
        let mut short = gzip(0, &[], b"{}");
        *short.last_mut().unwrap() = 1;
        assert!(words(&short, PLENTY).contains("another length"));
    }

    #[test]
    fn truncated_messages_are_described() {
        for name in ["image", "audio", "compressed_json", "gzip_raw", "adaptive"] {
            let message = recorded(name);
            for end in 0..message.len() {
                words(&message[..end], PLENTY);
            }
        }
        let image = recorded("image");
        for (end, expected) in
            [(7, "too short"), (8, "(metadata)"), (68, "(metadata)"), (69, "(payload)"), (138, "(payload)")]
        {
            assert!(words(&image[..end], PLENTY).contains(expected), "{end}");
        }
        let most = [&[1, 4][..], &[0xff; 6], b"{}"].concat();
        assert!(words(&most, PLENTY).ends_with("truncated (metadata)"));
        assert_eq!(words(&framed(6, "{}", b""), PLENTY), "10 bytes: invalid binary message type 6");
        assert_eq!(words(&framed(0, "{}", b""), PLENTY), "10 bytes: invalid binary message type 0");
        assert_eq!(words(b"\x02\x01\xff", PLENTY), "3 bytes: begins with 02 01 ff");
        assert_eq!(words(b"", PLENTY), "0 bytes: begins with nothing");
    }

    #[test]
    fn bombs_are_not_unpacked() {
        let bomb = vec![b' '; 3 << 20];
        let packed = gzip(0, &[], &bomb);
        assert!(packed.len() < 8000);
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&bomb, 9);
        for message in [packed.clone(), framed(5, r#"{"original_size": 2}"#, &packed), zlib] {
            let limit = message.len() * MAX_RATIO;
            let expected = format!("packed JSON of more than {limit} bytes, the limit");
            assert!(words(&message, PLENTY).contains(&expected), "{}", words(&message, PLENTY));
        }
        assert!(words(&miniz_oxide::deflate::compress_to_vec(&bomb, 9), PLENTY).contains("begins with"));
    }

    #[test]
    fn blocks_that_hold_nothing_are_not_unpacked_for_long() {
        // Four blocks with fixed codes and nothing in them.
        let nothing = [0x02, 0x08, 0x20, 0x80, 0x00].repeat(4 << 18);
        let json = miniz_oxide::deflate::compress_to_vec(b"{}", 9);
        let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &nothing, &json, &[0; 4], &[2, 0, 0, 0]].concat();
        assert!(words(&gzip, 16 << 20).ends_with("packed JSON of blocks that hold next to nothing"));
        assert!(words(&nothing, PLENTY).contains("begins with"));
        // Some of them are what a server makes that sends on what it has.
        let few = [&gzip[..10 + 4000], &gzip[10 + nothing.len()..]].concat();
        assert_eq!(unpack(&few, PLENTY), Binary::Text("{}".into()));
    }

    #[test]
    fn nothing_may_stand_behind_the_end_of_a_packed_message_or_within_it() {
        let (first, second) = (gzip(0, &[], b"[1]"), gzip(0, &[], b"[2]"));
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(b"[1]", 9);
        for (message, expected) in [
            ([&first[..], &second].concat(), format!("packed JSON with {} bytes behind its end", second.len())),
            ([&first[..], &[0; 9]].concat(), "packed JSON with 9 bytes behind its end".to_owned()),
            ([&zlib[..], b"\n"].concat(), "packed JSON with 1 bytes behind its end".to_owned()),
            (first[..first.len() - 1].to_vec(), "gzip, cut off".to_owned()),
            (first[..first.len() - 9].to_vec(), "packed JSON that cannot be unpacked".to_owned()),
            (gzip(0, &[], &first), "bytes unpacked, which are no text".to_owned()),
            (gzip(0, &[], &framed(5, "{}", &first)), "bytes unpacked, which are no text".to_owned()),
        ] {
            assert!(words(&message, PLENTY).ends_with(&expected), "{}", words(&message, PLENTY));
        }
    }

    #[test]
    fn a_packed_message_is_limited_by_its_size_and_by_that_of_any_message() {
        let mut random = Random::new(1);
        let mut text = vec![b'"'; 1 << 20];
        let last = text.len() - 1;
        text[1..last].fill_with(|| *random.pick(b"abcdefgh"));
        let packed = gzip(0, &[], &text);
        assert!(matches!(unpack(&packed, 4 << 20), Binary::Text(_)), "the limit itself is allowed");
        assert!(words(&packed, (4 << 20) - 4).contains("more than 1048575 bytes"));
        // A hundred times its size is a little more than 32 bits hold; what follows its payload is ignored.
        let mut long = framed(5, "", &packed);
        long.resize(u32::MAX as usize / MAX_RATIO + 1, 0);
        assert!(matches!(unpack(&long, 4 << 20), Binary::Text(_)), "the size of the message is no limit");
        let spaces = vec![b' '; MIN_LIMIT];
        assert!(matches!(unpack(&gzip(0, &[], &spaces), PLENTY), Binary::Text(_)), "a short one has room");
    }

    #[test]
    fn random_bytes_are_described() {
        let mut random = Random::new(1);
        for length in 0..400 {
            let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            for start in [&[][..], &[1, 5, 0, 2], &GZIP, &[0x78, 0x5e]] {
                words(&[start, &bytes].concat(), PLENTY);
            }
        }
    }
}
