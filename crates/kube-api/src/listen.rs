//! Where a program of ours is asked: by the API server, by kube-scheduler, by who gathers metrics. It opens the
//! door and answers nothing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Listens on `address`, without blocking. `[::]` is every address of the machine; one that was booted without
/// IPv6 (`ipv6.disable=1`) has all of its addresses by IPv4's `0.0.0.0` alone.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = first(address, TcpListener::bind)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The first that can be had of what stands for `address`; the last error where none can.
fn first<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(address) {
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that was booted without IPv6: it makes no socket of that family.
    fn without_ipv6(address: SocketAddr) -> io::Result<String> {
        match address {
            SocketAddr::V4(address) => Ok(address.to_string()),
            SocketAddr::V6(_) => Err(io::Error::other("Address family not supported by protocol")),
        }
    }

    #[test]
    fn all_addresses_are_those_of_ipv4_where_there_is_no_ipv6() {
        let table = [
            ("[::]:9999", Some("0.0.0.0:9999")),
            ("0.0.0.0:9999", Some("0.0.0.0:9999")),
            // One that was chosen is that one or none.
            ("[::1]:9999", None),
            ("127.0.0.1:9999", Some("127.0.0.1:9999")),
        ];
        for (address, expected) in table {
            let bound = first(address.parse().unwrap(), without_ipv6);
            assert_eq!(bound.ok().as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn one_that_listens_on_all_addresses_is_reached_by_those_of_ipv4_too() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
