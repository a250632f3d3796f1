//! DNS messages: writes queries, checks and reads replies. RFC 1035 section 4.

use std::net::IpAddr;

use domain::base::iana::{Opcode, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::name::{Name, ParsedName};
use domain::base::{Message, UnknownRecordData};
use domain::dep::octseq::Array;
use domain::rdata::Cname;

/// Upper bound on the addresses taken from one reply.
const MAX_ADDRESSES: usize = 16;
/// Upper bound on a chain of aliases; a longer one counts as unreadable.
const MAX_ALIASES: usize = 20;
/// The longest query without EDNS: a header, a name, type and class.
const QUERY_BYTES: usize = 12 + 255 + 4;

/// The record type of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses, RFC 3596.
    Aaaa,
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
    let name = Name::<Array<255>>::from_chars(name.chars()).ok()?;
    let rtype = match record_type {
        RecordType::A => Rtype::A,
        RecordType::Aaaa => Rtype::AAAA,
    };
    let mut message = MessageBuilder::from_target(Array::<QUERY_BYTES>::new()).ok()?;
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut question = message.question();
    question.push((&name, rtype)).ok()?;
    Some(question.finish().as_slice().to_vec())
}

/// True if a query can be written for this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    encode_query(0, name, RecordType::A).is_some()
}

/// Reads what claims to be the reply to `query`.
#[must_use]
pub fn decode_reply(reply: &[u8], query: &[u8]) -> ReplyContent {
    let (Ok(reply), Ok(query)) = (Message::from_slice(reply), Message::from_slice(query)) else {
        return ReplyContent::NotOurs;
    };
    if !is_reply(reply, query) {
        return ReplyContent::NotOurs;
    }
    let header = reply.header();
    match header.rcode() {
        _ if header.tc() => ReplyContent::Truncated,
        Rcode::NOERROR => {
            let rtype = if query.qtype() == Some(Rtype::A) { Rtype::A } else { Rtype::AAAA };
            match addresses(reply, rtype) {
                Some(found) => classify(reply, found),
                None => ReplyContent::Failed("an answer that cannot be read".into()),
            }
        }
        Rcode::NXDOMAIN => ReplyContent::NoName,
        Rcode::SERVFAIL => ReplyContent::Failed("server failure".into()),
        Rcode::REFUSED => ReplyContent::Failed("refused to answer".into()),
        Rcode::FORMERR | Rcode::NOTIMP => ReplyContent::Failed("did not understand the question".into()),
        rcode => ReplyContent::Failed(format!("error {}", rcode.to_int())),
    }
}

/// Compares id and question with the query's; names regardless of case. An error may leave out the question.
fn is_reply(reply: &Message<[u8]>, query: &Message<[u8]>) -> bool {
    let (header, questions) = (reply.header(), reply.header_counts().qdcount());
    let bare_error = questions == 0 && header.rcode() != Rcode::NOERROR;
    header.opcode() == Opcode::QUERY
        && header.qr()
        && header.id() == query.header().id()
        && (bare_error || questions == 1 && reply.first_question() == query.first_question())
}

/// Returns the addresses of the name at the end of the chain of aliases; `None` for a message that cannot be read.
fn addresses(reply: &Message<[u8]>, rtype: Rtype) -> Option<Vec<IpAddr>> {
    let name = canonical_name(reply)?;
    let mut found = Vec::new();
    for record in reply.answer().ok()?.limit_to_in::<UnknownRecordData<_>>() {
        let record = record.ok()?;
        if record.rtype() == rtype {
            // RFC 1035 section 3.4.1, RFC 3596 section 2.2.
            let data: &[u8] = record.data().data();
            let address = match rtype {
                Rtype::A => <[u8; 4]>::try_from(data).ok()?.into(),
                _ => <[u8; 16]>::try_from(data).ok()?.into(),
            };
            if *record.owner() == name && found.len() < MAX_ADDRESSES {
                found.push(address);
            }
        }
    }
    Some(found)
}

/// Follows the aliases of the question's name to the end; `None` for too many. The codec's own function for it takes
/// twice the code size.
fn canonical_name(reply: &Message<[u8]>) -> Option<ParsedName<&[u8]>> {
    let mut name = reply.first_question()?.into_qname();
    for _ in 0..MAX_ALIASES {
        let Some(target) = alias(reply, name) else { return Some(name) };
        name = target;
    }
    None
}

fn alias<'a>(reply: &'a Message<[u8]>, name: ParsedName<&'a [u8]>) -> Option<ParsedName<&'a [u8]>> {
    for record in reply.answer().ok()? {
        let record = record.ok()?;
        if record.rtype() == Rtype::CNAME
            && record.owner() == name
            && let Ok(Some(alias)) = record.into_record::<Cname<_>>()
        {
            return Some(alias.into_data().into_cname());
        }
    }
    None
}

/// Classifies a reply without an error code.
fn classify(reply: &Message<[u8]>, found: Vec<IpAddr>) -> ReplyContent {
    let (header, counts) = (reply.header(), reply.header_counts());
    if !found.is_empty() {
        ReplyContent::Addresses(found)
    } else if !header.ra() && !header.aa() && counts.ancount() == 0 && counts.arcount() == 0 {
        // A lame server, recognised as in glibc's res_send.
        ReplyContent::Failed("does not look up names for others".into())
    } else {
        ReplyContent::NoAddress
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
        assert_eq!(ask(&["a"; 127].join("."), RecordType::A).len(), QUERY_BYTES);
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
