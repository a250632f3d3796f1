//! The options in texts of the library, which names settings there.

use super::args;

/// Makes the library name options. To be called before anything of it that can fail.
pub fn install() {
    wsmon::internal::name_options(option);
}

/// Returns the option for a setting, which is named as the library's texts do: `Server::max_message`.
fn option(setting: &str) -> Option<&'static str> {
    let name = match setting.strip_prefix("Server::").unwrap_or(setting) {
        "compression" => "no-compression",
        "subprotocols" => "subprotocol",
        "processes" => "process",
        "certificate" => "cert",
        "its key" => "key",
        name => name,
    };
    args::find(&|row| is_same(&row.long.as_bytes()[2..], name.as_bytes())).map(|row| row.long)
}

/// Compares names, of which the first has dashes for underscores.
fn is_same(dashed: &[u8], name: &[u8]) -> bool {
    dashed.len() == name.len() && dashed.iter().zip(name).all(|pair| pair.0 == pair.1 || pair == (&b'-', &b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_the_library_names_has_its_option() {
        for (setting, expected) in [
            ("Server::ca_file", "--ca-file"),
            ("Server::certificate", "--cert"),
            ("its key", "--key"),
            ("Server::tls_name", "--tls-name"),
            ("Server::compression", "--no-compression"),
            ("Server::dialect", "--dialect"),
            ("Server::header", "--header"),
            ("Server::heartbeat_reply", "--heartbeat-reply"),
            ("Server::interval", "--interval"),
            ("Server::lossy_utf8", "--lossy-utf8"),
            ("Server::max_message", "--max-message"),
            ("Server::max_redirects", "--max-redirects"),
            ("Server::ping_interval", "--ping-interval"),
            ("Server::processes", "--process"),
            ("Server::request", "--request"),
            ("Server::send", "--send"),
            ("Server::subprotocols", "--subprotocol"),
            ("Server::subscribe", "--subscribe"),
            ("Server::token_file", "--token-file"),
            ("probe", "--probe"),
        ] {
            assert_eq!(option(setting), Some(expected), "{setting}");
        }
        assert_eq!((option("Server::no_such"), option("")), (None, None));
    }

    #[test]
    fn texts_of_the_library_name_options_once_installed() {
        install();
        let text = |server: Result<wsmon::Server, wsmon::Error>| server.unwrap_err().to_string();
        let server = wsmon::Server::default();
        let header = text(server.clone().header("Sec-WebSocket-Protocol: x"));
        assert!(header.ends_with(": see --subprotocol"), "{header}");
        if cfg!(feature = "tls") {
            let name = text(server.clone().tls_name("").load());
            assert_eq!(name, "--tls-name: the name is empty");
            let pem = text(server.certificate_pem("", "").load());
            assert!(pem.starts_with("--cert MEMORY: no PEM certificate"), "{pem}");
        }
    }
}
