//! Requests of the program at run time.

use std::time::Instant;

use super::Conversation;
use crate::model::api_error::{Error, ErrorKind};
use crate::model::event::{NoAnswer, Unanswered};
use crate::model::json;
use crate::model::request_id::RequestId;
use crate::model::text::escape;
use crate::proto::dialect::requests::{MAX_OPEN, MAX_OPEN_BYTES, ProgramId, Queue, Request, RequestSpec, Requests};

/// The longest id that a request is sent with.
const LONGEST_ID: &str = "wsmon-18446744073709551615";

impl Conversation {
    /// Takes a request for an open connection. It is sent at the next [`Conversation::tick`], or once fewer wait for their
    /// answers than the dialect allows.
    ///
    /// # Errors
    /// The dialect is unknown or has no such request, the JSON is wrong or too long, or too many requests are open.
    pub fn request(&mut self, id: RequestId, kind: &str, json: Option<&str>, now: Instant) -> Result<(), Error> {
        let spec = &self.dialect.requests;
        if !self.known {
            let text = "the dialect is not known yet: set it, or wait for the first message";
            return Err(Error::new(ErrorKind::NotOpen, text.to_owned()));
        }
        let refused = |why: String| Err(Error::new(ErrorKind::Request, format!("request {}: {why}", escape(kind))));
        let Some((known, _)) = spec.answers.iter().find(|(known, _)| *known == kind) else {
            return refused(no_such_request(self.dialect.name, spec));
        };
        if json.is_some_and(|json| !json::is_json(json)) {
            return refused("the body must be JSON".to_owned());
        }
        let request =
            Request { kind: kind.to_owned(), json: json.map(str::to_owned), id: Some(ProgramId { id, kind: known }) };
        let max = spec.max_bytes.min(MAX_OPEN_BYTES);
        if (spec.render)(&request, LONGEST_ID).len() > max {
            return refused(format!("too long, {max} bytes are possible"));
        }
        let Requests { program, open, .. } = &mut self.requests;
        let program = program.get_or_insert_with(|| Box::new(Queue::default()));
        match program.ask(request, open, now) {
            true => Ok(()),
            false => {
                let text = format!("{MAX_OPEN} requests, or {} KiB of them, have no answer yet", MAX_OPEN_BYTES >> 10);
                Err(Error::new(ErrorKind::Full, text))
            }
        }
    }

    /// Reports that a request of another thread could not be taken.
    pub fn refuse(&mut self, id: RequestId, why: ErrorKind) {
        let program = self.requests.program.get_or_insert_with(|| Box::new(Queue::default()));
        program.refuse(Unanswered::new(id, "", NoAnswer::NotSent(why)));
    }
}

/// Names the requests that a dialect has.
fn no_such_request(dialect: &str, spec: &RequestSpec) -> String {
    let mut names = String::new();
    for (name, _) in spec.answers {
        names.push_str(if names.is_empty() { "" } else { ", " });
        names.push_str(name);
    }
    match names.is_empty() {
        true => format!("{dialect} answers no requests: send a text instead"),
        false => format!("{dialect} has no such request, but {names}"),
    }
}
