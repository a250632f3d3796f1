//! Watches until SIGINT or SIGTERM, then closes the connection and prints its statistics: `stop_signal URI`.

use std::error::Error;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use wsmon::Server;

fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).ok_or("usage: stop_signal URI")?;
    let mut watch = wsmon::Watch::new(Server::new(&uri)?.label("nas"))?;
    let stopper = watch.stopper();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // It could be called in the handler itself too: `Stopper::stop` is async-signal-safe.
    thread::spawn(move || signals.forever().for_each(|_| stopper.stop()));
    // The iterator ends once the server has answered the Close frame, or after a second.
    for message in &mut watch {
        if let Some(change) = message.change() {
            println!("{change}");
        }
    }
    println!("{} messages", watch.statistics().messages_received);
    Ok(())
}
