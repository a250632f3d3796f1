// A server for the examples in the library's documentation, which include this file: std and a thread.
// On every connection it greets, sends so many samples, closes with 1000 and waits until the client has gone.
// The processor is at 60 %, 70 %, 80 % …, the memory at 62.8 %. It lives as long as the process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// The URI of a new server that sends so many samples.
pub fn serve(samples: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that leaves before the end is no failure.
            let _gone = talk(stream.unwrap(), samples);
        }
    });
    uri
}

fn talk(mut stream: TcpStream, samples: u32) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let (granted, _) = wsmon::internal::upgrade::serve(&request).unwrap().unwrap();
    stream.write_all(granted.as_bytes())?;
    send(&mut stream, r#"{"type":"connection","status":"connected","message":"Connected to monitoring server"}"#)?;
    for cpu in (60..).step_by(10).take(samples as usize) {
        let data = format!(r#"{{"processor":{{"usage_percent":{cpu}}},"memory":{{"percentage":62.8}}}}"#);
        send(&mut stream, &format!(r#"{{"type":"monitoring_data","data":{data}}}"#))?;
    }
    stream.write_all(&[0x88, 2, 3, 0xe8])?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// A text frame of less than 126 bytes.
fn send(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    assert!(text.len() < 126, "{text}");
    stream.write_all(&[&[0x81, text.len() as u8], text.as_bytes()].concat())
}
