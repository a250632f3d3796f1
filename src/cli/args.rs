//! The table of options, from which the parser, the help and the tests all read, and the parser.

use std::sync::LazyLock;

use argh::{ParseFlag, ParseStructOption, ParseStructOptions, ParseStructPositionals, ParseValueSlot};

/// One option of the table.
pub struct OptionRow {
    /// The letters that may stand for `long`.
    pub shorts: &'static [char],
    /// With its dashes.
    pub long: &'static str,
    /// The name of the value in the help; `None` for a switch.
    pub value: Option<&'static str>,
    /// True if the value may be left out, and is given as `--opt=VALUE` only.
    pub value_is_optional: bool,
    pub repeatable: bool,
    /// True for a setting of one server, which may stand in a line of `--servers`.
    pub per_server: bool,
    /// The heading in the help, and in the manual.
    pub group: &'static str,
    /// The description in the help. `{formats}`, `{dialects}` and `{kinds}` stand for the names in those tables.
    pub about: &'static str,
}

/// Makes [`OPTIONS`]. An entry has the description for the help as its doc comment, then `switch`, `option` for one value,
/// `maybe` for one that may be left out, or `list` for a repeatable one, and the long name with `_` for `-`. `per server`
/// allows it in a line of `--servers`. A name with a colon begins a group.
///
/// argh's derive would make a field, a slot and the code to move one into the other for each of them, 11 KB in all:
/// [`Args`] fills one kind of slot for all. argh's own help does not show the names of values, so `help.rs` writes it from
/// the rows.
macro_rules! options {
    ($($group:ident: $(
        $(#[doc = $about:tt])+
        $kind:ident $name:ident $(, short $($short:literal)+)? $(, value $value:tt)? $(, per $scope:ident)?;
    )+)+) => {
        /// Every option, in the order of the help.
        pub static OPTIONS: &[OptionRow] = &[
            $($(OptionRow {
                shorts: &[$($($short),+)?],
                long: {
                    const NAME: &str = concat!("--", stringify!($name));
                    const DASHED: [u8; NAME.len()] = dashed(NAME);
                    match std::str::from_utf8(&DASHED) {
                        Ok(name) => name,
                        Err(_) => NAME,
                    }
                },
                value: optional!($($value)?),
                value_is_optional: is_maybe!($kind),
                repeatable: is_list!($kind),
                per_server: is_given!($($scope)?),
                group: stringify!($group),
                about: concat!($($about),+),
            },)+)+
            answered(&['h'], "--help", "print all options; -h prints the most used ones"),
            answered(&['V'], "--version", "print the version"),
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

macro_rules! is_list {
    (list) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! is_maybe {
    (maybe) => {
        true
    };
    ($other:ident) => {
        false
    };
}

/// A switch that [`crate::cli::argv::read`] answers before argh parses anything.
const fn answered(shorts: &'static [char], long: &'static str, about: &'static str) -> OptionRow {
    let (group, per_server) = ("Others", false);
    OptionRow { shorts, long, value: None, value_is_optional: false, repeatable: false, per_server, group, about }
}

/// Replaces `_` by `-`.
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
    Servers:

    /// server to watch: @FILE reads it from a file, else ws://HOST[:PORT][/PATH] or
    /// HOST[:PORT][/PATH]; NAME= before it is a label; repeatable, and may stand without -u (default
    /// $MONITORING_WEBSOCKET_URI, else ws://localhost:8765)
    list uri, short 'u', value "URI";

    /// watch the servers in FILE, one per line: the URI as above, then options of this server; SIGHUP
    /// reads FILE again
    option servers, value "FILE";

    /// auto, {dialects} (default auto: recognised by the URI and the first messages)
    option dialect, value "NAME", per server;

    /// read the token or secret from FILE, again before every connection (default
    /// $MONITORING_TOKEN, which is the token itself)
    option token_file, value "FILE", per server;

    /// header of the request: @FILE with one per line, or 'NAME: VALUE'; repeatable
    list header, short 'H', value "HEADER", per server;

    /// IPv4 only
    switch ipv4, short '4', per server;

    /// IPv6 only
    switch ipv6, short '6', per server;

    /// HTTP proxy (default $https_proxy, $http_proxy, $all_proxy, unless $no_proxy)
    option proxy, value "URL", per server;

    /// trust the certificates in FILE instead of the system's
    option ca_file, value "FILE", per server;

    /// client certificate, with --key
    option cert, value "FILE", per server;

    /// private key of --cert
    option key, value "FILE", per server;

    /// name that the server's certificate must have (default: the host)
    option tls_name, value "NAME", per server;

    /// accept any certificate: whoever is in between can read and change everything
    switch insecure, short 'k', per server;

    /// try the usual ports and paths of HOST for 5 s, and print what came of each
    option probe, value "HOST";

    /// start a server on loopback that samples this machine, and watch it; with =fleet five servers of
    /// the five systems, with alerts, logs, processes and an outage
    maybe demo, value "fleet";

    Connections:

    /// one connection per server, then done
    switch no_reconnect;

    /// first wait before a new connection, doubled each time (default 5)
    option reconnect_interval, value "D";

    /// longest such wait (default 60, or the interval if that is longer)
    option reconnect_cap, value "D";

    /// give up after N reconnections in a row without a useful session (default: never; 0: at once)
    option max_reconnects, value "N";

    /// follow at most N redirects in a row (default 5; 0: none)
    option max_redirects, value "N", per server;

    /// subprotocols to offer, separated by commas
    option subprotocol, value "LIST", per server;

    /// time limit for name, connection, TLS and upgrade together (default 10)
    option connect_timeout, value "D";

    /// ping a server this often (default 30; 0: never)
    option ping_interval, value "D";

    /// end a connection whose server does not answer a ping within this time (default 10)
    option ping_timeout, value "D";

    /// reconnect when pings are answered but no message came for this long (default auto; 0: never)
    option stale_after, value "D", per server;

    /// largest message accepted; a larger one ends the connection (default 4M)
    option max_message, value "BYTES", per server;

    /// accept texts that are not UTF-8, with U+FFFD in place of what is wrong
    switch lossy_utf8, per server;

    /// do not let servers compress their messages
    switch no_compression;

    Requests:

    /// channels or event types to ask for, separated by commas (default: the dialect's)
    option subscribe, value "LIST", per server;

    /// processes to show, by name or id, separated by commas (pmdaemon)
    option process, value "LIST", per server;

    /// show an unchanged list of processes only so often, and ask for that (pmdaemon)
    option interval, value "D", per server;

    /// send a request of the dialect on every connection; @FILE in place of JSON reads it from a file;
    /// repeatable
    list request, value "TYPE[=JSON]", per server;

    /// send the requests again and again (default: once per connection)
    option request_every, value "D", per server;

    /// how long an answer may take (default 5)
    option request_timeout, value "D", per server;

    /// send TEXT unchanged when a connection opens, or the content of @FILE; @@ begins a text with @;
    /// repeatable
    list send, value "TEXT", per server;

    /// send TEXT for each JSON ping, %id stands for its ping id (fastpluggy)
    option heartbeat_reply, value "TEXT", per server;

    Output:

    /// {formats} (default $MONITORING_FORMAT, else simple)
    option format, short 'f', value "NAME";

    /// print TEXT for each sample instead of a format, with the value in place of {NAME}, such as
    /// '{server} {cpu}'; \n is a line feed, {{ a brace
    option template, value "TEXT";

    /// show and save at most one sample and one process list per server in this time, the
    /// latest (default 0: each); table is shown as often (default 1 on a terminal, else 1m)
    option every, value "D";

    /// show the mean of the samples in the time of --every instead of the latest
    switch average;

    /// begin every line of simple and compact with the time of receipt
    switch time;

    /// draw the latest message of each server in place, on a terminal
    switch live;

    /// show only these, separated by commas: {kinds}, or the servers' own types and channels
    option only, value "LIST";

    /// auto, always or never (default auto: on a terminal, unless NO_COLOR or the like forbids it)
    option color, value "WHEN";

    /// the same as --color never
    switch no_color;

    /// draw with ASCII only
    switch ascii;

    /// draw with Unicode, whatever the locale says
    switch unicode;

    /// stop after this time (default 0: no limit)
    option duration, short 'd' 't', value "D";

    /// stop after N messages of content, from each server
    option count, short 'n', value "N";

    /// succeed only if N servers delivered, or all (default 1)
    option require, value "N";

    /// print statistics at the end
    switch stats, short 's';

    /// print statistics this often (default 0: never)
    option stats_every, value "D";

    /// keep the last 1000 samples of each server for the statistics
    switch history;

    /// buffer for messages that the reader of stdout has not read yet (default 1M)
    option queue, value "BYTES";

    /// when that buffer is full: drop the oldest messages, or wait: stop reading from servers (default
    /// drop)
    option when_full, value "WHAT";

    Rules:

    /// alert when a value leaves its range: NAME=RANGE[/D] or RANGE, separated by commas, such as
    /// cpu=80,memory_available=1G:,up=1:/2m; NAME.mean, .max, .min and .sum are over all servers;
    /// repeatable
    list warning, short 'w', value "LIST", per server;

    /// the same for critical alerts
    list critical, short 'c', value "LIST", per server;

    /// run CMD with /bin/sh when an alert begins, changes or ends: its text is the standard input, its
    /// parts are $WSMON_LEVEL and the like; adds -c up=1:/2m if no rule is about up
    option on_alert, value "CMD";

    /// look once and report as a monitoring plugin does: one line with performance data, and status 0
    /// OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN
    switch check;

    Files:

    /// read FILE, which --save-data wrote, instead of watching servers; - is standard input;
    /// repeatable, older files first
    list read, value "FILE";

    /// append every message to FILE
    option save_data, value "FILE";

    /// save as jsonl, events, csv or influx (default jsonl)
    option save_format, value "NAME";

    /// collect saved lines in memory, as many bytes as --queue, and write them together this often; a
    /// signal and the end of the run write them too (default 0: each at once)
    option flush_every, value "D";

    /// start a new FILE at this size, the old one becomes FILE.1 (default 10M; 0: never)
    option rotate_size, value "BYTES";

    /// number of old files kept (default 5)
    option rotate_keep, value "N";

    /// write each saved line to the disk before going on
    switch fsync;

    /// keep the latest values in FILE, whose name ends in .prom, for Prometheus' node_exporter
    option textfile, value "FILE";

    /// answer HTTP requests for /metrics, /healthz, /livez and /readyz, at PORT of loopback or at
    /// ADDRESS:PORT
    option listen, value "ADDRESS";

    /// log to FILE instead of stderr (default $MONITORING_LOG_FILE)
    option log_file, value "FILE";

    Log:

    /// log more: debug; given twice also each step of connecting
    switch verbose, short 'v';

    /// log less: warnings and errors only
    switch quiet, short 'q';

    /// trace, debug, info, warning, error, critical or off (default $MONITORING_LOG_LEVEL, else
    /// info)
    option log_level, value "LEVEL";

    /// write the log as text or json, an object per line (default text)
    option log_format, value "NAME";
}

/// Finds the first option that `is` holds for.
pub fn find(is: &dyn Fn(&OptionRow) -> bool) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| is(row))
}

/// The values of every option, as argh read them.
pub struct Args(Vec<Values>);

/// Those of one option, in the order given. A switch has an empty one for each time.
#[derive(Default)]
struct Values(Vec<String>);

impl ParseFlag for Values {
    fn set_flag(&mut self, _name: &str) {
        self.0.push(String::new());
    }
}

impl ParseValueSlot for Values {
    fn fill_slot(&mut self, _name: &str, value: &str) -> Result<(), String> {
        self.0.push(value.to_owned());
        Ok(())
    }
}

impl Args {
    /// The values of the option with this long name, in the order given.
    pub fn values(&self, long: &str) -> &[String] {
        let at = OPTIONS.iter().position(|row| row.long == long);
        debug_assert!(at.is_some(), "{long}");
        at.and_then(|at| self.0.get(at)).map_or(&[], |values| &values.0)
    }

    /// The value of an option that has at most one.
    pub fn text(&self, long: &str) -> Option<&str> {
        self.values(long).first().map(String::as_str)
    }

    pub fn has(&self, long: &str) -> bool {
        !self.values(long).is_empty()
    }
}

/// Parses the words that [`crate::cli::argv::read`] returns.
pub fn parse(words: &[String]) -> Result<Args, String> {
    static SLOT_OF: LazyLock<Vec<(&'static str, usize)>> =
        LazyLock::new(|| OPTIONS.iter().enumerate().map(|(at, row)| (row.long, at)).collect());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut values: Vec<Values> = OPTIONS.iter().map(|_| Values::default()).collect();
    let mut slots = Vec::new();
    for (row, values) in OPTIONS.iter().zip(&mut values) {
        slots.push(match row.value {
            Some(_) => ParseStructOption::Value(values),
            None => ParseStructOption::Flag(values),
        });
    }
    let options = ParseStructOptions { arg_to_slot: &SLOT_OF, slots: &mut slots, help_triggers: &[] };
    let positionals = ParseStructPositionals { positionals: &mut [], last_is_repeating: false, last_is_greedy: false };
    match argh::parse_struct_args(&[], &words, options, positionals, None, &String::new) {
        Ok(()) => Ok(Args(values)),
        Err(exit) => Err(exit.output.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argh_knows_every_row_and_whether_it_takes_a_value() {
        for row in OPTIONS.iter().filter(|row| !["--version", "--help"].contains(&row.long)) {
            let mut words = vec![row.long.to_owned()];
            words.extend(row.value.map(str::to_owned));
            let twice = [words.clone(), words].concat();
            let values = parse(&twice).map(|args| args.values(row.long).to_vec());
            assert_eq!(values, Ok(vec![row.value.unwrap_or_default().to_owned(); 2]), "{twice:?}");
        }
    }
}
