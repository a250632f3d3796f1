//! The UDP or TCP socket of one try.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};

use crate::proto::dns::lookup::{DnsQuery, DnsTransport};

/// Buffer for one datagram. Without EDNS a reply has at most 512 bytes, RFC 1035 section 2.3.4; some servers send more.
const DATAGRAM_BYTES: usize = 4096;
/// Upper bound on a reply over TCP.
const MAX_STREAM_BYTES: usize = 16 << 10;

/// A socket that has sent, or is sending, one query.
#[derive(Debug)]
pub enum DnsSocket {
    Udp(UdpSocket),
    Tcp(Box<TcpExchange>),
}

/// One message each way, each preceded by its length.
#[derive(Debug)]
pub struct TcpExchange {
    socket: TcpStream,
    server: SocketAddr,
    output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
}

impl DnsSocket {
    /// Opens the socket and sends the query, or starts to connect.
    pub fn open(query: &DnsQuery, registry: &Registry, token: Token) -> io::Result<Self> {
        match query.transport {
            DnsTransport::Udp => open_udp(query, registry, token),
            DnsTransport::Tcp => open_tcp(query, registry, token),
        }
    }

    /// Returns the next message and its sender; `None` where there is none yet.
    pub fn receive(&mut self) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
        let received = match self {
            DnsSocket::Udp(socket) => receive_datagram(socket),
            DnsSocket::Tcp(stream) => stream.exchange().map(|message| (stream.server, message)),
        };
        match received {
            Ok(received) => Ok(Some(received)),
            // Some systems report NotConnected for a stream that is still connecting.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Sends the query from a connected socket, for which the kernel drops other senders' datagrams and reports ICMP errors.
///
/// The kernel chooses the port; Linux does so at random within `ip_local_port_range`. That adds some 14 random bits to
/// the 16 of the id, as RFC 5452 section 9.2 demands against forged replies.
fn open_udp(query: &DnsQuery, registry: &Registry, token: Token) -> io::Result<DnsSocket> {
    let any = if query.server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(query.server)?;
    registry.register(&mut socket, token, Interest::READABLE)?;
    match socket.send(&query.message) {
        // Counts as lost on the way: the timeout handles it.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        sent => drop(sent?),
    }
    Ok(DnsSocket::Udp(socket))
}

fn open_tcp(query: &DnsQuery, registry: &Registry, token: Token) -> io::Result<DnsSocket> {
    let mut socket = TcpStream::connect(query.server)?;
    registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
    let mut output = (query.message.len() as u16).to_be_bytes().to_vec();
    output.extend_from_slice(&query.message);
    Ok(DnsSocket::Tcp(Box::new(TcpExchange { socket, server: query.server, output, sent: 0, input: Vec::new() })))
}

fn receive_datagram(socket: &UdpSocket) -> io::Result<(SocketAddr, Vec<u8>)> {
    let mut buffer = [0; DATAGRAM_BYTES];
    let (len, from) = socket.recv_from(&mut buffer)?;
    Ok((from, buffer[..len].to_vec()))
}

impl TcpExchange {
    /// Writes and reads as far as possible. While connecting, the write would block; if that failed, it returns the error.
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

    /// Returns the reply once it is complete.
    fn message(&self) -> io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.input.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MAX_STREAM_BYTES {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        Ok(rest.get(..length).map(<[u8]>::to_vec))
    }
}
