//! Keeps each sample in a database: `sqlite FILE URI`.

use std::error::Error;
use std::time::UNIX_EPOCH;

use rusqlite::{Connection, params};
use wsmon::{Server, Watch};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS samples (at INTEGER, server TEXT, metric TEXT, value REAL)";
const INSERT: &str = "INSERT INTO samples VALUES (?1, ?2, ?3, ?4)";

fn main() -> Result<(), Box<dyn Error>> {
    let [file, uri] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: sqlite FILE URI".into());
    };
    let mut database = Connection::open(file)?;
    database.execute(TABLE, [])?;
    let mut watch = Watch::new(Server::new(uri)?.label("nas").max_reconnects(0))?;
    for message in &mut watch {
        let Some(sample) = message.sample() else { continue };
        let at = message.received_at.duration_since(UNIX_EPOCH)?.as_millis() as i64;
        // One transaction a sample: it is there whole or not at all.
        let rows = database.transaction()?;
        for (metric, value) in sample.iter() {
            rows.execute(INSERT, params![at, &*message.server, metric.name(), value])?;
        }
        rows.commit()?;
    }
    // The cause of the end, such as `connect to nas:8765: connection refused`.
    println!("{}", watch.last_disconnect().map_or("stopped", |why| &why.text));
    Ok(())
}
