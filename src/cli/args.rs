//! The options: one table for the parser, the help and the tests.

use argh::FromArgs;

/// The names again with those of their values, for what argh does not tell: whether an option takes
/// a value (`D`) and more than one (`URI...`). A test holds this equal to [`Args`].
const OPTIONS: &str = "\
-u --uri URI...
--dialect NAME
--no-reconnect
--reconnect-interval D
--reconnect-cap D
--max-reconnects N
--connect-timeout D
--ping-interval D
--ping-timeout D
--stale-after D
--max-message BYTES
--header HEADER...
--token-file FILE
--ca-file FILE
--cert FILE
--key FILE
--tls-name NAME
--insecure
--proxy URL
-4 --ipv4
-6 --ipv6
--subscribe LIST
--process LIST
--interval D
--request TYPE[=JSON]...
--request-every D
--request-timeout D
--send TEXT...
--heartbeat-reply TEXT
-f --format NAME
--every D
--only LIST
--color WHEN
--no-color
--ascii
--unicode
--save-data FILE
--rotate-size BYTES
--rotate-keep N
--fsync
--queue BYTES
--when-full WHAT
--history
-d --duration D
-n --count N
-s --stats
-v --verbose
-q --quiet
--log-level LEVEL
--log-file FILE
--demo
-V --version
-h --help";

/// Watches servers that send JSON over WebSocket and prints what they say.
#[derive(FromArgs)]
#[cfg_attr(test, derive(argh::ArgsInfo, Debug))]
#[argh(
    help_triggers("-h", "--help"),
    usage = "[OPTIONS]",
    note = "D is a number of seconds (60, 0.5) or has units (500ms, 5m, 1h30m).",
    note = "BYTES may end in K, M or G (1024).",
    note = "Exit status: 0 received something, 1 did not, 2 usage, 3 a local file failed.",
    note = "More in the manual: man wsmon"
)]
pub struct Args {
    /// server to watch: ws://HOST[:PORT][/PATH] or HOST[:PORT][/PATH], NAME= before it is a label,
    /// @FILE reads it from a file; repeatable (default $MONITORING_WEBSOCKET_URI, else
    /// ws://localhost:8765)
    #[argh(option, short = 'u', arg_name = "URI")]
    pub uri: Vec<String>,

    /// auto, monitoring, sysmedic, fastpluggy, pmdaemon, neurograph or generic (default auto:
    /// recognised by the URI and the first messages)
    #[argh(option, arg_name = "NAME")]
    pub dialect: Option<String>,

    /// one connection per server, then done
    #[argh(switch)]
    pub no_reconnect: bool,

    /// first wait before a new connection, doubled each time (default 5)
    #[argh(option, arg_name = "D")]
    pub reconnect_interval: Option<String>,

    /// longest such wait (default 60, or the interval if that is longer)
    #[argh(option, arg_name = "D")]
    pub reconnect_cap: Option<String>,

    /// give up after N reconnections in a row without a useful session (default: never; 0: at once)
    #[argh(option, arg_name = "N")]
    pub max_reconnects: Option<String>,

    /// limit for finding, reaching and upgrading a server (default 10)
    #[argh(option, arg_name = "D")]
    pub connect_timeout: Option<String>,

    /// ping a server this often (default 30; 0: never)
    #[argh(option, arg_name = "D")]
    pub ping_interval: Option<String>,

    /// end a connection that leaves a ping unanswered for so long (default 10)
    #[argh(option, arg_name = "D")]
    pub ping_timeout: Option<String>,

    /// reconnect when pings are answered but no message came for so long (default auto; 0: never)
    #[argh(option, arg_name = "D")]
    pub stale_after: Option<String>,

    /// largest message taken; a larger one ends the connection (default 4M)
    #[argh(option, arg_name = "BYTES")]
    pub max_message: Option<String>,

    /// header of the request: 'NAME: VALUE', or @FILE with one per line; repeatable
    #[argh(option, arg_name = "HEADER")]
    pub header: Vec<String>,

    /// read the token or secret from FILE, again before every connection (default
    /// $MONITORING_TOKEN, which is the token itself)
    #[argh(option, arg_name = "FILE")]
    pub token_file: Option<String>,

    /// trust the certificates in FILE instead of the system's
    #[argh(option, arg_name = "FILE")]
    pub ca_file: Option<String>,

    /// certificate to show to the server, with --key
    #[argh(option, arg_name = "FILE")]
    pub cert: Option<String>,

