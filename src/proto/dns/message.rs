//! DNS messages: writes queries, checks and reads replies. RFC 1035 section 4.

use std::net::IpAddr;

/// Upper bound on the addresses taken from one reply.
const MAX_ADDRESSES: usize = 16;
/// Upper bound on a chain of aliases; a longer one counts as unreadable.
const MAX_ALIASES: usize = 20;
/// Length of the header: id, flags, and the numbers of questions, answers, authorities and additional records.
const HEADER_BYTES: usize = 12;
/// Upper bound on the pointers in a name: a reply could consist of them, and be read for a second.
const MAX_POINTERS: usize = 64;
/// Upper bound on a name without the empty label at its end.
const MAX_NAME: usize = 254;
/// The type of an alias.
const CNAME: u16 = 5;
/// The class of the Internet.
const IN: u16 = 1;

/// The record type of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses, RFC 3596.
    Aaaa = 28,
}

/// The result of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyContent {
    /// Not a reply to our query.
    NotOurs,
    /// Truncated: to be repeated over TCP.
    Truncated,
    /// At least one, at most 16.
    Addresses(Vec<IpAddr>),
    /// The name exists, without a record of this type.
    NoAddress,
    /// NXDOMAIN: the name does not exist, with any record type.
    NoName,
    /// The server could not answer, for this reason; another may.
    Failed(String),
}

/// Writes a query; `None` where `name` is no domain name.
#[must_use]
pub fn encode_query(id: u16, name: &str, record_type: RecordType) -> Option<Vec<u8>> {
    let [high, low] = id.to_be_bytes();
    // One question, and recursion desired.
    let mut query = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        // No host name has a backslash, which begins an escape in master files.
        let is_label = label.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\');
        if !is_label || !(1..=63).contains(&label.len()) {
            return None;
        }
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, record_type as u8, 0, IN as u8]);
    (query.len() <= HEADER_BYTES + MAX_NAME + 5).then_some(query)
}

/// True if a query can be written for this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    encode_query(0, name, RecordType::A).is_some()
}

/// Reads what claims to be the reply to `query`.
#[must_use]
pub fn decode_reply(reply: &[u8], query: &[u8]) -> ReplyContent {
    let reader = Reader { message: reply, at: HEADER_BYTES };
    let (Some(flags), Some(question)) = (flags(reply, query), Reader { message: query, ..reader }.question()) else {
        return ReplyContent::NotOurs;
    };
    // An error may leave out the question.
    let is_bare_error = reader.count(4) == 0 && flags.code != 0;
    if !is_bare_error && (reader.count(4) != 1 || reader.clone().question().as_ref() != Some(&question)) {
        return ReplyContent::NotOurs;
    }
    match flags.code {
        _ if flags.truncated => ReplyContent::Truncated,
        0 => match addresses(reader.clone(), question) {
            Some(found) if !found.is_empty() => ReplyContent::Addresses(found),
            // A lame server, recognised as in glibc's res_send.
            Some(_) if !flags.recursive && !flags.authoritative && reader.count(6) == 0 && reader.count(10) == 0 => {
                ReplyContent::Failed("does not look up names for others".into())
            }
            Some(_) => ReplyContent::NoAddress,
            None => ReplyContent::Failed("an answer that cannot be read".into()),
        },
        1 | 4 => ReplyContent::Failed("did not understand the question".into()),
        2 => ReplyContent::Failed("server failure".into()),
        3 => ReplyContent::NoName,
        5 => ReplyContent::Failed("refused to answer".into()),
        code => ReplyContent::Failed(format!("error {code}")),
    }
}

/// The second word of a reply's header.
struct Flags {
    authoritative: bool,
    truncated: bool,
    /// The server looks up names for others.
    recursive: bool,
    code: u8,
}

/// Reads the flags; `None` unless it is a reply with the id of the query.
fn flags(reply: &[u8], query: &[u8]) -> Option<Flags> {
    let &[high, low] = reply.get(2..4)?.first_chunk()?;
    // A reply, to a standard query.
    let is_reply = reply.len() >= HEADER_BYTES && high & 0xf8 == 0x80 && reply.get(..2) == query.get(..2);
    is_reply.then_some(Flags {
        authoritative: high & 4 != 0,
        truncated: high & 2 != 0,
        recursive: low & 0x80 != 0,
        code: low & 0xf,
    })
}

/// Returns the addresses of the name at the end of the chain of aliases; `None` for a message that cannot be read.
fn addresses(mut reader: Reader<'_>, (name, record_type, _): Question) -> Option<Vec<IpAddr>> {
    reader.question()?;
    let name = canonical_name(&reader, name)?;
    let mut found = Vec::new();
    for _ in 0..reader.count(6) {
        let record = reader.record()?;
        if (record.record_type, record.class) == (record_type, IN) {
            // RFC 1035 section 3.4.1, RFC 3596 section 2.2.
            let address = match record_type == RecordType::A as u16 {
                true => <[u8; 4]>::try_from(record.data).ok()?.into(),
                false => <[u8; 16]>::try_from(record.data).ok()?.into(),
            };
            if record.owner == name && found.len() < MAX_ADDRESSES {
                found.push(address);
            }
        }
    }
    Some(found)
}

