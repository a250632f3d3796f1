//! Handlers by the kind of an event, one of which can fail: `callbacks URI`.

use std::error::Error;

use wsmon::{Alert, Change, Event, Message, Monitor, Sample, Server};

/// The state that the handlers share. They need no locks: all of it happens on one thread.
#[derive(Default)]
struct Handlers {
    highest: f64,
    alerts: u32,
}

impl Handlers {
    fn on_message(&mut self, message: &Message<'_>) -> Result<(), Box<dyn Error>> {
        for event in message.events {
            match event {
                Event::Sample(sample) => self.on_sample(sample)?,
                Event::Alert(alert) => self.on_alert(alert),
                Event::State(change) => on_state(message.server, change),
                _ => {}
            }
        }
        Ok(())
    }

    fn on_sample(&mut self, sample: &Sample<'_>) -> Result<(), Box<dyn Error>> {
        let cpu = sample.cpu().ok_or("a sample without the processor's use")?;
        self.highest = self.highest.max(cpu);
        println!("cpu {cpu}");
        Ok(())
    }

    fn on_alert(&mut self, alert: &Alert<'_>) {
        self.alerts += 1;
        println!("{}: {}", alert.level, wsmon::escape(&alert.message));
    }
}

fn on_state(server: &str, change: &Change) {
    println!("{server}: {change}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).ok_or("usage: callbacks URI")?;
    let mut handlers = Handlers::default();
    let mut monitor = Monitor::new()?;
    // Without `max_reconnects` a lost connection is dialled again for ever.
    monitor.add(Server::new(&uri)?.label("nas").max_reconnects(0))?;
    while !monitor.is_done() {
        // An error of a handler ends the turn, and is returned here.
        monitor.try_turn(None, |message| handlers.on_message(message))?;
    }
    println!("at most {}, {} alerts", handlers.highest, handlers.alerts);
    Ok(())
}
