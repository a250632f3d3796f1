//! The negotiation of permessage-deflate (RFC 7692 section 7.1).

/// The offer of browsers, to the letter: servers exist that refuse any other one, such as one with
/// `server_max_window_bits`, with 400. It leaves the size of the window to the server.
pub const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// The parameters by which a server compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// Base-2 logarithm of the window in bytes, 8 to 15.
    pub window_bits: u8,
    /// True if messages may refer to those before them (context takeover).
    pub takeover: bool,
}

impl Deflate {
    /// Reads the answer to the offer, a member of `Sec-WebSocket-Extensions` with this name. Parameters about the client
    /// are checked and have no effect, since nothing is compressed that is sent.
    ///
    /// # Errors
    /// The part of the answer that RFC 7692 does not allow.
    pub fn parse(answer: &str) -> Result<Self, &str> {
        let mut parts = answer.split(';').map(|part| part.trim_ascii());
        let name = parts.next().unwrap_or_default();
        let mut deflate = Deflate { window_bits: 15, takeover: true };
        let mut seen = [false; PARAMETERS.len()];
        for part in parts {
            let (parameter, value) = match part.split_once('=') {
                Some((parameter, value)) => (parameter.trim_ascii(), Some(value.trim_ascii())),
                None => (part, None),
            };
            let at = PARAMETERS.iter().position(|known| *known == parameter).ok_or(part)?;
            let is_window = parameter.ends_with("_bits");
            let bits = value.map(window_bits);
            if std::mem::replace(&mut seen[at], true) || bits.is_some() != is_window || bits == Some(None) {
                return Err(part);
            }
            match (parameter, bits.flatten()) {
                ("server_no_context_takeover", _) => deflate.takeover = false,
                ("server_max_window_bits", Some(bits)) => deflate.window_bits = bits,
                _ => {}
            }
        }
        if name == NAME { Ok(deflate) } else { Err(name) }
    }

    /// Returns true if a member of `Sec-WebSocket-Extensions` is about this extension.
    pub fn is_named(member: &str) -> bool {
        member.split(';').next().is_some_and(|name| name.trim_ascii() == NAME)
    }
}

const NAME: &str = "permessage-deflate";
const PARAMETERS: [&str; 4] =
    ["server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"];

/// Reads a number from 8 to 15 without leading zeros, also in quotes.
fn window_bits(value: &str) -> Option<u8> {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    match quoted.unwrap_or(value).as_bytes() {
        [digit @ (b'8' | b'9')] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_the_offer_tells_the_window_and_the_takeover() {
        for (parameters, window_bits, takeover) in [
            ("", 15, true),
            ("; server_max_window_bits=12; client_max_window_bits=12", 12, true),
            ("; server_no_context_takeover; client_no_context_takeover", 15, false),
            ("; client_no_context_takeover; server_max_window_bits=10", 10, true),
            ("; server_max_window_bits=\"9\" ;\tserver_no_context_takeover", 9, false),
            (";server_max_window_bits=8", 8, true),
            ("; client_max_window_bits=8", 15, true),
            ("; server_max_window_bits = 15", 15, true),
        ] {
            let answer = format!("permessage-deflate{parameters}");
            assert_eq!(Deflate::parse(&answer), Ok(Deflate { window_bits, takeover }), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_the_offer_does_not_allow_is_refused_by_its_part() {
        for part in [
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=012",
            "server_max_window_bits=08",
            "server_max_window_bits=+9",
            "server_max_window_bits=-9",
            "server_max_window_bits=\"9",
            "server_max_window_bits=\"\"",
            "server_max_window_bits=",
            "server_max_window_bits",
            "client_max_window_bits",
            "client_max_window_bits=16",
            "server_no_context_takeover=1",
            "server_no_context_takeover=",
            "client_no_context_takeover=8",
            "Server_no_context_takeover",
            "foo=1",
            "foo",
            "=",
            "",
        ] {
            for answer in [
                format!("permessage-deflate; {part}"),
                format!("permessage-deflate;client_no_context_takeover;{part}; server_no_context_takeover"),
            ] {
                let twice = answer.matches("client_no_context_takeover").count() > 1;
                let twice = twice || answer.matches("server_no_context_takeover").count() > 1;
                assert!(Deflate::parse(&answer) == Err(part) || twice, "{answer}");
                assert!(Deflate::parse(&answer).is_err(), "{answer}");
            }
        }
        for parameter in ["server_no_context_takeover", "server_max_window_bits=9", "client_max_window_bits=9"] {
            let twice = format!("permessage-deflate; {parameter}; {parameter}");
            assert_eq!(Deflate::parse(&twice), Err(parameter));
        }
        assert_eq!(Deflate::parse("Permessage-Deflate"), Err("Permessage-Deflate"));
    }
}
