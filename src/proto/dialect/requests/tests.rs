use super::*;

static BY_ID: RequestSpec = RequestSpec {
    render: |request, id| format!("{}:{id}", request.kind),
    answers: &[("a", "*")],
    error: Some("error"),
    max_in_flight: 1,
    max_bytes: 512,
};
static BY_KIND: RequestSpec = RequestSpec {
    render: |request, _| request.kind.clone(),
    answers: &[("a", "A"), ("b", "B")],
    error: Some("error"),
    max_in_flight: 9,
    max_bytes: 512,
};
static MUTE: RequestSpec = RequestSpec {
    render: |request, _| request.kind.clone(),
    answers: &[],
    error: None,
    max_in_flight: 9,
    max_bytes: 512,
};

fn plan(kinds: &[&str], every: Option<u64>) -> RequestPlan {
    let requests = kinds.iter().map(|kind| Request { kind: (*kind).into(), ..Request::default() }).collect();
    RequestPlan { requests, every: every.map(Duration::from_secs), within: Duration::from_secs(5) }
}

#[test]
fn nothing_is_due_while_idle_and_anything_to_come_ends_that() {
    let (now, once, mut requests) = (Instant::now(), plan(&["a"], None), Requests::default());
    assert!(requests.is_idle());
    requests.begin(&once, now);
    assert!(!requests.is_idle(), "one is to be sent");
    requests.due(&BY_KIND, &once, now);
    assert!(!requests.is_idle(), "an answer is to come");
    requests.postpone(now);
    assert!(!requests.is_idle(), "one is to be repeated");
    requests.end();
    assert!(requests.is_idle());
    requests.begin(&plan(&[], Some(9)), now);
    assert!(!requests.is_idle(), "a round is to come");
}

#[test]
fn times_without_an_end_are_far_away() {
    let endless = RequestPlan { every: Some(Duration::MAX), within: Duration::MAX, ..plan(&["a"], None) };
    let (now, mut requests) = (Instant::now(), Requests::default());
    requests.begin(&endless, now);
    assert_eq!(requests.due(&BY_KIND, &endless, now).send, ["a"]);
    let years = Duration::from_secs(9 * 365 * 24 * 3600);
    assert!(requests.deadline().is_some_and(|at| at > now + years), "{:?}", requests.deadline());
}

#[test]
fn one_request_at_a_time_waits_for_the_answer_before() {
    let (now, plan, mut requests) = (Instant::now(), plan(&["x", "y"], None), Requests::default());
    requests.begin(&plan, now);
    assert_eq!(requests.due(&BY_ID, &plan, now).send, ["x:wsmon-1"]);
    assert_eq!(requests.due(&BY_ID, &plan, now).send, [""; 0]);
    assert!(requests.complete(&BY_ID, "x_response", Some("wsmon-9")).is_none());
    assert!(requests.complete(&BY_ID, "x_response", Some("wsmon-1")).is_some());
    assert_eq!(requests.due(&BY_ID, &plan, now).send, ["y:wsmon-2"]);
    assert!(requests.complete(&BY_ID, "error", None).is_some(), "an error without an id ends the oldest");
    assert_eq!(requests.deadline(), None);
}

#[test]
fn answers_are_matched_by_type_in_any_order() {
    let (now, plan, mut requests) = (Instant::now(), plan(&["a", "b"], None), Requests::default());
    requests.begin(&plan, now);
    assert_eq!(requests.due(&BY_KIND, &plan, now).send, ["a", "b"]);
    assert!(requests.complete(&BY_KIND, "C", None).is_none());
    assert!(requests.complete(&BY_KIND, "B", None).is_some() && requests.complete(&BY_KIND, "A", None).is_some());
    assert!(requests.complete(&BY_KIND, "A", None).is_none());
}

#[test]
fn an_answer_that_is_late_is_reported_once_and_the_next_round_comes() {
    let (now, plan, mut requests) = (Instant::now(), plan(&["a"], Some(60)), Requests::default());
    requests.begin(&plan, now);
    requests.due(&BY_KIND, &plan, now);
    let late = requests.deadline().unwrap();
    assert_eq!(late - now, Duration::from_secs(5));
    assert_eq!(requests.due(&BY_KIND, &plan, late).unanswered, ["a"]);
    assert_eq!(requests.deadline().unwrap() - now, Duration::from_secs(60));
    assert_eq!(requests.due(&BY_KIND, &plan, now + Duration::from_secs(60)).send, ["a"]);
}

