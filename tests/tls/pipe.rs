//! A connection in memory that stalls, trickles or breaks as a test sets it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

/// One direction.
#[derive(Debug, Default)]
pub struct Direction {
    bytes: VecDeque<u8>,
    /// Bytes written so far.
    pub written: usize,
    /// Bytes that may still be read; `None` for all.
    pub allowed: Option<usize>,
    /// Upper bound on buffered bytes; `None` for no bound.
    pub capacity: Option<usize>,
    /// Reads end after the bytes that are buffered and allowed.
    pub closed: bool,
}

/// Both directions, as the test sees them.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    pub up: Rc<RefCell<Direction>>,
    pub down: Rc<RefCell<Direction>>,
}

/// One end of a pipe.
#[derive(Debug)]
pub struct End {
    from: Rc<RefCell<Direction>>,
    to: Rc<RefCell<Direction>>,
}

impl Pipe {
    pub fn client(&self) -> End {
        End { from: self.down.clone(), to: self.up.clone() }
    }

    pub fn server(&self) -> End {
        End { from: self.up.clone(), to: self.down.clone() }
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut direction = self.from.borrow_mut();
        let len = buffer.len().min(direction.bytes.len()).min(direction.allowed.unwrap_or(usize::MAX));
        if len == 0 && !direction.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        direction.bytes.drain(..len).zip(buffer).for_each(|(byte, place)| *place = byte);
        direction.allowed = direction.allowed.map(|allowed| allowed - len);
        Ok(len)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut direction = self.to.borrow_mut();
        let len = bytes
            .len()
            .min(direction.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(direction.bytes.len())));
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        direction.bytes.extend(&bytes[..len]);
        direction.written += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
