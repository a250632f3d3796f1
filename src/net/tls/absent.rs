//! Stands in for native.rs in a build without TLS: the types are uninhabited, so that their code is dropped.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::time::SystemTime;

use super::{MISSING, Progress, TlsError, TlsSettings};

/// Begins handshakes.
#[derive(Clone, Debug)]
pub struct Connector(Infallible);

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake<S>(Infallible, PhantomData<S>);

/// A stream inside TLS.
#[derive(Debug)]
pub struct TlsStream<S>(Infallible, PhantomData<S>);

impl Connector {
    /// # Errors
    /// Always: this build has no TLS.
    pub fn build(_settings: &TlsSettings) -> Result<Self, String> {
        Err(format!("wss:// {MISSING}"))
    }

    /// Begins a handshake with a host over a connected stream.
    pub fn handshake<S>(&self, _host: &str, _stream: S) -> Handshake<S> {
        match self.0 {}
    }
}

impl<S: Read + Write> Handshake<S> {
    /// Returns the stream under TLS.
    pub fn get_mut(&mut self) -> &mut S {
        match self.0 {}
    }

    /// Goes as far as possible without waiting.
    ///
    /// # Errors
    /// Never.
    pub fn advance(self, _wall: SystemTime) -> Result<Progress<S>, TlsError> {
        match self.0 {}
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Describes the session.
    pub fn describe(&self) -> String {
        match self.0 {}
    }

    /// Returns the stream under TLS.
    pub fn get_ref(&self) -> &S {
        match self.0 {}
    }

    /// Returns the stream under TLS.
    pub fn get_mut(&mut self) -> &mut S {
        match self.0 {}
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
