//! The program: parses, wires and waits.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;
use crate::{follow, remind, server};

/// Serves until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let all = one_of(address);
    TcpListener::bind(&all[..]).await.with_context(|| format!("cannot listen on {address}"))
}

/// Where to listen for `address`, the first that can be had: a machine that was booted without IPv6 has
/// all of its addresses by IPv4's `0.0.0.0` alone.
fn one_of(address: SocketAddr) -> Vec<SocketAddr> {
    let mut all = vec![address];
    if address.is_ipv6() && address.ip().is_unspecified() {
        all.push((Ipv4Addr::UNSPECIFIED, address.port()).into());
    }
    all
}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let extender = options.extender()?;
    let listener = listen(options.listen).await?;
    let server::Routers { asked, seen } = server::routers(extender.clone());
    if let Some(address) = options.metrics_address {
        let listener = listen(address).await?;
        tracing::info!(metrics = %listener.local_addr()?, "telling how it is");
        tokio::spawn(async move { axum::serve(listener, seen).await });
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let (nodes, recalling, ending) = (extender.clone(), extender.clone(), extender.clone());
    let (reminding, reminder) = (extender.clone(), options.reminder.clone());
    let (namespace, its) = (options.namespace.clone(), options.namespace.clone());
    tokio::spawn(async move { follow::keep_nodes(&nodes, &namespace).await });
    tokio::spawn(async move { follow::keep_recalling(&recalling).await });
    tokio::spawn(async move { follow::keep_ending(&ending).await });
    tokio::spawn(async move { remind::keep_reminding(&reminding, &its, &reminder).await });
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let end = async move {
        terminate.recv().await;
    };
    Ok(axum::serve(listener, asked).with_graceful_shutdown(end).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_those_of_ipv4_where_there_is_no_ipv6() {
        let table = [
            ("[::]:9999", vec!["[::]:9999", "0.0.0.0:9999"]),
            ("0.0.0.0:9999", vec!["0.0.0.0:9999"]),
            // One that was chosen is that one or none.
            ("[::1]:9999", vec!["[::1]:9999"]),
            ("127.0.0.1:9999", vec!["127.0.0.1:9999"]),
        ];
        for (address, expected) in table {
            let all = one_of(address.parse().unwrap());
            assert_eq!(all.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        }
    }
}
