//! The places of servers, and the options that must not be shared by several of them.

use super::values::{file, value_error};
use super::{Env, Plan, check, places, variable};
use crate::cli::args::Args;

/// The number of servers of `--demo=fleet`.
const FLEET: usize = 5;

/// Reads the places of servers, and refuses options that would send one credential to several of them.
pub(super) fn read_uris(plan: &mut Plan, args: &Args, env: Env) -> Result<(), String> {
    plan.uris = args.values("--uri").to_vec();
    plan.read = args.values("--read").to_vec();
    if plan.read.iter().any(String::is_empty) {
        return Err(value_error("--read", "", "no file is named"));
    }
    plan.demo = match args.text("--demo") {
        None => 0,
        Some("") => 1,
        Some("fleet") => FLEET,
        Some(text) => return Err(value_error("--demo", text, "--demo or --demo=fleet")),
    };
    if let Some(text) = args.text("--servers") {
        plan.servers = Some(file(text).map_err(|why| value_error("--servers", text, &why))?);
    }
    let names_servers = !plan.uris.is_empty() || plan.servers.is_some();
    if let Some(text) = args.text("--probe") {
        plan.uris_from = "--probe";
        if plan.demo > 0 || names_servers {
            return Err("--probe looks for servers on one host: leave out the others".to_owned());
        }
        check::refuse_with_probe(args)?;
        let host = places::host(text).map_err(|why| value_error("--probe", text, &why))?;
        plan.uris = places::uris(&host);
        plan.probe = Some(host);
    } else if plan.demo > 0 {
        plan.uris_from = "--demo";
        if names_servers {
            return Err("--demo watches servers of its own: leave out the others".to_owned());
        }
    } else if !names_servers && plan.read.is_empty() {
        if let Some(uri) = variable("$MONITORING_WEBSOCKET_URI", env)? {
            plan.uris_from = "$MONITORING_WEBSOCKET_URI";
            plan.uris.push(uri);
        }
    }
    for (option, given) in [
        ("--token-file", args.has("--token-file")),
        ("--header", args.has("--header")),
        ("--send @FILE", args.values("--send").iter().any(|text| names_file(text))),
        (
            "--request TYPE=@FILE",
            args.values("--request")
                .iter()
                .any(|request| request.split_once('=').is_some_and(|(_, json)| names_file(json))),
        ),
        ("--cert", args.has("--cert")),
        ("the user information of --proxy", args.text("--proxy").is_some_and(|url| url.contains('@'))),
    ] {
        if given {
            refuse_shared_credential(plan, option)?;
        }
    }
    Ok(())
}

/// Returns true for `@FILE`, but not for a text that begins with an `@`, which is written `@@`.
fn names_file(text: &str) -> bool {
    text.starts_with('@') && !text.starts_with("@@")
}

/// A credential must not be sent to the wrong server.
pub(super) fn refuse_shared_credential(plan: &Plan, option: &str) -> Result<(), String> {
    if plan.servers.is_some() {
        return Err(format!(
            "{option} would be sent to all of the servers: in the file of --servers, each has its own"
        ));
    }
    if plan.uris.len() < 2 {
        return Ok(());
    }
    Err(format!("{option} would be sent to all of the servers: watch one server at a time with it"))
}
