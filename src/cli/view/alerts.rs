//! The rules and commands that what is shown is passed on to, and the alerts that no server has sent.

use std::slice;
use std::sync::Arc;
use std::time::Instant;

use wsmon::{Event, LevelChange, Message, Now, Rule, ServerId};

use super::View;
use crate::cli::fleet::own_message;

impl View {
    /// Passes on what is shown at this time, and shows the alerts that the rules raise for it.
    pub(super) fn observe(&mut self, message: &Message<'_>, at: Instant, print: &mut dyn FnMut(&str)) {
        if let Some(alerts) = &mut self.alerts {
            if message.events.iter().any(|event| matches!(event, Event::Alert(_))) {
                alerts.update(message);
            }
        }
        let Some(fleet) = &mut self.fleet else { return };
        let changes = fleet.update(message, at);
        if let Some(on_alert) = &mut self.on_alert {
            on_alert.note(message, None, &fleet.board);
        }
        let counts = fleet.counts(message);
        self.count(message.id.index(), counts);
        self.show_changes(&changes, Now { mono: at, wall: message.received_at }, print);
    }

    /// Shows alerts that rules have raised. They count like those of servers, one about all servers for each of them. They
    /// are saved where the format has a line for them.
    pub(super) fn show_changes(&mut self, changes: &[LevelChange], now: Now, print: &mut dyn FnMut(&str)) {
        for change in changes {
            let (id, event) = (change.id.unwrap_or(ServerId::NONE), change.event());
            let message = own_message(id, &change.server, now, slice::from_ref(&event));
            self.show_own(&message, Some(&change.rule), print);
        }
    }

    /// Shows the ends of the alerts of a server's own: it tells of none any more.
    pub(super) fn end_alerts(&mut self, id: ServerId, now: Now, print: &mut dyn FnMut(&str)) {
        for nth in 0.. {
            let board = self.alerts.as_ref().or(self.fleet.as_ref().map(|fleet| &fleet.board));
            let row = board.and_then(|board| board.get(id));
            let end = row.and_then(|row| Some((Arc::clone(row.label()), row.alert_end(nth)?.into_owned())));
            let Some((label, alert)) = end else { return };
            self.show_own(&own_message(id, &label, now, &[Event::Alert(alert)]), None, print);
        }
    }

    /// Shows and saves an alert that no server has sent.
    fn show_own(&mut self, message: &Message<'_>, rule: Option<&Rule>, print: &mut dyn FnMut(&str)) {
        self.show_now(message, print);
        if let (Some(on_alert), Some(fleet)) = (&mut self.on_alert, &self.fleet) {
            on_alert.note(message, rule, &fleet.board);
        }
    }
}
