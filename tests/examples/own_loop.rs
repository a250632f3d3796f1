//! A loop of the program's own, with poll(2) over the monitor and standard input: `own_loop URI`. A line on standard
//! input is sent to the server; its end ends the program.

use std::error::Error;
use std::io;
use std::str;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wsmon::{ClientState, Monitor, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).ok_or("usage: own_loop URI")?;
    let mut monitor = Monitor::new()?;
    let id = monitor.add(Server::new(&uri)?)?;
    // Not `read_line`: poll(2) knows nothing of lines that std has read already.
    let (input, mut typed) = (io::stdin(), Vec::new());
    while !monitor.is_done() {
        // Until the monitor's deadline, or the nearer one of the program's own.
        let wait = monitor.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
        let wait = wait.map(Timespec::try_from).transpose()?;
        let mut descriptors = vec![PollFd::new(&monitor, PollFlags::IN)];
        // Input is not read while it could not be sent.
        if monitor.state(id) == ClientState::Connected {
            descriptors.push(PollFd::new(&input, PollFlags::IN));
        }
        match poll(&mut descriptors, wait.as_ref()) {
            Err(error) if error != Errno::INTR => return Err(error.into()),
            _ => {}
        }
        // The end of a pipe is HUP without IN.
        let has_input = descriptors.get(1).is_some_and(|input| !input.revents().is_empty());
        monitor.turn(Duration::ZERO, |message| {
            if let Some(text) = message.text() {
                println!("{}", wsmon::escape(text));
            }
        })?;
        if has_input {
            let mut block = [0; 4096];
            let length = rustix::io::read(&input, &mut block)?;
            typed.extend_from_slice(&block[..length]);
            while let Some(end) = typed.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = typed.drain(..=end).collect();
                monitor.send(id, str::from_utf8(&line)?.trim_end())?;
            }
            if length == 0 {
                monitor.stop();
            }
        }
    }
    Ok(())
}
