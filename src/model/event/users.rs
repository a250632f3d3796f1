//! The users of a host, as events.

use std::borrow::Cow;
use std::time::Duration;

/// Users of a host, and their shares of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Users<'a> {
    /// The users, in the server's order.
    pub list: Vec<User<'a>>,
    /// True if they are those that an alert names because they have used too much for some time.
    pub persistent: bool,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// One user. Values that the server does not send are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// Processor use in per cent.
    pub cpu: Option<f64>,
    /// Memory use in per cent.
    pub memory: Option<f64>,
    /// The number of processes.
    pub processes: Option<i64>,
    /// The metric of which a persistent user uses too much: `cpu`, `memory`; empty if unknown.
    pub metric: Cow<'a, str>,
    /// The time from which a persistent user has used too much, as the server writes it.
    pub since: Option<Cow<'a, str>>,
    /// The time for which a persistent user has used too much.
    pub lasted: Option<Duration>,
}

impl Users<'_> {
    pub(super) fn into_owned(self) -> Users<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let user = |user: User<'_>| User {
            name: owned(user.name),
            metric: owned(user.metric),
            since: user.since.map(owned),
            cpu: user.cpu,
            memory: user.memory,
            processes: user.processes,
            lasted: user.lasted,
        };
        Users { list: self.list.into_iter().map(user).collect(), persistent: self.persistent, at: self.at.map(owned) }
    }
}
