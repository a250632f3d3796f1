//! Both families side by side, timeouts, and the moments at which addresses are reported.

use super::*;

/// Answers each record type after a delay of its own, in ms.
fn uneven(aaaa: u64, a: u64) -> DnsServer {
    let mut honest = honest(0);
    Box::new(move |query| {
        let after = if question_of(&query.message).1 == RecordType::A { a } else { aaaa };
        honest(query).map(|(_, answer)| (after, answer))
    })
}

#[test]
fn both_families_are_asked_at_once_and_ipv6_comes_first() {
    let transcript = LookupSim::new("h.example", vec![uneven(5, 5)]).run();
    let both =
        ["0 10.0.0.1 Aaaa h.example", "0 10.0.0.1 A h.example", "5 found [2001:db8::1]:9", "5 found 192.0.2.1:9"];
    assert_eq!(transcript, both);
}

#[test]
fn ipv6_addresses_do_not_wait_for_ipv4_ones() {
    let transcript = LookupSim::new("h.example", vec![uneven(5, 70)]).run();
    assert_eq!(transcript[2..], ["5 found [2001:db8::1]:9", "70 found 192.0.2.1:9"]);
}

#[test]
fn ipv4_addresses_wait_50_ms_for_ipv6_ones() {
    let transcript = LookupSim::new("h.example", vec![uneven(40, 5)]).run();
    assert_eq!(transcript[2..], ["40 found [2001:db8::1]:9 192.0.2.1:9"]);
    let transcript = LookupSim::new("h.example", vec![uneven(90, 5)]).run();
    assert_eq!(transcript[2..], ["55 found 192.0.2.1:9", "90 found [2001:db8::1]:9"]);
}

#[test]
fn ipv4_addresses_do_not_wait_once_there_are_no_ipv6_ones() {
    let only_v4 = answering(5, |query, _, record_type| match record_type {
        RecordType::A => Reply::to(&query.message).a("", "192.0.2.1").a("", "192.0.2.2"),
        RecordType::Aaaa => Reply::to(&query.message),
    });
    let transcript = LookupSim::new("h.example", vec![only_v4]).run();
    assert_eq!(transcript[2..], ["5 found 192.0.2.1:9 192.0.2.2:9"]);
}

#[test]
fn a_server_that_ignores_one_record_type_does_not_delay_the_other() {
    let mut honest = honest(5);
    let only_a: DnsServer =
        Box::new(move |query| honest(query).filter(|_| question_of(&query.message).1 == RecordType::A));
    let transcript = LookupSim::new("h.example", vec![only_a]).run();
    let all = ["55 found 192.0.2.1:9", "5000 10.0.0.1 Aaaa h.example"];
    assert_eq!(transcript[2..], all, "and no failure after success");
}

#[test]
fn one_family_alone_is_asked_for_where_only_one_is_wanted() {
    let transcript = LookupSim::with("h.example", Family::V4, "", vec![honest(5)]).run();
    assert_eq!(transcript, ["0 10.0.0.1 A h.example", "5 found 192.0.2.1:9"]);
    let transcript = LookupSim::with("h.example", Family::V6, "", vec![honest(5)]).run();
    assert_eq!(transcript, ["0 10.0.0.1 Aaaa h.example", "5 found [2001:db8::1]:9"]);
}

#[test]
fn silent_servers_are_asked_in_turn_and_then_again() {
    let transcript = LookupSim::with("h.example", Family::V4, "", vec![silent(), silent()]).run();
    let all = [
        "0 10.0.0.1 A h.example",
        "5000 10.0.0.2 A h.example",
        "10000 10.0.0.1 A h.example",
        "15000 10.0.0.2 A h.example",
        "20000 failed: resolve h.example: no answer from 10.0.0.1, 10.0.0.2",
    ];
    assert_eq!(transcript, all);
}

#[test]
fn timeout_and_attempts_are_those_of_resolv_conf() {
    let lines = "options timeout:1 attempts:3";
    let transcript = LookupSim::with("h.example", Family::V4, lines, vec![silent()]).run();
    let all = [
        "0 10.0.0.1 A h.example",
        "1000 10.0.0.1 A h.example",
        "2000 10.0.0.1 A h.example",
        "3000 failed: resolve h.example: no answer from 10.0.0.1",
    ];
    assert_eq!(transcript, all);
}

#[test]
fn every_server_is_asked_before_the_caller_gives_up() {
    let servers = vec![silent(), silent(), honest(5)];
    let transcript = LookupSim::within(10, "h.example", Family::V4, "", servers).run();
    let all =
        ["0 10.0.0.1 A h.example", "2500 10.0.0.2 A h.example", "5000 10.0.0.3 A h.example", "5005 found 192.0.2.1:9"];
    assert_eq!(transcript, all);
    let transcript = LookupSim::within(1, "h.example", Family::V4, "", vec![silent(), honest(5)]).run();
    assert_eq!(transcript[1..], ["500 10.0.0.2 A h.example", "505 found 192.0.2.1:9"]);
}

#[test]
fn the_answer_of_a_slow_server_counts_although_others_have_been_asked_since() {
    let transcript = LookupSim::with("h.example", Family::V4, "", vec![honest(7000)]).run();
    assert_eq!(transcript[1..], ["5000 10.0.0.1 A h.example", "7000 found 192.0.2.1:9"]);
    let transcript = LookupSim::with("h.example", Family::V4, "", vec![honest(7000), silent()]).run();
    assert_eq!(transcript[1..], ["5000 10.0.0.2 A h.example", "7000 found 192.0.2.1:9"]);
}

#[test]
fn rotation_begins_with_another_server() {
    let servers = vec![honest(5), honest(5), honest(5)];
    let transcript = LookupSim::with("h.example", Family::V4, "options rotate", servers).run();
    let first = next_random(&mut 0) % 3 + 1;
    assert_ne!(first, 1);
    assert_eq!(transcript, [format!("0 10.0.0.{first} A h.example"), "5 found 192.0.2.1:9".into()]);
}

#[test]
fn a_pending_lookup_is_described_with_the_servers_asked_so_far() {
    let mut sim = LookupSim::with("h.example", Family::V4, "", vec![silent(), silent(), silent()]);
    assert_eq!(sim.lookup.unfinished(), "resolve h.example at 10.0.0.1");
    sim.now = 5000;
    let now = sim.instant();
    sim.lookup.tick(now, &mut || 1);
    assert_eq!(sim.lookup.unfinished(), "resolve h.example at 10.0.0.1, 10.0.0.2");
}
