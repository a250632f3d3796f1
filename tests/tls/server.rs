//! A TLS server at the other end of a pipe. It does not block either: test and server take turns.

use std::io::{Read, Write};
use std::pin::Pin;

use openssl::ssl::{ErrorCode, Ssl, SslStream};

use crate::config::ServerConfig;
use crate::pipe::End;

/// An echo server.
pub struct Server {
    stream: SslStream<End>,
    is_open: bool,
    failed: bool,
}

impl Server {
    pub fn new(config: &ServerConfig<'_>, end: End) -> Self {
        let stream = SslStream::new(Ssl::new(&config.context()).unwrap(), end).unwrap();
        Server { stream, is_open: false, failed: false }
    }

    /// Goes as far as possible without waiting.
    pub fn turn(&mut self) {
        if self.failed {
            return;
        }
        if !self.is_open {
            match Pin::new(&mut self.stream).accept() {
                Ok(()) => self.is_open = true,
                Err(error) => {
                    self.failed = !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE);
                    return;
                }
            }
        }
        let mut buffer = [0; 256];
        while let Ok(len @ 1..) = self.stream.read(&mut buffer) {
            self.stream.write_all(&buffer[..len]).unwrap();
        }
    }

    /// Returns the name in the client's SNI.
    pub fn server_name(&self) -> Option<&str> {
        self.stream.ssl().servername(openssl::ssl::NameType::HOST_NAME)
    }

    /// Returns true if the client has presented a certificate.
    pub fn has_client_certificate(&self) -> bool {
        self.stream.ssl().peer_certificate().is_some()
    }

    pub fn close(&mut self) {
        let _best_effort = self.stream.shutdown();
    }
}
