//! The table of options: argh's struct, the help and the tests all come from [`options!`].

use argh::FromArgs;

/// One option of the table.
pub struct OptionRow {
    /// The letters that may stand for `long`.
    pub shorts: &'static [char],
    /// With its dashes.
    pub long: &'static str,
    /// The name of the value in the help; `None` for a switch.
    pub value: Option<&'static str>,
    pub repeatable: bool,
    /// True for a setting of one server, which may stand in a line of `--servers`.
    pub per_server: bool,
    /// The description in the help. `{formats}`, `{dialects}` and `{kinds}` stand for the names in those tables.
    about: &'static str,
    /// The value that was given, where an option has at most one.
    text: fn(&Args) -> Option<&str>,
}

/// Makes [`Args`], which argh parses, and [`OPTIONS`] from one list. An entry has the description for the help as its doc
/// comment, then `switch` or `option` as argh means them, the field, whose name becomes the long name, and its type. A
/// `Vec` makes the option repeatable. `per server` allows it in a line of `--servers`.
///
/// argh's own help does not show the names of values, so [`help`] is written from the rows and argh's is left empty
/// (`hidden_help`). argh could list its options too (`ArgsInfo`), but would store every description twice.
macro_rules! options {
    ($(
        $(#[doc = $about:tt])+
        $kind:ident $field:ident: $type:ident $(<$item:ident>)? $(, short $($short:literal)+)? $(, value $value:tt)?
            $(, per $scope:ident)?;
    )+) => {
        /// Watches servers that send JSON over WebSocket and prints what they say.
        #[derive(FromArgs)]
        #[argh(help_triggers("-h", "--help"))]
        pub struct Args {
            $(
                #[argh($kind, hidden_help)]
                pub $field: $type $(<$item>)?,
            )+
        }

        /// Every option, in the order of the help.
        pub static OPTIONS: &[OptionRow] = &[
            $(OptionRow {
                shorts: &[$($($short),+)?],
                long: {
                    const NAME: &str = concat!("--", stringify!($field));
                    const DASHED: [u8; NAME.len()] = dashed(NAME);
                    match std::str::from_utf8(&DASHED) {
                        Ok(name) => name,
                        Err(_) => NAME,
                    }
                },
                value: optional!($($value)?),
                repeatable: is_vec!($type),
                per_server: is_given!($($scope)?),
                about: concat!($($about),+),
                text: text!($type $field),
            },)+
            answered(&['V'], "--version", "print the version"),
            answered(&['h'], "--help", "print this help"),
        ];
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($value:tt) => {
        Some($value)
    };
}

macro_rules! is_given {
    () => {
        false
    };
    ($scope:ident) => {
        true
    };
}

macro_rules! is_vec {
    (Vec) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! text {
    (Option $field:ident) => {
        |args| args.$field.as_deref()
    };
    ($other:ident $field:ident) => {
        |_| None
    };
}

/// A switch that [`crate::cli::argv::read`] answers before argh parses anything.
const fn answered(shorts: &'static [char], long: &'static str, about: &'static str) -> OptionRow {
    OptionRow { shorts, long, value: None, repeatable: false, per_server: false, about, text: |_| None }
}

/// Replaces `_` by `-`, as argh does in the name of a field.
const fn dashed<const N: usize>(name: &str) -> [u8; N] {
    let mut dashed = [0; N];
    let mut at = 0;
    while at < N {
        dashed[at] = if name.as_bytes()[at] == b'_' { b'-' } else { name.as_bytes()[at] };
        at += 1;
    }
    dashed
}

options! {
    /// server to watch: @FILE reads it from a file, else ws://HOST[:PORT][/PATH] or
    /// HOST[:PORT][/PATH]; NAME= before it is a label; repeatable, and may stand without -u (default
    /// $MONITORING_WEBSOCKET_URI, else ws://localhost:8765)
    option uri: Vec<String>, short 'u', value "URI";

    /// watch the servers in FILE, one per line: the URI as above, then options of this server; SIGHUP
    /// reads FILE again
    option servers: Option<String>, value "FILE";

    /// auto, {dialects} (default auto: recognised by the URI and the first messages)
    option dialect: Option<String>, value "NAME", per server;

    /// one connection per server, then done
    switch no_reconnect: bool;

    /// first wait before a new connection, doubled each time (default 5)
    option reconnect_interval: Option<String>, value "D";

    /// longest such wait (default 60, or the interval if that is longer)
    option reconnect_cap: Option<String>, value "D";

    /// give up after N reconnections in a row without a useful session (default: never; 0: at once)
    option max_reconnects: Option<String>, value "N";

    /// time limit for name, connection, TLS and upgrade together (default 10)
    option connect_timeout: Option<String>, value "D";

    /// ping a server this often (default 30; 0: never)
    option ping_interval: Option<String>, value "D";

    /// end a connection whose server does not answer a ping within this time (default 10)
    option ping_timeout: Option<String>, value "D";

    /// reconnect when pings are answered but no message came for this long (default auto; 0: never)
    option stale_after: Option<String>, value "D", per server;

    /// largest message accepted; a larger one ends the connection (default 4M)
    option max_message: Option<String>, value "BYTES", per server;

    /// accept texts that are not UTF-8, with U+FFFD in place of what is wrong
    switch lossy_utf8: bool, per server;

    /// do not let servers compress their messages
    switch no_compression: bool;

    /// header of the request: @FILE with one per line, or 'NAME: VALUE'; repeatable
    option header: Vec<String>, short 'H', value "HEADER", per server;

    /// read the token or secret from FILE, again before every connection (default
    /// $MONITORING_TOKEN, which is the token itself)
    option token_file: Option<String>, value "FILE", per server;

    /// trust the certificates in FILE instead of the system's
    option ca_file: Option<String>, value "FILE", per server;

    /// certificate to show to the server, with --key
    option cert: Option<String>, value "FILE", per server;

    /// private key of --cert
    option key: Option<String>, value "FILE", per server;

    /// name that the server's certificate must have (default: the host)
    option tls_name: Option<String>, value "NAME", per server;

    /// accept any certificate: whoever is in between can read and change everything
    switch insecure: bool, short 'k', per server;

    /// HTTP proxy (default $https_proxy, $http_proxy, $all_proxy, unless $no_proxy)
    option proxy: Option<String>, value "URL", per server;

    /// follow at most N redirects in a row (default 5; 0: none)
    option max_redirects: Option<String>, value "N", per server;

    /// subprotocols to offer, separated by commas
    option subprotocol: Option<String>, value "LIST", per server;

    /// IPv4 only
    switch ipv4: bool, short '4', per server;

    /// IPv6 only
    switch ipv6: bool, short '6', per server;

    /// channels or event types to ask for, separated by commas (default: the dialect's)
    option subscribe: Option<String>, value "LIST", per server;

    /// processes to show, by name or id, separated by commas (pmdaemon)
    option process: Option<String>, value "LIST", per server;

    /// period to ask for, and of lists of processes without a change (pmdaemon)
    option interval: Option<String>, value "D", per server;

    /// send a request of the dialect on every connection; @FILE in place of JSON reads it from a file;
    /// repeatable
    option request: Vec<String>, value "TYPE[=JSON]", per server;

    /// send the requests again and again (default: once per connection)
    option request_every: Option<String>, value "D", per server;

    /// how long an answer may take (default 5)
    option request_timeout: Option<String>, value "D", per server;

    /// send TEXT unchanged when a connection opens, or the content of @FILE; @@ begins a text with @;
    /// repeatable
    option send: Vec<String>, value "TEXT", per server;

    /// send TEXT for each JSON ping, %id stands for its ping id (fastpluggy)
    option heartbeat_reply: Option<String>, value "TEXT", per server;

    /// read FILE, which --save-data wrote, instead of watching servers; - is standard input;
    /// repeatable, older files first
    option read: Vec<String>, value "FILE";

    /// {formats} (default $MONITORING_FORMAT, else simple)
    option format: Option<String>, short 'f', value "NAME";

    /// print TEXT for each sample instead of a format, with the value in place of {NAME}, such as
    /// '{server} {cpu}'; \n is a line feed, {{ a brace
    option template: Option<String>, value "TEXT";

    /// begin every line of simple and compact with the time of receipt
    switch time: bool;

    /// draw the latest message of each server in place, on a terminal
    switch live: bool;

    /// show and save at most one sample and one process list per server in this time, the
    /// latest (default 0: each); table is shown as often (default 1 on a terminal, else 1m)
    option every: Option<String>, value "D";

    /// show the mean of the samples in the time of --every instead of the latest
    switch average: bool;

    /// show only these, separated by commas: {kinds}, or the servers' own types and channels
    option only: Option<String>, value "LIST";

    /// alert when a value leaves its range: NAME=RANGE[/D] or RANGE, separated by commas, such as
    /// cpu=80,memory_available=1G:,up=1:/2m; NAME.mean, .max, .min and .sum are over all servers;
    /// repeatable
    option warning: Vec<String>, short 'w', value "LIST", per server;

    /// the same for critical alerts
    option critical: Vec<String>, short 'c', value "LIST", per server;

    /// look once and report as a monitoring plugin does: one line with performance data, and status 0
    /// OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN
    switch check: bool;

    /// auto, always or never (default auto: on a terminal, unless NO_COLOR or the like forbids it)
    option color: Option<String>, value "WHEN";

    /// the same as --color never
    switch no_color: bool;

    /// draw with ASCII only
    switch ascii: bool;

    /// draw with Unicode, whatever the locale says
    switch unicode: bool;

    /// append every message to FILE
    option save_data: Option<String>, value "FILE";

    /// save as jsonl, events, csv or influx (default jsonl)
    option save_format: Option<String>, value "NAME";

    /// collect saved lines in memory, as many bytes as --queue, and write them together this often; a
    /// signal and the end of the run write them too (default 0: each at once)
    option flush_every: Option<String>, value "D";

    /// start a new FILE at this size, the old one becomes FILE.1 (default 10M; 0: never)
    option rotate_size: Option<String>, value "BYTES";

    /// number of old files kept (default 5)
    option rotate_keep: Option<String>, value "N";

    /// write each saved line to the disk before going on
    switch fsync: bool;

    /// keep the latest values in FILE, whose name ends in .prom, for Prometheus' node_exporter
    option textfile: Option<String>, value "FILE";

    /// answer HTTP requests for /metrics, as --textfile writes them, /healthz, /livez and /readyz, on
    /// PORT of this machine's loopback, or ADDRESS:PORT
    option listen: Option<String>, value "ADDRESS";

    /// buffer for messages that the reader of stdout has not read yet (default 1M)
    option queue: Option<String>, value "BYTES";

    /// when that buffer is full: drop the oldest messages, or wait: stop reading from servers (default
    /// drop)
    option when_full: Option<String>, value "WHAT";

    /// keep the last 1000 samples of each server for the statistics
    switch history: bool;

    /// stop after this time (default 0: no limit)
    option duration: Option<String>, short 'd' 't', value "D";

    /// stop after N messages of content, from each server
    option count: Option<String>, short 'n', value "N";

    /// succeed only if so many servers delivered, or all (default 1)
    option require: Option<String>, value "N";

    /// print statistics at the end
    switch stats: bool, short 's';

    /// print statistics this often (default 0: never)
    option stats_every: Option<String>, value "D";

    /// log more: debug; given twice also each step of connecting
    switch verbose: u8, short 'v';

    /// log less: warnings and errors only
    switch quiet: bool, short 'q';

    /// trace, debug, info, warning, error, critical or off (default $MONITORING_LOG_LEVEL, else
    /// info)
    option log_level: Option<String>, value "LEVEL";

    /// log to FILE instead of stderr (default $MONITORING_LOG_FILE)
    option log_file: Option<String>, value "FILE";

    /// write the log as text or json, an object per line (default text)
    option log_format: Option<String>, value "NAME";

    /// try the usual ports and paths of HOST for 5 s, and print what came of each
    option probe: Option<String>, value "HOST";

    /// start a server on loopback that samples this machine, and watch it
    switch demo: bool;
}

/// Finds the first option that `is` holds for.
pub fn find(is: &dyn Fn(&OptionRow) -> bool) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| is(row))
}

impl Args {
    /// The value of the option with this long name, where it has at most one.
    pub fn text(&self, long: &str) -> Option<&str> {
        find(&|row| row.long == long).and_then(|row| (row.text)(self))
    }
}

/// Parses the words that [`crate::cli::argv::read`] returns.
pub fn parse(words: &[String]) -> Result<Args, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Args::from_args(&["wsmon"], &words).map_err(|exit| exit.output.trim().to_owned())
}

