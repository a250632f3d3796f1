//! TLS over real non-blocking sockets.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use openssl::ssl::{SslAcceptor, SslMethod};

use crate::certificate::{self, Issued};
use crate::{trusting, wall};
use mio::{Events, Interest, Poll, Token};
use wsmon::internal::tls::{Connector, Handshake, Progress, TlsStream};

/// A server that echoes one message and exits.
fn serve(issued: &Issued, listener: TcpListener) -> std::thread::JoinHandle<()> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&issued.cert).unwrap();
    acceptor.set_private_key(&issued.key).unwrap();
    let acceptor = acceptor.build();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut stream = acceptor.accept(stream).unwrap();
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).unwrap();
        stream.write_all(&buffer).unwrap();
    })
}

/// Waits as the event loop does: edge-triggered, registered once.
fn wait(poll: &mut Poll, events: &mut Events) {
    poll.poll(events, Some(Duration::from_secs(10))).unwrap();
    assert!(!events.is_empty(), "nothing happened for 10 s");
}

fn finish(
    mut handshake: Handshake<mio::net::TcpStream>,
    poll: &mut Poll,
    events: &mut Events,
) -> TlsStream<mio::net::TcpStream> {
    loop {
        handshake = match handshake.advance(wall()).unwrap() {
            Progress::Done(stream) => return stream,
            Progress::Waiting(handshake) => handshake,
        };
        wait(poll, events);
    }
}

#[test]
fn a_socket_that_is_registered_once_gets_all_events_that_tls_needs() {
    let issued = certificate::server(&["127.0.0.1"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let server = serve(&issued, listener);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
    let mut stream = mio::net::TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE).unwrap();

    let handshake = Connector::build(&trusting("sockets")).unwrap().handshake("127.0.0.1", stream);
    let mut stream = finish(handshake, &mut poll, &mut events);
    stream.write_all(b"hello").unwrap();
    let mut got = Vec::new();
    loop {
        match stream.read(&mut [0; 2]) {
            Ok(0) => break,
            Ok(len) => got.push(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&mut poll, &mut events),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(got, [2, 2, 1]);
    server.join().unwrap();
}
