//! Calls of a dialect without a conversation.

use std::time::Instant;

use crate::proto::dialect::requests::Requests;
use crate::proto::dialect::{Alerts, DialectContext, DialectOptions, DialectState, Spare};

/// Owns what a [`DialectContext`] borrows.
#[derive(Debug)]
pub struct OwnedContext {
    pub now: Instant,
    pub options: DialectOptions,
    pub alerts: Alerts,
    pub requests: Requests,
    pub state: DialectState,
    pub spare: Spare,
}

impl Default for OwnedContext {
    fn default() -> Self {
        OwnedContext {
            now: Instant::now(),
            options: DialectOptions::default(),
            alerts: Alerts::default(),
            requests: Requests::default(),
            state: DialectState::default(),
            spare: Spare::default(),
        }
    }
}

impl OwnedContext {
    pub fn with(options: DialectOptions) -> Self {
        OwnedContext { options, ..OwnedContext::default() }
    }

    pub fn lend(&mut self) -> DialectContext<'_> {
        DialectContext {
            now: self.now,
            options: &self.options,
            alerts: &mut self.alerts,
            requests: &mut self.requests,
            state: &mut self.state,
            spare: &mut self.spare,
        }
    }
}
