//! Proxies for a test server: one that adds TLS, and one that stalls or breaks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::{Events, Interest, Poll, Token};
use openssl::ssl::{Ssl, SslContext, SslStream};

use crate::config::ServerConfig;
use crate::support::PATIENCE;
use crate::support::server::{Peer, Server};

/// A TLS server that forwards to another. Handshakes may fail.
pub fn tls(config: &ServerConfig<'_>, inner: &Server) -> Server {
    tls_ending_with(Goodbye::Said, config, inner)
}

/// The end of a TLS connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Goodbye {
    /// With close_notify.
    Said,
    /// Without.
    Missing,
}

/// Like [`tls`], with a choice of the end.
pub fn tls_ending_with(goodbye: Goodbye, config: &ServerConfig<'_>, inner: &Server) -> Server {
    let (context, to) = (config.context(), inner.port());
    Server::start(move |peer| {
        let Some(client) = accept(&context, peer.stream()) else { return };
        // Either side may break off.
        let _broken = forward(client, TcpStream::connect(("127.0.0.1", to)).unwrap(), goodbye);
    })
}

fn accept(context: &SslContext, stream: TcpStream) -> Option<SslStream<TcpStream>> {
    let mut stream = SslStream::new(Ssl::new(context).unwrap(), stream).unwrap();
    Pin::new(&mut stream).accept().ok().map(|()| stream)
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    pending: Vec<u8>,
    ended: bool,
}

impl Direction {
    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    /// Copies until one side would block.
    fn transfer(&mut self, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        while !self.is_done() {
            let step = if self.pending.is_empty() { from.read(&mut piece) } else { to.write(&self.pending) };
            match step {
                Ok(0) => self.ended = true,
                Ok(len) if self.pending.is_empty() => self.pending.extend_from_slice(&piece[..len]),
                Ok(len) => drop(self.pending.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Copies both directions until the server has ended.
fn forward(mut client: SslStream<TcpStream>, mut server: TcpStream, goodbye: Goodbye) -> io::Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    let mut registered = Vec::new();
    for (token, stream) in [client.get_ref(), &server].into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream.try_clone()?);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        registered.push(stream);
    }
    let (mut up, mut down) = (Direction::default(), Direction::default());
    loop {
        up.transfer(&mut client, &mut server).unwrap_or_else(|_| up.ended = true);
        down.transfer(&mut server, &mut client)?;
        if up.is_done() {
            // It may be shut down already.
            let _again = server.shutdown(Shutdown::Write);
        }
        if down.is_done() {
            break;
        }
        poll.poll(&mut events, Some(PATIENCE))?;
    }
    if goodbye == Goodbye::Said {
        let _best_effort = client.shutdown();
    }
    client.get_ref().shutdown(Shutdown::Write)
}

/// The point at which a line stops to forward bytes of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Until {
    /// After this number of bytes.
    Bytes(usize),
    /// At the client's second flight.
    SecondFlight,
}

/// The behaviour from that point on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    Stalls,
    Ends,
}

/// A connection to a server that fails at a point.
pub fn faulty_line(until: Until, then: Then, inner: &Server) -> Server {
    let to = inner.port();
    Server::start(move |peer| {
        let (mut client, server) = (peer.stream(), TcpStream::connect(("127.0.0.1", to)).unwrap());
        let spoken = Arc::new(AtomicUsize::new(0));
        let up = std::thread::spawn({
            let (spoken, from, to) = (spoken.clone(), peer.stream(), server.try_clone().unwrap());
            move || upwards(from, to, &spoken)
        });
        downwards(server, &mut client, until, &spoken);
        if then == Then::Ends {
            client.shutdown(Shutdown::Write).unwrap();
        }
        up.join().unwrap();
    })
}

/// Copies until the client has closed.
fn upwards(mut from: TcpStream, mut to: TcpStream, spoken: &AtomicUsize) {
    let mut piece = [0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        spoken.fetch_add(1, Ordering::SeqCst);
        if to.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    // The server may have closed before.
    let _gone = to.shutdown(Shutdown::Both);
}

fn downwards(mut from: TcpStream, to: &mut TcpStream, until: Until, spoken: &AtomicUsize) {
    let mut left = if let Until::Bytes(bytes) = until { bytes } else { usize::MAX };
    let mut piece = [0; 16 << 10];
    while left > 0 {
        let Ok(len @ 1..) = from.read(&mut piece) else { return };
        let len = len.min(left);
        left -= len;
        if until == Until::SecondFlight && spoken.load(Ordering::SeqCst) > 1 || to.write_all(&piece[..len]).is_err() {
            return;
        }
    }
}

/// Copies bytes between a client and another server until both have ended.
pub fn tunnel(peer: &Peer, port: u16) {
    join(peer.stream(), TcpStream::connect(("127.0.0.1", port)).unwrap());
}

/// Like [`tunnel`], for sockets of any kind.
pub fn join<C: Socket>(client: C, server: TcpStream) {
    let (mut from_client, mut to_client) = (client.duplicate(), client.duplicate());
    let (mut from_server, mut to_server) = (server.duplicate(), server);
    let up = std::thread::spawn(move || {
        // Either side may break off.
        let _broken = io::copy(&mut from_client, &mut to_server);
        let _gone = to_server.shutdown(Shutdown::Write);
    });
    let _broken = io::copy(&mut from_server, &mut to_client);
    to_client.end();
    up.join().unwrap();
}

/// A stream with two handles.
pub trait Socket: Read + Write + Send + Sized + 'static {
    fn duplicate(&self) -> Self;
    fn end(&self);
}

impl Socket for TcpStream {
    fn duplicate(&self) -> Self {
        self.try_clone().unwrap()
    }

    fn end(&self) {
        // It may have ended already.
        let _again = self.shutdown(Shutdown::Write);
    }
}

impl Socket for std::os::unix::net::UnixStream {
    fn duplicate(&self) -> Self {
        self.try_clone().unwrap()
    }

    fn end(&self) {
        // It may have ended already.
        let _again = self.shutdown(Shutdown::Write);
    }
}
