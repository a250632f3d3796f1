//! Saved data as a source of messages in the place of connections.

pub mod line;

use crate::model::api_error::{Error, ErrorKind};
use crate::model::base64;
use crate::model::dialect::Dialect;
use crate::model::event::{ClientState, Message};
use crate::model::server_id::ServerId;
use crate::model::stats::Statistics;
use crate::model::time::Now;
use crate::monitor::clock::{RecordedClock, read_clock};
use crate::monitor::decoder::Decoder;
use crate::monitor::server::Server;

use line::{Content, LineError, SavedLine};

/// The most servers that saved data can be of.
const MAX_SERVERS: usize = 4096;

/// Reads what the command saved with its option `save-data` or wrote in the format `jsonl`: the servers whose messages were saved,
/// each with its decoder. Lines with the same label are of one server.
///
/// It neither opens files nor waits: lines are handed in, and their times are the clock.
///
/// ```
/// use wsmon::{SavedData, Server};
///
/// let file = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas","type":"state","from":"connecting","to":"connected"}
/// {"received_at":"2026-01-02T03:04:06.001Z","server":"nas","type":"monitoring_data","data":{"processor":{"usage_percent":45.2}}}
/// "#;
/// let mut saved = SavedData::new(Server::default());
/// let mut cpus = Vec::new();
/// for line in file.lines() {
///     saved.read(line, |message| cpus.extend(message.sample().and_then(|sample| sample.cpu())))?;
/// }
/// assert_eq!((cpus, saved.statistics().messages_received), (vec![45.2], 1));
/// # Ok::<(), wsmon::Error>(())
/// ```
#[derive(Debug)]
pub struct SavedData {
    decoders: Vec<Decoder>,
    /// The settings of every server.
    server: Server,
    clock: RecordedClock,
    /// The server of the latest line.
    latest: usize,
}

impl SavedData {
    /// Makes it without a server. The settings are those of every one.
    #[must_use]
    pub fn new(server: Server) -> Self {
        SavedData { decoders: Vec::new(), server, clock: RecordedClock::new(read_clock()), latest: 0 }
    }

    /// Decodes a line, and passes on the message or the change of a connection in it. A line of statistics, or about
    /// messages that were dropped, passes nothing on.
    ///
    /// # Errors
    /// If the line is cut, or was not written by the command.
    pub fn read(&mut self, line: &str, mut on_message: impl FnMut(&Message<'_>)) -> Result<(), Error> {
        let mut line = line.as_bytes().to_vec();
        let result = line::parse(&mut line).and_then(|line| {
            self.advance(&line);
            self.decode(&line, &mut on_message)
        });
        match result {
            Err(LineError::Foreign(cause)) => Err(Error::new(ErrorKind::Content, cause.to_owned())),
            Ok(()) | Err(LineError::Gap(_) | LineError::Statistics) => Ok(()),
        }
    }

    /// Returns the number of the server with this label, which is added if it is new; `None` if there are too many.
    ///
    /// Servers usually take turns, so the next one is looked at first.
    #[doc(hidden)]
    pub fn id(&mut self, label: &str) -> Option<ServerId> {
        let count = self.decoders.len();
        let expected = [self.latest + 1, self.latest, 0].into_iter().find(|&index| self.is_labelled(index, label));
        let known = expected.or_else(|| (0..count).find(|&index| self.is_labelled(index, label)));
        if known.is_none() && count == MAX_SERVERS {
            return None;
        }
        if known.is_none() {
            let mut decoder = Decoder::of(&self.server.settings, self.clock.now());
            decoder.label = label.into();
            decoder.id = ServerId::from_index(count);
            self.decoders.push(decoder);
        }
        self.latest = known.unwrap_or(count);
        Some(ServerId::from_index(self.latest))
    }

    fn is_labelled(&self, index: usize, label: &str) -> bool {
        self.decoders.get(index).is_some_and(|decoder| *decoder.label == *label)
    }

    /// Sets the clock to the time of a line. Everything that was due until then is to be done before the line is decoded.
    #[doc(hidden)]
    pub fn advance(&mut self, line: &SavedLine<'_>) -> Now {
        self.clock.advance(line.received_at)
    }

    /// Decodes the message in a line, at the time that the clock is set to, and passes it on.
    ///
    /// # Errors
    /// If the line holds no message, or one that is cut.
    #[doc(hidden)]
    pub fn decode(&mut self, line: &SavedLine<'_>, on_message: &mut dyn FnMut(&Message<'_>)) -> Result<(), LineError> {
        let id = self.id(&line.server).ok_or(LineError::Foreign("more than 4096 servers"))?;
        let (now, decoder) = (self.clock.now(), &mut self.decoders[id.index()]);
        let is_too_large = |len: usize| len > self.server.settings.max_message;
        match &line.content {
            Content::Json(text) if is_too_large(text.len()) => return Err(LineError::Foreign(line::TOO_LARGE)),
            Content::Text(text) if is_too_large(text.len()) => return Err(LineError::Foreign(line::TOO_LARGE)),
            Content::Json(text) => {
                if !decoder.decode_at(now, text, true, on_message) {
                    return Err(LineError::Foreign("the line is cut, or not JSON"));
                }
            }
            Content::Text(text) => drop(decoder.decode_at(now, text, false, on_message)),
            Content::Binary(text) => match base64::decode(text) {
                Some(bytes) => decoder.decode_binary_at(now, &bytes, on_message),
                None => return Err(LineError::Foreign("base64 is not valid")),
            },
            Content::Change(change) => decoder.change_at(now, change.clone(), on_message),
        }
        Ok(())
    }