const HELP_HEAD: &str = "\
Usage: wsmon [OPTIONS] [URI ...]

Watches servers that send JSON over WebSocket and prints what they say.

Options:
";

const HELP_NOTES: &str = "
Notes:
  D is a number of seconds (60, 0.5) or has units (500ms, 5m, 1h30m).
  BYTES may end in K, M or G (1024).
  $WSMON_OPTIONS holds options that come before those of the command line.
  Exit status: 0 received something, 1 did not, 2 usage, 3 a local file failed.
  More in the manual: man wsmon
";

/// Columns of the help.
const WIDTH: usize = 80;
/// The column at which descriptions begin.
const INDENT: usize = 20;

/// The text of `--help`.
pub fn help() -> String {
    let mut help = HELP_HEAD.to_owned();
    for row in OPTIONS {
        let mut line = names(row);
        if let Some(value) = row.value {
            line.push(' ');
            line.push_str(value);
        }
        if row.value.is_some() || line.len() + 2 > INDENT {
            help.push_str(&line);
            help.push('\n');
            line.clear();
        }
        for word in about(row).split_whitespace() {
            if line.len() > INDENT && line.len() + 1 + word.len() > WIDTH {
                help.push_str(&line);
                help.push('\n');
                line.clear();
            }
            while line.len() < INDENT {
                line.push(' ');
            }
            if line.len() > INDENT {
                line.push(' ');
            }
            line.push_str(word);
        }
        help.push_str(&line);
        help.push('\n');
    }
    help.push_str(HELP_NOTES);
    help
}

