//! A server that costs next to nothing: frames made beforehand, written in whole blocks.

use sha1::{Digest, Sha1};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

pub const MESSAGE_BYTES: usize = 800;
const DISTINCT: usize = 100;
const GREETING: &str = r#"{"type": "connection", "status": "connected", "message": "Connected to monitoring server"}"#;
const GIVE_UP: Duration = Duration::from_secs(60);

pub struct Blaster {
    listener: TcpListener,
    block: Vec<u8>,
}

impl Blaster {
    pub fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let block = (0..DISTINCT).flat_map(|index| frame(&message(index))).collect();
        Self { listener, block }
    }

    pub fn uri(&self) -> String {
        format!("ws://{}", self.listener.local_addr().expect("an address"))
    }

    /// Accepts one client in the background and sends it the greeting and `messages` with the answer to its upgrade.
    pub fn welcome(&self, messages: usize) -> Receiver<io::Result<TcpStream>> {
        let (sender, receiver) = channel();
        let listener = self.listener.try_clone().expect("a descriptor");
        let first: Vec<u8> =
            frame(GREETING).into_iter().chain((0..messages).flat_map(|i| frame(&message(i)))).collect();
        thread::spawn(move || sender.send(listener.accept().and_then(|(stream, _)| upgrade(stream, &first))));
        receiver
    }

    /// Returns when the last byte is in the socket's buffer.
    pub fn blast(&self, stream: &mut TcpStream, messages: usize) -> io::Result<()> {
        let frame_bytes = self.block.len() / DISTINCT;
        for _ in 0..messages / DISTINCT {
            stream.write_all(&self.block)?;
        }
        stream.write_all(&self.block[..messages % DISTINCT * frame_bytes])
    }
}

/// Servers with an address each, all on one port.
pub struct Fleet {
    port: u16,
    servers: usize,
    receiver: Receiver<io::Result<TcpStream>>,
}

impl Fleet {
    /// Accepts a connection of each server in the background and upgrades it.
    pub fn start(servers: usize) -> Self {
        let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for _ in 0..servers {
                let upgraded = listener.accept().and_then(|(stream, _)| upgrade(stream, &[]));
                if sender.send(upgraded).is_err() {
                    return;
                }
            }
        });
        Self { port, servers, receiver }
    }

    /// Different addresses, so that the client can tell the servers apart.
    pub fn uris(&self) -> Vec<String> {
        (0..self.servers).map(|n| format!("ws://127.0.{}.{}:{}", n / 250, n % 250 + 1, self.port)).collect()
    }

    pub fn connections(&self, within: Duration) -> Vec<TcpStream> {
        let next = |_| self.receiver.recv_timeout(within).expect("a connection in time").expect("an upgrade");
        (0..self.servers).map(next).collect()
    }
}

fn upgrade(mut stream: TcpStream, first: &[u8]) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GIVE_UP))?;
    stream.set_write_timeout(Some(GIVE_UP))?;
    let mut key = String::new();
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-key") => key = value.trim().to_owned(),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = data_encoding::BASE64.encode(&digest);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), first].concat())?;
    Ok(stream)
}

/// One unmasked text frame.
pub fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short message");
    let mut frame = vec![0x81];
    match length {
        0..126 => frame.push(length as u8),
        _ => frame.extend([&[126], &length.to_be_bytes()[..]].concat()),
    }
    frame.extend(text.as_bytes());
    frame
}

/// In the form that the real server sends, padded to its length in the name of the host.
pub fn message(index: usize) -> String {
    let (used, busy, disk) = (4_000_000_000 + index * 7_919_113, index as f64 * 0.97, 20.0 + index as f64 * 0.3);
    let head = format!(
        r#"{{"type": "monitoring_data", "timestamp": "2026-11-20T06:15:55.{index:06}", "data": {{"memory": {{"total": 25276510208, "available": {available}, "used": {used}, "percentage": {memory:.1}}}, "processor": {{"usage_percent": {busy:.1}, "core_count": 2, "logical_count": 2, "frequency_current": 2596.122, "frequency_max": 0.0, "per_core_usage": [{busy:.1}, 33.3]}}, "disk": {{"total": 270553174016, "used": 15147704320, "free": 82425044992, "percentage": {disk:.1}, "path": "/"}}, "system": {{"os_name": "Linux", "os_version": "1 SMP", "os_release": "6.1.0", "architecture": "x86_64", "platform": "Linux-6.1.0-x86_64-with-glibc2.36", "machine": "x86_64", "processor": "", "python_version": "3.11.7", "hostname": ""#,
        available = 25_276_510_208 - used,
        memory = used as f64 / 252_765_102.08,
    );
    let padding = MESSAGE_BYTES - head.len() - r#""}}}"#.len();
    format!(r#"{head}{}"}}}}}}"#, "r".repeat(padding))
}