    /// private key of --cert
    #[argh(option, arg_name = "FILE")]
    pub key: Option<String>,

    /// name that the server's certificate must have (default: the host)
    #[argh(option, arg_name = "NAME")]
    pub tls_name: Option<String>,

    /// take any certificate: whoever is in between can read and change everything
    #[argh(switch)]
    pub insecure: bool,

    /// HTTP proxy (default $https_proxy, $http_proxy, $all_proxy, unless $no_proxy)
    #[argh(option, arg_name = "URL")]
    pub proxy: Option<String>,

    /// IPv4 only
    #[argh(switch, short = '4')]
    pub ipv4: bool,

    /// IPv6 only
    #[argh(switch, short = '6')]
    pub ipv6: bool,

    /// channels or event types to ask for, separated by commas (default: the dialect's)
    #[argh(option, arg_name = "LIST")]
    pub subscribe: Option<String>,

    /// processes to ask for, separated by commas (pmdaemon)
    #[argh(option, arg_name = "LIST")]
    pub process: Option<String>,

    /// period to ask for (pmdaemon)
    #[argh(option, arg_name = "D")]
    pub interval: Option<String>,

    /// send a request of the dialect on every connection; repeatable
    #[argh(option, arg_name = "TYPE[=JSON]")]
    pub request: Vec<String>,

    /// send the requests again and again (default: once per connection)
    #[argh(option, arg_name = "D")]
    pub request_every: Option<String>,

    /// how long an answer may take (default 5)
    #[argh(option, arg_name = "D")]
    pub request_timeout: Option<String>,

    /// send TEXT as it is on every connection, at once; repeatable
    #[argh(option, arg_name = "TEXT")]
    pub send: Vec<String>,

    /// send TEXT for each JSON ping, %id stands for its ping id (fastpluggy)
    #[argh(option, arg_name = "TEXT")]
    pub heartbeat_reply: Option<String>,

    /// simple, detailed, compact, json, jsonl or events (default $MONITORING_FORMAT, else simple)
    #[argh(option, short = 'f', arg_name = "NAME")]
    pub format: Option<String>,

    /// show and save at most one sample per server in this time, the latest (default 0: each)
    #[argh(option, arg_name = "D")]
    pub every: Option<String>,

    /// show only these, separated by commas: sample, processes, alert, log, notice, answer, error,
    /// unknown, or the servers' own types and channels
    #[argh(option, arg_name = "LIST")]
    pub only: Option<String>,

    /// auto, always or never (default auto: on a terminal, unless NO_COLOR and the like say no)
    #[argh(option, arg_name = "WHEN")]
    pub color: Option<String>,

    /// the same as --color never
    #[argh(switch)]
    pub no_color: bool,

    /// draw with ASCII only
    #[argh(switch)]
    pub ascii: bool,

    /// draw with Unicode, whatever the locale says
    #[argh(switch)]
    pub unicode: bool,

    /// append every message to FILE, one JSON line each
    #[argh(option, arg_name = "FILE")]
    pub save_data: Option<String>,

    /// start a new FILE at this size, the old one becomes FILE.1 (default 10M; 0: never)
    #[argh(option, arg_name = "BYTES")]
    pub rotate_size: Option<String>,

    /// number of old files kept (default 5)
    #[argh(option, arg_name = "N")]
    pub rotate_keep: Option<String>,

    /// bring each saved line to the disk before going on
    #[argh(switch)]
    pub fsync: bool,

    /// room for messages that the reader of stdout has not taken yet (default 1M)
    #[argh(option, arg_name = "BYTES")]
    pub queue: Option<String>,

    /// when that room is used up: drop the oldest messages, or wait with reading (default drop)
    #[argh(option, arg_name = "WHAT")]
    pub when_full: Option<String>,

    /// keep the last 1000 samples of each server for the statistics
    #[argh(switch)]
    pub history: bool,

    /// stop after this time (default 0: no limit)
    #[argh(option, short = 'd', arg_name = "D")]
    pub duration: Option<String>,

    /// stop after N messages of content, from each server
    #[argh(option, short = 'n', arg_name = "N")]
    pub count: Option<String>,

    /// print statistics at the end
    #[argh(switch, short = 's')]
    pub stats: bool,

    /// log more: debug
    #[argh(switch, short = 'v')]
    pub verbose: bool,