/// The names of an option as the help begins its line: `  -f, --format`.
fn names(row: &OptionRow) -> String {
    let mut names = String::from("  ");
    for short in row.shorts {
        names.extend(['-', *short, ',', ' ']);
    }
    names + row.long
}

/// The description of an option with the names that it refers to.
fn about(row: &OptionRow) -> String {
    let about = row.about.replace("{formats}", &formats()).replace("{dialects}", &dialects());
    about.replace("{kinds}", &join(&mut wsmon::Event::KINDS.iter().copied()))
}

/// The names of the formats, separated by commas.
pub fn formats() -> String {
    join(&mut wsmon::FORMATS.iter().map(|format| format.name))
}

/// The names of the dialects, separated by commas.
pub fn dialects() -> String {
    join(&mut wsmon::dialects().map(|(name, _)| name))
}

fn join(names: &mut dyn Iterator<Item = &'static str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argh_knows_every_row_and_whether_it_takes_a_value() {
        for row in OPTIONS.iter().filter(|row| !["--version", "--help"].contains(&row.long)) {
            let mut words = vec![row.long.to_owned()];
            words.extend(row.value.map(str::to_owned));
            assert!(parse(&words).is_ok(), "{words:?}");
            let twice = [words.clone(), words].concat();
            assert_eq!(parse(&twice).is_ok(), row.repeatable || row.value.is_none(), "{twice:?}");
        }
    }

    #[test]
    fn help_lists_every_option_with_its_value_in_80_columns() {
        let help = help();
        for row in OPTIONS {
            let names = names(row);
            let listed = help.lines().any(|line| match row.value {
                Some(value) => line == format!("{names} {value}"),
                None => line.starts_with(&names),
            });
            assert!(listed, "{names}\n{help}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn help_names_every_format_dialect_and_kind_of_event() {
        let help = help();
        let words: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let names = wsmon::FORMATS.iter().map(|format| format.name);
        let names = names.chain(wsmon::dialects().map(|(name, _)| name)).chain(wsmon::Event::KINDS.iter().copied());
        for name in names {
            assert!(words.contains(&name), "{name}");
        }
        assert!(!["{formats}", "{dialects}", "{kinds}"].iter().any(|name| help.contains(name)), "{help}");
    }
}
