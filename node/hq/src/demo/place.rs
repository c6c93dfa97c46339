//! Where everything is kept and where everybody listens.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clavitor_node::cli::client::Failure;
use clavitor_node::entropy;

/// HQ and its DNS.
const HQ_HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The POPs: all of 127.0.0.0/8 is this machine, and DNS is to name one or the other.
const POP_HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];

/// Below the range from which the kernel takes ports for outgoing connections: one of those may be
/// gone when a process that was killed starts again.
const PORT_FIRST: u16 = 30_000;
const PORTS: u16 = 2_700;

/// HQ's, that of its DNS, and that of both POPs.
const PORTS_EACH: u16 = 3;

const _: () = assert!(PORT_FIRST + PORTS + PORTS_EACH < 32_768);

/// Where everybody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// HQ.
    pub(super) hq: SocketAddr,
    /// Its DNS.
    pub(super) dns: SocketAddr,
    /// The POPs.
    pub(super) pops: [SocketAddr; 2],
}

/// A directory, which is gone afterwards unless somebody named it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    is_kept: bool,
}

impl Directory {
    /// A new one under the directory for temporary files, or the one that was named, which must be
    /// empty.
    pub(super) fn new(named: Option<&Path>) -> Result<Directory, Failure> {
        let is_kept = named.is_some();
        let temporary = || {
            let number = u64::from_be_bytes(entropy::bytes());
            std::env::temp_dir().join(format!("clavitor-demo-{number:016x}"))
        };
        let path = named.map_or_else(temporary, Path::to_path_buf);
        let failed = |error: io::Error| {
            Failure::refused(format!("{} cannot be used: {error}", path.display()))
        };
        DirBuilder::new().recursive(is_kept).mode(0o700).create(&path).map_err(failed)?;
        // Processes are told of it whatever directory they are in.
        let path = path.canonicalize().map_err(failed)?;
        let failed =
            |error| Failure::refused(format!("{} cannot be read: {error}", path.display()));
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Failure::unreached(format!(
                "--data-dir: {} is not empty, and a demo begins with nothing",
                path.display()
            )));
        }
        Ok(Directory { path, is_kept })
    }

    /// Whether it is there afterwards.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// What has this name in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Addresses that nobody listens on.
pub(super) fn free_addresses() -> Result<Addresses, Failure> {
    let begin = u16::from_be_bytes(entropy::bytes());
    for turn in 0..PORTS {
        let first = PORT_FIRST + begin.wrapping_add(turn.wrapping_mul(PORTS_EACH)) % PORTS;
        let addresses = Addresses {
            hq: (HQ_HOST, first).into(),
            dns: (HQ_HOST, first + 1).into(),
            pops: POP_HOSTS.map(|host| (host, first + 2).into()),
        };
        match addresses.are_free() {
            Ok(()) => return Ok(addresses),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => {
                return Err(Failure::refused(format!(
                    "cannot listen on 127.0.0.1, 127.0.0.2 and 127.0.0.3: {error}"
                )));
            }
        }
    }
    let last = PORT_FIRST + PORTS;
    Err(Failure::refused(format!("no free ports on 127.0.0.1 from {PORT_FIRST} to {last}")))
}

impl Addresses {
    fn are_free(&self) -> io::Result<()> {
        UdpSocket::bind(self.dns)?;
        for address in [self.hq, self.dns].into_iter().chain(self.pops) {
            TcpListener::bind(address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_picked() {
        let addresses = free_addresses().unwrap();
        let [first, second] = addresses.pops;
        assert!(first.ip() != second.ip() && first.port() == second.port());
        let _taken = TcpListener::bind(second).unwrap();
        assert_eq!(addresses.are_free().unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_ne!(free_addresses().unwrap().pops, addresses.pops);
    }

    #[test]
    fn a_directory_of_its_own_is_gone_afterwards_and_a_named_one_is_not() {
        let own = Directory::new(None).unwrap();
        let path = own.join("");
        fs::write(own.join("file"), "x").unwrap();
        let named = path.join("named");
        let kept = Directory::new(Some(&named)).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        drop(kept);
        assert!(named.join("file").exists());
        let refused = Directory::new(Some(&named)).unwrap_err();
        assert!(refused.message.contains("is not empty"), "{}", refused.message);
        drop(own);
        assert!(!path.exists());
    }
}
