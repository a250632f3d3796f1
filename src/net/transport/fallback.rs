//! The fallbacks after a refused upgrade. Each changes the route, which is then dialled again from its first step.
//!
//! | Answer                                      | Next dial             | At most, in one opening  |
//! |---------------------------------------------|-----------------------|--------------------------|
//! | 301, 302, 307, 308                          | the redirect's target | [`Route::max_redirects`] |
//! | 400, 426, 501 to an offer of compression    | without the offer     | once                     |
//! | 200, 403, 404 to `/` if the URI has no path | `/ws`                 | once                     |
//!
//! An answer has one fallback at most, so the server's answers give their order. [`Route::within`] bounds all dials
//! together. A dial that fails without such an answer has no fallback: its next one begins after the wait for
//! reconnection, with other addresses first and perhaps without the offer.

use std::time::Duration;

use super::environment;
use super::route::Route;
use crate::model::error::{Detail, Disconnect, Phase, Retry};
use crate::model::trace;
use crate::proto::http::redirect;
use crate::proto::http::upgrade::UpgradeRefused;
use crate::proto::uri::Endpoint;

impl Route {
    /// Changes the route to the fallback for a refusal by `peer`. Fails if there is none, or none any more.
    pub fn fall_back(&mut self, refused: &UpgradeRefused, peer: &str) -> Result<(), Box<Disconnect>> {
        let failed = |why: &str| Disconnect::new(Phase::Upgrade, format!("upgrade at {peer}: {why}"));
        let mut why = failed(&refused.to_string());
        let (code, retry_after, location) = match refused {
            UpgradeRefused::Status { code, retry_after, location, .. } => (*code, *retry_after, location.as_deref()),
            UpgradeRefused::Extension { .. } | UpgradeRefused::Compression { .. } => {
                why.detail = Detail::Extension;
                return Err(why);
            }
            _ => return Err(why),
        };
        (why.status, why.retry) = (Some(code), retry(code, retry_after));
        match code {
            _ if redirect::is_redirect(code) => {
                match redirect::follow(&self.endpoint, location, self.redirects, self.max_redirects) {
                    Ok(to) => self.redirect(to),
                    Err(text) => {
                        why.text = failed(&text).text;
                        Err(why)
                    }
                }
            }
            400 | 426 | 501 if self.compression => {
                self.compression = false;
                let text = format_args!("the upgrade was refused, trying without compression");
                trace::server(log::Level::Debug, &self.log.0, text);
                Ok(())
            }
            200 | 403 | 404 => self.turn_to_ws(why, code),
            _ => Err(why),
        }
    }

    /// Changes to the target of a redirect. Another server gets no credentials, no subprotocols, which may hold some, and
    /// no client certificate, and [`Server::tls_name`](crate::Server::tls_name), which names the first server, does not apply to it.
    fn redirect(&mut self, to: Box<Endpoint>) -> Result<(), Box<Disconnect>> {
        self.redirects += 1;
        if !redirect::same_host(&self.endpoint, &to) {
            self.own_headers.retain(|(name, _)| name.eq_ignore_ascii_case("User-Agent"));
            (self.tls.cert, self.tls.key, self.tls.name) = (None, None, None);
            self.subprotocols.clear();
            self.is_elsewhere = true;
        }
        self.proxy = self.choice.proxy(&to, &environment).map_err(|why| Disconnect::new(Phase::Address, why))?;
        let (label, level) = &self.log;
        trace::server(*level, label, format_args!("redirected to {}", self.secrets.hide(&to.to_string())));
        self.endpoint = to;
        Ok(())
    }

    /// Turns to `/ws` if the URI has no path. If `/ws` is refused too, the refusal of `/` is returned.
    fn turn_to_ws(&mut self, why: Box<Disconnect>, code: u16) -> Result<(), Box<Disconnect>> {
        if self.endpoint.try_ws() {
            let (label, level) = &self.log;
            trace::server(*level, label, format_args!("/ was refused, trying /ws"));
            (self.at_ws, self.refusal) = (true, Some(why));
            return Ok(());
        }
        let Some(mut first) = self.refusal.take() else { return Err(why) };
        first.text.push_str(&format!("; /ws answered {code}"));
        Err(first)
    }
}

/// Decides by the status of a refused upgrade how to go on if it has no fallback.
fn retry(status: u16, after: Option<Duration>) -> Retry {
    match (status, after) {
        (401 | 403, _) => Retry::FinalUnlessUseful,
        _ if redirect::is_redirect(status) => Retry::FinalUnlessUseful,
        (_, Some(wait)) => Retry::After(wait),
        (408 | 425 | 429, None) => Retry::Usual,
        (400..=499, None) => Retry::FinalUnlessUseful,
        _ => Retry::Usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::{proxy::ProxyChoice, secrets::Secrets};
    use crate::testing::random::Random;

    fn route() -> Route {
        Route {
            endpoint: Endpoint::parse("h").unwrap(),
            proxy: None,
            choice: ProxyChoice::Direct,
            tls: <_>::default(),
            family: <_>::default(),
            demoted: Vec::new(),
            within: Duration::from_secs(10),
            own_headers: Vec::new(),
            subprotocols: Vec::new(),
            compression: true,
            max_redirects: 2,
            redirects: 0,
            is_elsewhere: false,
            at_ws: false,
            refusal: None,
            log: (String::new(), log::Level::Debug),
            secrets: Secrets::default(),
        }
    }

    fn answered(code: u16) -> UpgradeRefused {
        UpgradeRefused::Status {
            code,
            retry_after: None,
            location: Some("/to".into()),
            text: format!("answered {code}"),
        }
    }

    #[test]
    fn each_answer_has_its_fallback_and_the_last_one_is_explained() {
        for (codes, dials, why) in [
            (&[404, 400, 403][..], "/+ /ws+ /ws", "answered 404; /ws answered 403"),
            (&[426, 200, 501], "/+ / /ws", "answered 501"),
            (&[501, 426], "/+ /", "answered 426"),
            (
                &[301, 302, 307],
                "/+ /to+ /to+",
                "redirected to ws://h:8765/to: not followed, the limit is 2 in a row, see",
            ),
            (&[308, 404], "/+ /to+", "answered 404"),
            (&[303], "/+", "answered 303"),
        ] {
            let (mut route, mut dialled, mut text) = (route(), Vec::new(), String::new());
            for code in codes {
                assert_eq!(text, "", "{codes:?}");
                dialled.push(format!("{}{}", route.endpoint.target, if route.compression { "+" } else { "" }));
                text = route.fall_back(&answered(*code), "p").map_or_else(|why| why.text, |()| String::new());
            }
            assert_eq!(dialled.join(" "), dials, "{codes:?}");
            assert!(text.starts_with(&format!("upgrade at p: {why}")), "{text}");
        }
    }

    #[test]
    fn whatever_is_answered_the_fallbacks_come_to_an_end() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            let (mut route, mut fallbacks) = (route(), 0);
            while route.fall_back(&answered(*random.pick(&[200, 301, 308, 400, 403, 404, 426, 501])), "p").is_ok() {
                fallbacks += 1;
            }
            assert!(fallbacks <= route.max_redirects + 2, "{fallbacks}");
        }
    }
}
