//! The lines of a message: their formatting, and the one way out.

use std::borrow::Cow;
use std::time::Instant;

use wsmon::{Dialect, Event, Message, Raw, ServerId};

use super::frames::put;
use super::{View, ViewOptions};

/// Capacity above this is given back after each message.
const KEPT_CAPACITY: usize = 64 << 10;

/// The lines of a message, or of a part of one.
#[derive(Default)]
pub struct Lines {
    /// For stdout; empty if `--only` does not select the message.
    shown: String,
    /// For the saved data; empty if none is kept.
    saved: String,
    /// There is something to see that counts towards `--count`.
    pub counts: bool,
    /// There is an answer among the events.
    pub has_answer: bool,
    /// As so many messages they count in the saved data.
    pub messages: u64,
}

impl Lines {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.saved.is_empty()
    }
}

impl View {
    /// Formats events of a message for stdout and for the saved data; `None` leaves no lines there. They take the place
    /// of the lines before.
    pub(super) fn format_lines(
        &mut self,
        message: &Message<'_>,
        shown: Option<&[Event<'_>]>,
        saved: Option<&[Event<'_>]>,
    ) {
        let View { options, data, data_format, lines, .. } = self;
        lines.shown.clear();
        lines.saved.clear();
        (lines.counts, lines.has_answer) = (false, false);
        if let Some(events) = shown {
            lines.counts = push_selected(&mut lines.shown, message, events, options);
            lines.has_answer = events.iter().any(|event| matches!(event, Event::Answer(_)));
        }
        if let (Some(events), Some(_)) = (saved, data) {
            (data_format.write)(&mut lines.saved, &message.with_events(events), &options.style);
        }
        lines.messages = u64::from(!matches!(message.raw, Raw::None));
    }

    /// Counts, shows and saves the lines of a message that was received then: every line about a message leaves here.
    pub(super) fn emit_lines(&mut self, id: ServerId, received_at: Instant, now: Instant, print: &mut dyn FnMut(&str)) {
        self.count_lines(id);
        let View { data, frames, lines, latest_at, .. } = self;
        put(frames, id.index(), &lines.shown, print);
        if !lines.is_empty() {
            *latest_at = (*latest_at).max(Some(received_at));
        }
        if let Some(data) = data.as_mut().filter(|_| !lines.saved.is_empty()) {
            data.write(lines.saved.trim_end_matches('\n'), lines.messages, now);
            lines.saved.shrink_to(KEPT_CAPACITY);
        }
        lines.shown.shrink_to(KEPT_CAPACITY);
    }
}

/// Appends the lines of those of the events that `--only` selects. Returns true if they count: a message that leaves
/// nothing to see does not, such as an unchanged list of processes, nor one that the dialect does not know, unless
/// `--only` asks for it.
///
/// Formats for people show a change of a connection only where `--only` names it: the log tells them of it. Those for
/// programs have a line for a gap.
fn push_selected(out: &mut String, message: &Message<'_>, events: &[Event<'_>], options: &ViewOptions) -> bool {
    let ViewOptions { format, style, filter, .. } = options;
    let selected = match filter {
        Some(filter) => filter.select(&message.with_events(events)),
        None if format.gap.is_none() && matches!(events, [Event::State(_)]) => None,
        None => Some(Cow::Borrowed(events)),
    };
    let Some(events) = selected else { return false };
    let message = message.with_events(&events);
    match &options.template {
        Some(template) => template.write(out, &message, style),
        None => (format.write)(out, &message, style),
    }
    let counts = |event: &Event<'_>| event.is_content() && (filter.is_some() || !is_foreign(event, message.dialect));
    events.iter().any(counts) && !out.is_empty()
}

/// Returns true for a message that the server's dialect does not know: it may be another kind of server. A generic server
/// sends no others.
fn is_foreign(event: &Event<'_>, dialect: Dialect) -> bool {
    matches!(event, Event::Unknown(_)) && dialect != Dialect::Generic
}
