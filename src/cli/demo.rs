//! The demo servers, or in builds without the `demo` feature a type without values in its place.

#[cfg(feature = "demo")]
pub use wsmon::demo::Demo;

#[cfg(not(feature = "demo"))]
pub use absent::Demo;

/// Starts the demo servers.
#[cfg(feature = "demo")]
pub fn listen(servers: usize, registry: &mio::Registry, tokens: [mio::Token; 2]) -> Result<Demo, super::Failure> {
    Demo::listen(registry, tokens[0], tokens[1], servers > 1).map_err(|error| super::Failure::io("--demo", &error))
}

/// Refuses `--demo`.
#[cfg(not(feature = "demo"))]
pub fn listen(_: usize, _: &mio::Registry, _: [mio::Token; 2]) -> Result<Demo, super::Failure> {
    Err(super::plan::Exit::usage("--demo: this build does not have it").into())
}

#[cfg(not(feature = "demo"))]
mod absent {
    use std::time::{Instant, SystemTime};

    /// No value of it exists, so none of its methods can be called.
    pub enum Demo {}

    impl Demo {
        pub fn places(&self) -> Vec<String> {
            match *self {}
        }

        pub fn ready(&mut self, _: &mio::Registry, _: mio::Token) {
            match *self {}
        }

        pub fn turn(&mut self, _: Instant, _: SystemTime) {
            match *self {}
        }

        pub fn deadline(&self) -> Option<Instant> {
            match *self {}
        }
    }
}
