//! The identity of a server.

use std::fmt;

/// Bits of an id that hold the index.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Identifies a server of a [`Monitor`](crate::Monitor). No server that is added later gets the same id, also after
/// [`Monitor::remove`](crate::Monitor::remove). Ids are ordered as the servers were added.
///
/// ```
/// use wsmon::ServerId;
///
/// assert!(ServerId::from_index(1) < ServerId::from_index(2));
/// assert_eq!(ServerId::from_index(7).index(), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u64);

impl ServerId {
    /// The id of no server: in messages about all servers, and in those of the program itself.
    pub const NONE: ServerId = ServerId(u64::MAX);

    /// Makes an id for messages that come from no monitor, such as those of a file or a test. The servers that are first
    /// added to a monitor have the ids of the indices 0, 1, 2 and so on.
    #[must_use]
    pub const fn from_index(index: usize) -> Self {
        ServerId::new(index as u64, index)
    }

    /// Returns a small number that no other server of the monitor has at the same time, to be the index of a table of
    /// the program's own. Servers that are added later get the numbers of removed ones again.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    /// `added` is the number of servers that were added before.
    pub(crate) const fn new(added: u64, index: usize) -> Self {
        ServerId(added << INDEX_BITS | index as u64 & INDEX_MASK)
    }

    /// Returns the id as the token of a poll. On 32-bit machines it lacks the upper bits, so that ids of 256 servers with
    /// the same index in succession are told apart.
    pub(crate) const fn token(self) -> usize {
        self.0 as usize
    }

    /// Returns the index of the server whose token this may be.
    pub(crate) const fn index_of_token(token: usize) -> usize {
        token & INDEX_MASK as usize
    }
}

/// Writes the number of servers that were added before this one; `-` for [`ServerId::NONE`].
impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ServerId::NONE => f.write_str("-"),
            ServerId(id) => write!(f, "{}", id >> INDEX_BITS),
        }
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_place_and_is_ordered_by_the_time_of_its_addition() {
        let (first, reused) = (ServerId::new(3, 3), ServerId::new(9, 3));
        assert_eq!((first, first.index(), reused.index()), (ServerId::from_index(3), 3, 3));
        assert!(first != reused && first.token() != reused.token() && ServerId::from_index(8) < reused);
        assert_eq!(ServerId::index_of_token(reused.token()), 3);
        assert_eq!(format!("{reused} {reused:?} {}", ServerId::NONE), "9 ServerId(9) -");
    }
}