    /// Returns the largest message accepted, in bytes.
    #[doc(hidden)]
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.server.settings.max_message
    }

    /// Returns the ids of all servers, in the order in which they occurred.
    #[doc(hidden)]
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ServerId> + Clone {
        (0..self.len()).map(ServerId::from_index)
    }

    /// Returns the number of servers.
    #[doc(hidden)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.decoders.len()
    }

    /// Returns true if no server is known.
    #[doc(hidden)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decoders.is_empty()
    }

    /// Returns the time of the latest line.
    #[doc(hidden)]
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Returns the time between the first line and the latest one.
    #[doc(hidden)]
    #[must_use]
    pub fn span(&self) -> std::time::Duration {
        self.clock.now().mono - self.clock.started()
    }

    /// Returns the server's label.
    #[doc(hidden)]
    #[must_use]
    pub fn label(&self, id: ServerId) -> &str {
        &self.decoders[id.index()].label
    }

    /// Returns the server's dialect; `None` if it was not recognised.
    #[doc(hidden)]
    #[must_use]
    pub fn dialect(&self, id: ServerId) -> Option<Dialect> {
        self.decoders[id.index()].dialect()
    }

    /// Returns true if the server can send a kind of event, a message type or a channel of this name; `None` until its
    /// dialect is known.
    #[doc(hidden)]
    #[must_use]
    pub fn can_send(&self, id: ServerId, name: &str) -> Option<bool> {
        self.decoders[id.index()].conversation.can_send(name)
    }

    /// Returns the state of the server's connection by the latest line about it.
    #[doc(hidden)]
    #[must_use]
    pub fn state(&self, id: ServerId) -> ClientState {
        self.decoders[id.index()].recorded_state()
    }

    /// Returns the statistics of a server's lines.
    #[doc(hidden)]
    #[must_use]
    pub fn statistics_of(&self, id: ServerId) -> Statistics {
        self.decoders[id.index()].recorded_statistics(self.clock.now(), self.clock.started())
    }

    /// Returns the statistics of all lines.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut servers = Vec::new();
        for id in self.ids() {
            servers.push((self.label(id).to_owned(), self.statistics_of(id)));
        }
        Statistics::total(servers)
    }
}