    /// log less: warnings and errors only
    #[argh(switch, short = 'q')]
    pub quiet: bool,

    /// trace, debug, info, warning, error, critical or off (default $MONITORING_LOG_LEVEL, else
    /// info)
    #[argh(option, arg_name = "LEVEL")]
    pub log_level: Option<String>,

    /// log to FILE instead of stderr (default $MONITORING_LOG_FILE)
    #[argh(option, arg_name = "FILE")]
    pub log_file: Option<String>,

    /// start a server on loopback that samples this machine, and watch it
    #[argh(switch)]
    pub demo: bool,

    /// print the version
    // Answered before argh is asked; it stands here for the help.
    #[argh(switch, short = 'V', long = "version")]
    _version: bool,
}

/// One line of [`OPTIONS`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OptionRow {
    pub short: Option<char>,
    /// With its dashes.
    pub long: &'static str,
    /// How help calls the value; none for a switch.
    pub value: Option<&'static str>,
    pub repeatable: bool,
}

/// Every option of the table.
pub fn rows() -> impl Iterator<Item = OptionRow> {
    OPTIONS.lines().map(row)
}

/// The first option for which this is true.
pub fn find(is: &dyn Fn(&OptionRow) -> bool) -> Option<OptionRow> {
    rows().find(|row| is(row))
}

/// The words of [`crate::cli::argv::read`] in their places.
pub fn parse(words: &[String]) -> Result<Args, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Args::from_args(&["wsmon"], &words).map_err(|exit| exit.output.trim().to_owned())
}

/// argh's help, with the names of the values.
pub fn help() -> String {
    let text = Args::from_args(&["wsmon"], &["--help"]).err().map(|exit| exit.output);
    let mut help = String::new();
    for line in text.unwrap_or_default().lines() {
        let (names, rest) = line.split_at(end_of_names(line));
        help.push_str(names);
        if let Some(value) = find(&|row| names.ends_with(row.long)).and_then(|row| row.value) {
            help.push(' ');
            help.push_str(value);
            // Only a short name leaves its description on the same line.
            if !rest.is_empty() {
                help.push_str("\n                    ");
            }
            help.push_str(rest.trim_start());
        } else {
            help.push_str(rest);
        }
        help.push('\n');
    }
    help
}

/// Where the names of the option end that this line of argh's help begins with; 0 if it begins with none.
fn end_of_names(line: &str) -> usize {
    let start = match line.as_bytes() {
        [b' ', b' ', b'-', b'-', ..] => 2,
        [b' ', b' ', b'-', _, b',', b' ', b'-', b'-', ..] => 6,
        _ => return 0,
    };
    line.bytes().skip(start).position(|byte| byte == b' ').map_or(line.len(), |length| start + length)
}

fn row(line: &'static str) -> OptionRow {
    let mut row = OptionRow::default();
    for word in line.split(' ') {
        if word.starts_with("--") {
            row.long = word;
        } else if let Some(letter) = word.strip_prefix('-') {
            row.short = letter.chars().next();
        } else {
            row.repeatable = word.ends_with("...");
            row.value = Some(word.strip_suffix("...").unwrap_or(word));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_list_of_names_says_what_argh_knows() {
        let info = <Args as argh::ArgsInfo>::get_args_info();
        let of_argh = info.flags.iter().map(|flag| OptionRow {
            short: if flag.long == "--help" { Some('h') } else { flag.short },
            long: flag.long,
            value: match flag.kind {
                argh::FlagInfoKind::Switch => None,
                argh::FlagInfoKind::Option { arg_name } => Some(arg_name),
            },
            repeatable: flag.optionality == argh::Optionality::Repeating,
        });
        let by_name = |rows: Vec<OptionRow>| rows.into_iter().map(|row| (row.long, row)).collect::<BTreeMap<_, _>>();
        assert_eq!(by_name(rows().collect()), by_name(of_argh.collect()));
    }

    #[test]
    fn help_lists_every_option_with_its_value_in_80_columns() {
        let help = help();
        for row in rows() {
            let names = match row.short {
                Some(short) => format!("  -{short}, {}", row.long),
                None => format!("  {}", row.long),
            };
            let listed = help.lines().any(|line| match row.value {
                Some(value) => line == format!("{names} {value}"),
                None => line.starts_with(&names),
            });
            assert!(listed, "{names}\n{help}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for format in wsmon::FORMATS {
            assert!(help.contains(format.name), "{}", format.name);
        }
    }
}
