//! A connection in memory that holds back, cuts off and trickles as a test wants it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

/// One direction.
#[derive(Debug, Default)]
pub struct Way {
    bytes: VecDeque<u8>,
    /// All that was ever written into it.
    pub written: usize,
    /// How many bytes may still be read; `None` = all.
    pub allowed: Option<usize>,
    /// How many bytes may wait in it; `None` = any number.
    pub room: Option<usize>,
    /// Nothing comes after what is there and allowed.
    pub closed: bool,
}

/// Both directions, as the test holds them.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub up: Rc<RefCell<Way>>,
    pub down: Rc<RefCell<Way>>,
}

/// One end of it.
#[derive(Debug)]
pub struct End {
    from: Rc<RefCell<Way>>,
    to: Rc<RefCell<Way>>,
}

impl Line {
    pub fn client(&self) -> End {
        End { from: self.down.clone(), to: self.up.clone() }
    }

    pub fn server(&self) -> End {
        End { from: self.up.clone(), to: self.down.clone() }
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut way = self.from.borrow_mut();
        let len = buffer.len().min(way.bytes.len()).min(way.allowed.unwrap_or(usize::MAX));
        if len == 0 && !way.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        way.bytes.drain(..len).zip(buffer).for_each(|(byte, place)| *place = byte);
        way.allowed = way.allowed.map(|allowed| allowed - len);
        Ok(len)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut way = self.to.borrow_mut();
        let len = bytes.len().min(way.room.map_or(usize::MAX, |room| room.saturating_sub(way.bytes.len())));
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        way.bytes.extend(&bytes[..len]);
        way.written += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
