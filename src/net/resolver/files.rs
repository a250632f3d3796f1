//! `/etc/resolv.conf` and `/etc/hosts`, read again when they have changed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::proto::dns::conf::{self, Conf};

/// No resolv.conf is longer.
const CONF_BYTES: u64 = 64 << 10;
/// No line of a hosts file is longer; the rest of one that is counts as the next line.
const LINE_BYTES: u64 = 4096;
/// So many hosts are remembered.
const MOST_HOSTS: usize = 256;
/// So many addresses of one host are taken.
const MOST_ADDRESSES: usize = 16;

/// What this machine knows about names, for all lookups together.
#[derive(Debug)]
pub struct Names {
    conf_path: PathBuf,
    hosts_path: PathBuf,
    port: u16,
    conf: Conf,
    conf_stamp: Option<FileStamp>,
    /// What the hosts file said about the hosts asked for: it may list a hundred thousand blocked ones.
    hosts: Vec<(String, Vec<SocketAddr>)>,
    hosts_stamp: Option<FileStamp>,
}

/// A file's state: it has changed when any of this has.
type FileStamp = (u64, u64, u64, Option<SystemTime>);

impl Default for Names {
    fn default() -> Self {
        Names::at("/etc/resolv.conf", "/etc/hosts", conf::PORT)
    }
}

impl Names {
    /// With other files, and servers at another port.
    pub(crate) fn at(conf_path: impl Into<PathBuf>, hosts_path: impl Into<PathBuf>, port: u16) -> Self {
        Names {
            conf_path: conf_path.into(),
            hosts_path: hosts_path.into(),
            port,
            conf: Conf::parse("", port, &zone),
            conf_stamp: None,
            hosts: Vec::new(),
            hosts_stamp: None,
        }
    }

    /// What resolv.conf says now; the defaults where there is none.
    pub(super) fn conf(&mut self) -> &Conf {
        let stamp = stamp(&self.conf_path);
        if stamp != self.conf_stamp {
            let text = stamp.and_then(|_| read(&self.conf_path)).unwrap_or_default();
            self.conf = Conf::parse(&text, self.port, &zone);
            self.conf_stamp = stamp;
        }
        &self.conf
    }

    /// The addresses that the hosts file has for a host now, in its order.
    pub(super) fn hosts(&mut self, host: &str, port: u16) -> Vec<SocketAddr> {
        let stamp = stamp(&self.hosts_path);
        if stamp != self.hosts_stamp || self.hosts.len() >= MOST_HOSTS {
            self.hosts.clear();
            self.hosts_stamp = stamp;
        }
        if stamp.is_none() {
            return Vec::new();
        }
        let known = self.hosts.iter().position(|(known, _)| known == host).unwrap_or_else(|| {
            self.hosts.push((host.to_owned(), find(&self.hosts_path, host)));
            self.hosts.len() - 1
        });
        let mut addresses = self.hosts[known].1.clone();
        addresses.iter_mut().for_each(|address| address.set_port(port));
        addresses
    }
}

/// `None` for what is no regular file: opening anything else might block.
fn stamp(path: &Path) -> Option<FileStamp> {
    let data = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((data.dev(), data.ino(), data.len(), data.modified().ok()))
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(CONF_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Looks through the file line by line: nothing of it is kept.
fn find(path: &Path, host: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    let Ok(file) = File::open(path) else { return found };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while found.len() < MOST_ADDRESSES {
        line.clear();
        match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(1..) => found.extend(conf::host_line(&String::from_utf8_lossy(&line), host, 0, &zone)),
            Ok(0) | Err(_) => break,
        }
    }
    found
}

/// The number of a network interface. The standard library has no if_nametoindex(3); sysfs says the same.
pub(super) fn zone(name: &str) -> Option<u32> {
    let is_plain = !name.starts_with('.') && !name.contains('/');
    let path = Path::new("/sys/class/net").join(name).join("ifindex");
    is_plain.then(|| fs::read_to_string(path).ok())??.trim().parse().ok()
}
