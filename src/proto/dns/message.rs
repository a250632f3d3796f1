//! DNS messages: questions written, answers checked. RFC 1035 section 4.

use std::net::IpAddr;

use domain::base::iana::{Opcode, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::name::{Name, ParsedName};
use domain::base::{Message, UnknownRecordData};
use domain::dep::octseq::Array;
use domain::rdata::Cname;

/// More addresses of one answer are not tried anyway.
const MOST_ADDRESSES: usize = 16;
/// A longer chain of aliases is not followed.
const MOST_ALIASES: usize = 20;
/// A question without EDNS: a header, a name, type and class.
const QUERY_BYTES: usize = 12 + 255 + 4;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses, RFC 3596.
    Aaaa,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyContent {
    /// It is no answer to the question.
    NotOurs,
    /// It did not fit: ask again over TCP.
    Truncated,
    /// At least one.
    Addresses(Vec<IpAddr>),
    /// The name exists, without an address of this kind.
    NoAddress,
    /// NXDOMAIN: the name does not exist, with any kind of record.
    NoName,
    /// The server could not answer, in words; another may.
    Failed(String),
}

/// The question, or `None` for what cannot be a name.
#[must_use]
pub fn query(id: u16, name: &str, kind: RecordType) -> Option<Vec<u8>> {
    let name = Name::<Array<255>>::from_chars(name.chars()).ok()?;
    let rtype = match kind {
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

/// Whether a server can be asked for it.
#[must_use]
pub fn is_name(name: &str) -> bool {
    query(0, name, RecordType::A).is_some()
}

/// Reads what claims to be the answer to a question.
#[must_use]
pub fn read(answer: &[u8], query: &[u8]) -> ReplyContent {
    let (Ok(answer), Ok(query)) = (Message::from_slice(answer), Message::from_slice(query)) else {
        return ReplyContent::NotOurs;
    };
    if !is_answer(answer, query) {
        return ReplyContent::NotOurs;
    }
    let header = answer.header();
    match header.rcode() {
        _ if header.tc() => ReplyContent::Truncated,
        Rcode::NOERROR => {
            let rtype = if query.qtype() == Some(Rtype::A) { Rtype::A } else { Rtype::AAAA };
            match addresses(answer, rtype) {
                Some(found) => judge(answer, found),
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

/// Id and question must be ours; names are compared without regard to case. An error may leave out the question.
fn is_answer(answer: &Message<[u8]>, query: &Message<[u8]>) -> bool {
    let (header, asked) = (answer.header(), query.header());
    let bare_error = answer.header_counts().qdcount() == 0 && header.rcode() != Rcode::NOERROR;
    header.opcode() == Opcode::QUERY
        && header.qr()
        && header.id() == asked.id()
        && (bare_error || asks_the_same(answer, query))
}

/// A query has one question.
fn asks_the_same(answer: &Message<[u8]>, query: &Message<[u8]>) -> bool {
    answer.header_counts().qdcount() == 1 && answer.first_question() == query.first_question()
}

/// The addresses of the name at the end of the chain of aliases; `None` for a message that cannot be read.
fn addresses(answer: &Message<[u8]>, rtype: Rtype) -> Option<Vec<IpAddr>> {
    let name = canonical_name(answer)?;
    let mut found = Vec::new();
    for record in answer.answer().ok()?.limit_to_in::<UnknownRecordData<_>>() {
        let record = record.ok()?;
        if record.rtype() == rtype {
            let address = address(record.data().data(), rtype)?;
            if *record.owner() == name && found.len() < MOST_ADDRESSES {
                found.push(address);
            }
        }
    }
    Some(found)
}

/// What the name of the question is an alias of in the end. The codec has a function for it, of twice the size.
fn canonical_name(answer: &Message<[u8]>) -> Option<ParsedName<&[u8]>> {
    let mut name = answer.first_question()?.into_qname();
    for _ in 0..MOST_ALIASES {
        let Some(other) = alias(answer, name) else { return Some(name) };
        name = other;
    }
    None
}

fn alias<'a>(answer: &'a Message<[u8]>, name: ParsedName<&'a [u8]>) -> Option<ParsedName<&'a [u8]>> {
    for record in answer.answer().ok()? {
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

/// RFC 1035 section 3.4.1, RFC 3596 section 2.2.
fn address(data: &[u8], rtype: Rtype) -> Option<IpAddr> {
    Some(match rtype {
        Rtype::A => <[u8; 4]>::try_from(data).ok()?.into(),
        _ => <[u8; 16]>::try_from(data).ok()?.into(),
    })
}

fn judge(answer: &Message<[u8]>, found: Vec<IpAddr>) -> ReplyContent {
    let (header, counts) = (answer.header(), answer.header_counts());
    if !found.is_empty() {
        ReplyContent::Addresses(found)
    } else if !header.ra() && !header.aa() && counts.ancount() == 0 && counts.arcount() == 0 {
        // A lame server, by the same signs as in glibc's res_send.
        ReplyContent::Failed("does not look up names for others".into())
    } else {
        ReplyContent::NoAddress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dns_reply::{Reply, asked};

    fn ask(name: &str, kind: RecordType) -> Vec<u8> {
        query(0x1234, name, kind).unwrap()
    }

    fn addresses_of(texts: &[&str]) -> ReplyContent {
        ReplyContent::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_question_is_written_as_in_rfc_1035() {
        let bytes = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01h\x07example\0\0\x1c\0\x01";
        assert_eq!(ask("h.example", RecordType::Aaaa), bytes);
        assert_eq!(asked(bytes), ("h.example".into(), RecordType::Aaaa));
        assert_eq!(asked(&ask("H.example", RecordType::A)), ("H.example".into(), RecordType::A));
        assert_eq!(ask(&["a"; 127].join("."), RecordType::A).len(), QUERY_BYTES);
        for name in ["", "a..b", ".a", &"a".repeat(64), &["a"; 128].join("."), "a b\\", "é"] {
            assert_eq!(query(1, name, RecordType::A), None, "{name:?}");
        }
    }

    #[test]
    fn addresses_of_the_kind_asked_for_are_found() {
        let question = ask("h.example", RecordType::A);
        let reply =
            Reply::to(&question).a("", "192.0.2.1").aaaa("", "::1").a("", "192.0.2.2").a("x.example", "1.1.1.1");
        assert_eq!(read(&reply.bytes(), &question), addresses_of(&["192.0.2.1", "192.0.2.2"]));
        let question = ask("h.example", RecordType::Aaaa);
        let reply = Reply::to(&question).a("", "192.0.2.1").aaaa("", "2001:db8::1");
        assert_eq!(read(&reply.bytes(), &question), addresses_of(&["2001:db8::1"]));
        let many = (0..100).fold(Reply::to(&question), |reply, _| reply.aaaa("", "::1"));
        assert_eq!(read(&many.bytes(), &question), addresses_of(&["::1"; 16]));
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let question = ask("H.Example", RecordType::A);
        let reply = Reply::to(&ask("h.eXAMPLE", RecordType::A)).a("h.ExamplE", "192.0.2.1");
        assert_eq!(read(&reply.bytes(), &question), addresses_of(&["192.0.2.1"]));
    }

    #[test]
    fn aliases_are_followed_in_whatever_order_they_stand() {
        let question = ask("h.example", RecordType::A);
        let reply = Reply::to(&question).a("c.example", "192.0.2.1").cname("B.example", "c.example");
        let reply = reply.cname("", "b.example").a("b.example", "9.9.9.9");
        assert_eq!(read(&reply.bytes(), &question), addresses_of(&["192.0.2.1"]));
        let dangling = Reply::to(&question).cname("", "b.example");
        assert_eq!(read(&dangling.bytes(), &question), ReplyContent::NoAddress);
        let circle =
            Reply::to(&question).cname("", "b.example").cname("b.example", "h.example").a("b.example", "1.1.1.1");
        assert!(matches!(read(&circle.bytes(), &question), ReplyContent::Failed(_)));
    }

    #[test]
    fn what_answers_another_question_is_not_ours() {
        let question = ask("h.example", RecordType::A);
        for other in [
            query(0x1235, "h.example", RecordType::A),
            query(0x1234, "h.example", RecordType::Aaaa),
            query(0x1234, "evil.example", RecordType::A),
        ] {
            let reply = Reply::to(&other.unwrap()).a("", "6.6.6.6").a("h.example", "6.6.6.6").bytes();
            assert_eq!(read(&reply, &question), ReplyContent::NotOurs);
        }
        assert_eq!(read(&question, &question), ReplyContent::NotOurs, "a question");
        assert_eq!(read(b"", &question), ReplyContent::NotOurs);
        let mut update = Reply::to(&question).bytes();
        update[2] |= 0x28;
        assert_eq!(read(&update, &question), ReplyContent::NotOurs);
    }

    #[test]
    fn the_ways_to_have_no_address_are_told_apart() {
        let question = ask("h.example", RecordType::A);
        let code = |code| read(&Reply::to(&question).code(code).bytes(), &question);
        assert_eq!(code(0), ReplyContent::NoAddress);
        assert_eq!(code(3), ReplyContent::NoName);
        assert_eq!(code(2), ReplyContent::Failed("server failure".into()));
        assert_eq!(code(5), ReplyContent::Failed("refused to answer".into()));
        assert_eq!(code(1), ReplyContent::Failed("did not understand the question".into()));
        assert_eq!(code(9), ReplyContent::Failed("error 9".into()));
        let truncated = Reply::to(&question).a("", "192.0.2.1").truncated();
        assert_eq!(read(&truncated.bytes(), &question), ReplyContent::Truncated);
        let lame = Reply::to(&question).without_recursion();
        assert!(matches!(read(&lame.bytes(), &question), ReplyContent::Failed(_)));
    }

    #[test]
    fn an_error_may_leave_out_the_question_but_not_the_id() {
        let question = ask("h.example", RecordType::A);
        assert_eq!(
            read(b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0", &question),
            read(&Reply::to(&question).code(1).bytes(), &question)
        );
        assert_eq!(read(b"\x12\x35\x81\x81\0\0\0\0\0\0\0\0", &question), ReplyContent::NotOurs);
        assert_eq!(read(b"\x12\x34\x81\x80\0\0\0\0\0\0\0\0", &question), ReplyContent::NotOurs);
    }

    #[test]
    fn every_damaged_answer_is_survived() {
        let question = ask("h.example", RecordType::A);
        let good = Reply::to(&question).cname("", "b.example").a("b.example", "192.0.2.1").bytes();
        for at in 0..good.len() {
            let _read = read(&good[..at], &question);
            for value in 0..=255 {
                let mut damaged = good.clone();
                damaged[at] = value;
                let _read = read(&damaged, &question);
            }
        }
        let cut = read(&good[..good.len() - 1], &question);
        assert_eq!(cut, ReplyContent::Failed("an answer that cannot be read".into()));
    }
}
