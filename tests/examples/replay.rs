//! Replays what `wsmon --save-data FILE` has saved, with its times: `replay FILE`. Prints alerts, and the highest use of
//! each server's processor.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

use wsmon::{Event, Message, SavedData, Server};

#[derive(Default)]
struct Peaks(BTreeMap<String, f64>);

impl Peaks {
    fn handle(&mut self, message: &Message<'_>) {
        for event in message.events {
            match event {
                Event::Sample(sample) => {
                    let peak = self.0.entry(message.server.to_string()).or_insert(f64::NAN);
                    // NaN is an absent value, and `max` leaves it out.
                    *peak = peak.max(sample.cpu().unwrap_or(f64::NAN));
                }
                Event::Alert(alert) => println!("{}: {}", message.server, wsmon::escape(&alert.message)),
                _ => {}
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: replay FILE")?;
    let mut saved = SavedData::new(Server::default());
    let mut peaks = Peaks::default();
    for (line, number) in BufReader::new(File::open(&file)?).lines().zip(1..) {
        if let Err(error) = saved.read(&line?, |message| peaks.handle(message)) {
            eprintln!("{file}:{number}: {error}");
        }
    }
    for (server, peak) in &peaks.0 {
        println!("{server}: at most {peak} %");
    }
    println!("{} messages", saved.statistics().messages_received);
    Ok(())
}
