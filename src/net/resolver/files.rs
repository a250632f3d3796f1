//! Caches `/etc/resolv.conf` and `/etc/hosts`, and reads them again when they have changed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::net::file::{self, Stamp, stamp};
use crate::proto::dns::conf::{self, Conf};

/// Upper bound on the bytes read of a resolv.conf.
const CONF_BYTES: usize = 64 << 10;
/// Upper bound on a line of a hosts file; a longer one is skipped.
const LINE_BYTES: usize = 4096;
/// Upper bound on the hosts whose addresses are cached.
const MAX_HOSTS: usize = 256;
/// Upper bound on the addresses of one host.
const MAX_ADDRESSES: usize = 16;

/// The resolver's files, cached for all lookups.
#[derive(Debug)]
pub struct ResolverFiles {
    conf_path: PathBuf,
    hosts_path: PathBuf,
    port: u16,
    conf: Conf,
    conf_stamp: Option<Stamp>,
    /// Addresses of the hosts asked for so far, not of the whole file: it may list a hundred thousand blocked names.
    hosts: Vec<(String, Vec<SocketAddr>)>,
    hosts_stamp: Option<Stamp>,
}

impl Default for ResolverFiles {
    fn default() -> Self {
        ResolverFiles::at("/etc/resolv.conf", "/etc/hosts", conf::PORT)
    }
}

impl ResolverFiles {
    /// Uses other files, and servers at another port.
    pub(crate) fn at(conf_path: impl Into<PathBuf>, hosts_path: impl Into<PathBuf>, port: u16) -> Self {
        ResolverFiles {
            conf_path: conf_path.into(),
            hosts_path: hosts_path.into(),
            port,
            conf: Conf::parse("", port, &interface_index),
            conf_stamp: None,
            hosts: Vec::new(),
            hosts_stamp: None,
        }
    }

    /// The current contents of resolv.conf; the defaults where there is none.
    pub(super) fn conf(&mut self) -> &Conf {
        let stamp = stamp(&self.conf_path);
        if stamp != self.conf_stamp {
            let text = stamp.and_then(|_| read(&self.conf_path)).unwrap_or_default();
            self.conf = Conf::parse(&text, self.port, &interface_index);
            self.conf_stamp = stamp;
        }
        &self.conf
    }

    /// The current addresses of a host in the hosts file, in its order.
    pub(super) fn hosts(&mut self, host: &str, port: u16) -> Vec<SocketAddr> {
        let stamp = stamp(&self.hosts_path);
        if stamp != self.hosts_stamp || self.hosts.len() >= MAX_HOSTS {
            self.hosts.clear();
            self.hosts_stamp = stamp;
        }
        if stamp.is_none() {
            return Vec::new();
        }
        let index = self.hosts.iter().position(|(known, _)| known == host).unwrap_or_else(|| {
            self.hosts.push((host.to_owned(), find_host(&self.hosts_path, host)));
            self.hosts.len() - 1
        });
        let mut addresses = self.hosts[index].1.clone();
        addresses.iter_mut().for_each(|address| address.set_port(port));
        addresses
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    file::append(&mut File::open(path).ok()?, &mut bytes, CONF_BYTES).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Searches the file block by block, so that memory does not grow with its length.
fn find_host(path: &Path, host: &str) -> Vec<SocketAddr> {
    let (mut found, mut block) = (Vec::new(), Vec::new());
    let Ok(mut file) = File::open(path) else { return found };
    // True while the rest of an overlong line is skipped: its end must not be taken for a line.
    let mut skipping = false;
    while file::append(&mut file, &mut block, LINE_BYTES).is_ok() && !block.is_empty() {
        let is_full = block.len() == LINE_BYTES;
        // The line that goes on in the next block stays, unless it fills this one.
        let len = block.iter().rposition(|byte| *byte == b'\n').map_or(block.len(), |at| at + 1);
        for line in block[..len].split_inclusive(|byte| *byte == b'\n') {
            let cut = is_full && !line.ends_with(b"\n");
            if !cut && !skipping && found.len() < MAX_ADDRESSES {
                found.extend(conf::parse_hosts_line(&String::from_utf8_lossy(line), host, 0, &interface_index));
            }
            skipping = cut;
        }
        block.drain(..len);
    }
    found
}

/// The index of a network interface, from sysfs: the standard library has no if_nametoindex(3).
pub(super) fn interface_index(name: &str) -> Option<u32> {
    let is_plain = !name.starts_with('.') && !name.contains('/');
    let read = || file::read_text(&format!("/sys/class/net/{name}/ifindex")).ok();
    is_plain.then(read)??.trim().parse().ok()
}
