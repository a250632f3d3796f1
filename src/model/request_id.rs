//! The identity of a request.

use std::fmt;
use std::num::NonZeroU64;

/// Identifies a request of [`Monitor::request`](crate::Monitor::request) or [`Handle::request`](crate::Handle::request). No
/// other request of the same monitor has the same id.
///
/// ```
/// use wsmon::RequestId;
///
/// assert!(RequestId::from_index(0) != RequestId::from_index(1));
/// assert_eq!(RequestId::from_index(0).to_string(), "1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(NonZeroU64);

impl RequestId {
    /// Makes an id for answers that come from no monitor, such as those of a test.
    #[must_use]
    pub const fn from_index(index: u64) -> Self {
        RequestId(NonZeroU64::MIN.saturating_add(index))
    }

    /// Returns the number, which `Display` writes.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}
