//! One task of a tokio runtime, among others: `async_fd URI`.

use std::error::Error;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time;
use wsmon::{Monitor, Server};

async fn watch(uri: &str) -> Result<(), Box<dyn Error>> {
    let mut monitor = Monitor::new()?;
    monitor.add(Server::new(uri)?.max_reconnects(0))?;
    #[expect(deprecated, reason = "its successor is unsafe, and a monitor keeps the same descriptor open")]
    let mut registered = AsyncFd::with_interest(monitor, Interest::READABLE)?;
    while !registered.get_ref().is_done() {
        let monitor = registered.get_ref();
        // The deadline of a ping, a reconnection … `None` if nothing is timed.
        let deadline = monitor.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
        let wait = deadline.unwrap_or(Duration::MAX);
        // Readiness is cleared first, and the turn taken afterwards: it takes all that there is.
        if let Ok(ready) = time::timeout(wait, registered.readable()).await {
            ready?.clear_ready();
        }
        registered.get_mut().turn(Duration::ZERO, |message| {
            if let Some(cpu) = message.sample().and_then(|sample| sample.cpu()) {
                println!("cpu {cpu}");
            }
        })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).ok_or("usage: async_fd URI")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::spawn(async {
            time::sleep(Duration::from_millis(1)).await;
            println!("another task");
        });
        watch(&uri).await
    })
}