#[test]
fn a_request_that_is_refused_for_now_is_repeated_once() {
    let (now, plan, mut requests) = (Instant::now(), plan(&["a", "b"], None), Requests::default());
    requests.begin(&plan, now);
    requests.due(&BY_KIND, &plan, now);
    let until = now + Duration::from_secs(1);
    assert!(requests.postpone(until));
    assert_eq!(requests.deadline(), Some(until));
    assert_eq!(requests.due(&BY_KIND, &plan, now).send, [""; 0]);
    assert!(requests.complete(&BY_KIND, "B", None).is_some(), "the other one waits on");
    assert_eq!(requests.due(&BY_KIND, &plan, until).send, ["a"]);
    assert!(!requests.postpone(until), "refused twice: that is an answer");
    assert!(requests.complete(&BY_KIND, "error", None).is_some() && !requests.is_waiting());
}

/// A server with a bucket of 5 requests that is refilled by one every two seconds, and answers after `latency`.
/// Returns how many it accepted and refused in a minute.
fn accepted_and_refused(kinds: &[&str], every: Duration, latency: Duration) -> (u32, u32) {
    let start = Instant::now();
    let plan = RequestPlan { every: Some(every), ..plan(kinds, None) };
    let (mut requests, mut bucket, mut filled_at) = (Requests::default(), 5.0, start);
    let (mut on_the_way, mut accepted, mut refused) = (Vec::new(), 0, 0);
    let (mut now, mut turns, mut hold_until) = (start, 0, start);
    requests.begin(&plan, now);
    while now < start + Duration::from_secs(60) {
        for kind in requests.due(&BY_KIND, &plan, now).send {
            assert!(now >= hold_until, "sent although the server asked to wait");
            on_the_way.push((now + latency, kind));
        }
        let answer_at = on_the_way.first().map(|(at, _)| *at);
        let next = earliest(requests.deadline(), answer_at).unwrap();
        assert!(next > now || answer_at.is_some_and(|at| at <= now), "a stale deadline is a busy loop");
        (now, turns) = (now.max(next), turns + 1);
        if answer_at.is_none_or(|at| at > now) {
            continue;
        }
        let (_, kind) = on_the_way.remove(0);
        bucket = f64::min(5.0, bucket + (now - filled_at).as_secs_f64() / 2.0);
        filled_at = now;
        if bucket >= 1.0 {
            (bucket, accepted) = (bucket - 1.0, accepted + 1);
            assert!(requests.complete(&BY_KIND, &kind.to_uppercase(), None).is_some());
        } else {
            refused += 1;
            hold_until = now + Duration::from_secs_f64((1.0 - bucket) * 2.0 + 0.001);
            if !requests.postpone(hold_until) {
                let _refused = requests.complete(&BY_KIND, "error", None);
            }
        }
    }
    assert!(turns < 10_000, "{turns}");
    (accepted, refused)
}

#[test]
fn a_limit_of_rate_is_obeyed_whatever_the_period() {
    for kinds in [&["a"][..], &["a", "b"], &["a", "b", "a", "b", "b"]] {
        for (every, latency) in [(10, 0), (100, 0), (100, 1), (1000, 300), (3000, 20)] {
            let [every, latency] = [every, latency].map(Duration::from_millis);
            let (accepted, refused) = accepted_and_refused(kinds, every, latency);
            assert!((20..=35).contains(&accepted), "{kinds:?} {every:?} {latency:?}: {accepted} {refused}");
            // Those that were on the way already, and one for each that was accepted later.
            assert!(refused <= 36 + kinds.len() as u32, "{kinds:?} {every:?} {latency:?}: {accepted} {refused}");
        }
    }
}

#[test]
fn no_answer_is_waited_for_where_none_is_defined() {
    let (now, plan, mut requests) = (Instant::now(), plan(&["a"], None), Requests::default());
    requests.begin(&plan, now);
    assert_eq!(requests.due(&MUTE, &plan, now), DueRequests { send: vec!["a".into()], ..DueRequests::default() });
    assert_eq!(requests.deadline(), None);
}
