//! The socket of one try.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};

use crate::proto::dns::lookup::{DnsQuery, Over};

/// Without EDNS an answer has at most 512 bytes, RFC 1035 section 2.3.4; some servers do not care.
const DATAGRAM_BYTES: usize = 4096;
/// No honest list of addresses is longer.
const STREAM_BYTES: usize = 16 << 10;

/// A question on its way, and its answer.
#[derive(Debug)]
pub enum Wire {
    Udp(UdpSocket),
    Tcp(Box<TcpExchange>),
}

/// One message each way, behind its length.
#[derive(Debug)]
pub struct TcpExchange {
    socket: TcpStream,
    server: SocketAddr,
    output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
}

impl Wire {
    /// Sends the question, or begins to.
    pub fn open(ask: &DnsQuery, registry: &Registry, token: Token) -> io::Result<Self> {
        match ask.over {
            Over::Udp => udp(ask, registry, token),
            Over::Tcp => tcp(ask, registry, token),
        }
    }

    /// The next message and who sent it; `None` where there is none yet.
    pub fn receive(&mut self) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
        let received = match self {
            Wire::Udp(socket) => datagram(socket),
            Wire::Tcp(stream) => stream.exchange().map(|message| (stream.server, message)),
        };
        match received {
            Ok(received) => Ok(Some(received)),
            // Some systems say of a stream that is not connected yet that it is not connected.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A connected socket: the kernel drops what others send, and tells of ICMP errors.
///
/// Its port is the kernel's choice, which Linux makes at random among `ip_local_port_range`: some 14 bits besides the
/// 16 of the id, as RFC 5452 section 9.2 asks for.
fn udp(ask: &DnsQuery, registry: &Registry, token: Token) -> io::Result<Wire> {
    let any = if ask.server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(ask.server)?;
    registry.register(&mut socket, token, Interest::READABLE)?;
    match socket.send(&ask.message) {
        // As good as lost on the way.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        sent => drop(sent?),
    }
    Ok(Wire::Udp(socket))
}

fn tcp(ask: &DnsQuery, registry: &Registry, token: Token) -> io::Result<Wire> {
    let mut socket = TcpStream::connect(ask.server)?;
    registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
    let mut output = (ask.message.len() as u16).to_be_bytes().to_vec();
    output.extend_from_slice(&ask.message);
    Ok(Wire::Tcp(Box::new(TcpExchange { socket, server: ask.server, output, sent: 0, input: Vec::new() })))
}

fn datagram(socket: &UdpSocket) -> io::Result<(SocketAddr, Vec<u8>)> {
    let mut buffer = [0; DATAGRAM_BYTES];
    let (len, from) = socket.recv_from(&mut buffer)?;
    Ok((from, buffer[..len].to_vec()))
}

impl TcpExchange {
    /// Goes as far as possible. Before the connection stands, writing would block; where it fails, writing says why.
    fn exchange(&mut self) -> io::Result<Vec<u8>> {
        while self.sent < self.output.len() {
            self.sent += self.socket.write(&self.output[self.sent..])?;
        }
        let mut buffer = [0; 2048];
        loop {
            if let Some(message) = self.message()? {
                return Ok(message);
            }
            match self.socket.read(&mut buffer)? {
                0 => return Err(io::Error::other("closed without an answer")),
                len => self.input.extend_from_slice(&buffer[..len]),
            }
        }
    }

    /// The message, once it is complete.
    fn message(&self) -> io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.input.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > STREAM_BYTES {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        Ok(rest.get(..length).map(<[u8]>::to_vec))
    }
}