/// Follows the aliases of a name to the end; `None` for too many. The reader stands before the answers.
fn canonical_name(reader: &Reader<'_>, mut name: Vec<u8>) -> Option<Vec<u8>> {
    for _ in 0..MAX_ALIASES {
        match alias(reader.clone(), &name) {
            Some(target) => name = target,
            None => return Some(name),
        }
    }
    None
}

fn alias(mut reader: Reader<'_>, name: &[u8]) -> Option<Vec<u8>> {
    for _ in 0..reader.count(6) {
        let record = reader.record()?;
        if record.record_type == CNAME && record.owner == name {
            // Its data ends where the record does.
            let mut target = Reader { at: reader.at - record.data.len(), ..reader };
            if let Some(alias) = target.name().filter(|_| target.at == reader.at) {
                return Some(alias);
            }
        }
    }
    None
}

/// Name, type and class.
type Question = (Vec<u8>, u16, u16);

struct Record<'a> {
    owner: Vec<u8>,
    record_type: u16,
    class: u16,
    data: &'a [u8],
}

/// Reads a message from a place in it onwards.
#[derive(Clone)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Returns a number of the header; 0 in a message without one.
    fn count(&self, at: usize) -> u16 {
        Reader { at, ..*self }.number().unwrap_or_default()
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at + len)?;
        self.at += len;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn question(&mut self) -> Option<Question> {
        Some((self.name()?, self.number()?, self.number()?))
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let (owner, record_type, class) = self.question()?;
        let _ttl = self.bytes(4)?;
        let len = self.number()?;
        Some(Record { owner, record_type, class, data: self.bytes(len.into())? })
    }

    /// Reads a name in lower case: its labels, each after its length.
    ///
    /// A label may be a pointer to an earlier place in the message, where the name goes on (RFC 1035 section 4.1.4). It
    /// ends whatever the message holds: each pointer in a row leads further back, and each label makes the name longer.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut at = self.at;
        let mut end = None;
        let mut pointers = 0;
        loop {
            let len = usize::from(*self.message.get(at)?);
            match len {
                0 => break,
                1..64 => {
                    // Lengths are no letters.
                    name.extend(self.message.get(at..=at + len)?.iter().map(u8::to_ascii_lowercase));
                    at += 1 + len;
                }
                192.. => {
                    end = end.or(Some(at + 2));
                    let target = (len & 63) << 8 | usize::from(*self.message.get(at + 1)?);
                    at = Some(target).filter(|target| *target < at && pointers < MAX_POINTERS)?;
                    pointers += 1;
                }
                _ => return None,
            }
            if name.len() > MAX_NAME {
                return None;
            }
        }
        self.at = end.unwrap_or(at + 1);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dns_reply::{Reply, question_of};

    fn ask(name: &str, record_type: RecordType) -> Vec<u8> {
        encode_query(0x1234, name, record_type).unwrap()
    }

    fn addresses_of(texts: &[&str]) -> ReplyContent {
        ReplyContent::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_question_is_written_as_in_rfc_1035() {
        let bytes = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01h\x07example\0\0\x1c\0\x01";
        assert_eq!(ask("h.example", RecordType::Aaaa), bytes);
        assert_eq!(question_of(bytes), ("h.example".into(), RecordType::Aaaa));
        assert_eq!(question_of(&ask("H.example", RecordType::A)), ("H.example".into(), RecordType::A));
        assert_eq!(ask(&["a"; 127].join("."), RecordType::A).len(), 12 + 255 + 4);
        for name in ["", "a..b", ".a", &"a".repeat(64), &["a"; 128].join("."), "a b\\", "é"] {
            assert_eq!(encode_query(1, name, RecordType::A), None, "{name:?}");
        }
    }

    #[test]
    fn addresses_of_the_record_type_asked_for_are_found() {
        let question = ask("h.example", RecordType::A);
        let reply =
            Reply::to(&question).a("", "192.0.2.1").aaaa("", "::1").a("", "192.0.2.2").a("x.example", "1.1.1.1");
        assert_eq!(decode_reply(&reply.bytes(), &question), addresses_of(&["192.0.2.1", "192.0.2.2"]));
        let question = ask("h.example", RecordType::Aaaa);
        let reply = Reply::to(&question).a("", "192.0.2.1").aaaa("", "2001:db8::1");
        assert_eq!(decode_reply(&reply.bytes(), &question), addresses_of(&["2001:db8::1"]));
        let many = (0..100).fold(Reply::to(&question), |reply, _| reply.aaaa("", "::1"));
        assert_eq!(decode_reply(&many.bytes(), &question), addresses_of(&["::1"; 16]));
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let question = ask("H.Example", RecordType::A);
        let reply = Reply::to(&ask("h.eXAMPLE", RecordType::A)).a("h.ExamplE", "192.0.2.1");
        assert_eq!(decode_reply(&reply.bytes(), &question), addresses_of(&["192.0.2.1"]));
    }

    #[test]
    fn aliases_are_followed_in_any_order() {
        let question = ask("h.example", RecordType::A);
        let reply = Reply::to(&question).a("c.example", "192.0.2.1").cname("B.example", "c.example");
        let reply = reply.cname("", "b.example").a("b.example", "9.9.9.9");
        assert_eq!(decode_reply(&reply.bytes(), &question), addresses_of(&["192.0.2.1"]));
        let dangling = Reply::to(&question).cname("", "b.example");
        assert_eq!(decode_reply(&dangling.bytes(), &question), ReplyContent::NoAddress);
        let circle =
            Reply::to(&question).cname("", "b.example").cname("b.example", "h.example").a("b.example", "1.1.1.1");
        assert!(matches!(decode_reply(&circle.bytes(), &question), ReplyContent::Failed(_)));
    }

    #[test]
    fn a_reply_to_another_question_is_not_ours() {
        let question = ask("h.example", RecordType::A);
        for other in [
            encode_query(0x1235, "h.example", RecordType::A),
            encode_query(0x1234, "h.example", RecordType::Aaaa),
            encode_query(0x1234, "evil.example", RecordType::A),
        ] {
            let reply = Reply::to(&other.unwrap()).a("", "6.6.6.6").a("h.example", "6.6.6.6").bytes();
            assert_eq!(decode_reply(&reply, &question), ReplyContent::NotOurs);
        }
        assert_eq!(decode_reply(&question, &question), ReplyContent::NotOurs, "a question");
        assert_eq!(decode_reply(b"", &question), ReplyContent::NotOurs);
        let mut update = Reply::to(&question).bytes();
        update[2] |= 0x28;
        assert_eq!(decode_reply(&update, &question), ReplyContent::NotOurs);
    }

    #[test]
    fn the_ways_to_have_no_address_are_told_apart() {
        let question = ask("h.example", RecordType::A);
        let code = |code| decode_reply(&Reply::to(&question).code(code).bytes(), &question);
        assert_eq!(code(0), ReplyContent::NoAddress);
        assert_eq!(code(3), ReplyContent::NoName);
        assert_eq!(code(2), ReplyContent::Failed("server failure".into()));
        assert_eq!(code(5), ReplyContent::Failed("refused to answer".into()));
        assert_eq!(code(1), ReplyContent::Failed("did not understand the question".into()));
        assert_eq!(code(9), ReplyContent::Failed("error 9".into()));
        let truncated = Reply::to(&question).a("", "192.0.2.1").truncated();
        assert_eq!(decode_reply(&truncated.bytes(), &question), ReplyContent::Truncated);
        let lame = Reply::to(&question).without_recursion();
        assert!(matches!(decode_reply(&lame.bytes(), &question), ReplyContent::Failed(_)));
    }

    #[test]
    fn an_error_may_leave_out_the_question_but_not_the_id() {
        let question = ask("h.example", RecordType::A);
        assert_eq!(
            decode_reply(b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0", &question),
            decode_reply(&Reply::to(&question).code(1).bytes(), &question)
        );
        assert_eq!(decode_reply(b"\x12\x35\x81\x81\0\0\0\0\0\0\0\0", &question), ReplyContent::NotOurs);
        assert_eq!(decode_reply(b"\x12\x34\x81\x80\0\0\0\0\0\0\0\0", &question), ReplyContent::NotOurs);
    }

    #[test]
    fn a_name_has_a_bounded_number_of_pointers() {
        let question = ask("h.example", RecordType::A);
        let mut reply = Reply::to(&question).bytes();
        // Each owner is a pointer to the one before.
        let mut target = HEADER_BYTES;
        for _ in 0..100 {
            let at = reply.len();
            reply.extend([0xc0 | (target >> 8) as u8, target as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
            target = at;
        }
        reply[7] = MAX_POINTERS as u8;
        assert_eq!(decode_reply(&reply, &question), addresses_of(&["192.0.2.1"; MAX_ADDRESSES]));
        reply[7] += 1;
        assert_eq!(decode_reply(&reply, &question), ReplyContent::Failed("an answer that cannot be read".into()));
    }

    #[test]
    fn every_damaged_answer_is_survived() {
        let question = ask("h.example", RecordType::A);
        let good = Reply::to(&question).cname("", "b.example").a("b.example", "192.0.2.1").bytes();
        for at in 0..good.len() {
            let _read = decode_reply(&good[..at], &question);
            for value in 0..=255 {
                let mut damaged = good.clone();
                damaged[at] = value;
                let _read = decode_reply(&damaged, &question);
            }
        }
        let cut = decode_reply(&good[..good.len() - 1], &question);
        assert_eq!(cut, ReplyContent::Failed("an answer that cannot be read".into()));
    }
}
