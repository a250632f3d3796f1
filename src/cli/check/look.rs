//! Collects the outcome of a check from the monitor.

use wsmon::SavedData;
use wsmon::{ClientState, Dialect, Fault, Monitor, ServerId};

use super::Look;
use crate::cli::fleet::Fleet;

/// Returns the outcome for each server, for `fleet` as it was before the connections were closed. `waited` is the time
/// that the check had; `is_complete` tells which servers sent all that was asked for.
pub fn look(monitor: &Monitor, fleet: &Fleet, waited: &str, is_complete: &dyn Fn(ServerId) -> bool) -> Vec<Look> {
    let mut looks = Vec::new();
    for id in monitor.ids() {
        let checked = fleet.checked(id);
        let failure = if is_complete(id) { None } else { failure(monitor, fleet, id, waited) };
        // To the generic dialect every text is a message.
        let undecoded = monitor.statistics_of(id).undecoded > 0
            && !checked.has_content
            && monitor.dialect(id) != Some(Dialect::Generic);
        looks.push(Look { id, failure, undecoded, at: checked.judged_at.unwrap_or(monitor.now().mono) });
    }
    looks
}

/// Returns the reason for which a server delivered nothing, or has not delivered all and is gone.
fn failure(monitor: &Monitor, fleet: &Fleet, id: ServerId, waited: &str) -> Option<String> {
    if fleet.board.get(id).is_some_and(|row| row.is_up()) {
        return monitor.nothing_delivered(id);
    }
    match monitor.last_disconnect(id) {
        // The end of the check ended a dial.
        Some(why) if why.fault == Some(Fault::Stopped) => Some(format!("no answer within {waited}: {why}")),
        Some(why) => Some(why.to_string()),
        None => monitor.nothing_delivered(id),
    }
}

/// Returns the outcome for each server of saved data, by its last line. A run that ended has left its connections, which is
/// no failure of the servers.
pub fn look_at_saved(saved: &SavedData, fleet: &Fleet) -> Vec<Look> {
    let mut looks = Vec::new();
    for id in saved.ids() {
        let statistics = saved.statistics_of(id);
        let is_down = matches!(saved.state(id), ClientState::Reconnecting | ClientState::Error);
        let cause = statistics.last_error.filter(|_| is_down);
        let checked = fleet.checked(id);
        let undecoded = statistics.undecoded > 0 && !checked.has_content && saved.dialect(id) != Some(Dialect::Generic);
        let failure = cause.or(statistics.nothing_delivered);
        looks.push(Look { id, failure, undecoded, at: checked.judged_at.unwrap_or(saved.now().mono) });
    }
    looks
}
