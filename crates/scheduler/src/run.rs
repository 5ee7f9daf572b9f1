//! The program: parses, wires and waits.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::{follow, remind, server};

/// Serves until it is told to end.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    logs::start(options.log);
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = kube_api::listen(address).and_then(TcpListener::from_std);
    listener.with_context(|| format!("cannot listen on {address}"))
}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let extender = options.extender()?;
    let listener = listen(options.listen)?;
    let server::Routers { asked, seen } = server::routers(extender.clone());
    let mut parts = JoinSet::new();
    if let Some(address) = options.metrics_address {
        let listener = listen(address)?;
        tracing::info!(metrics = %listener.local_addr()?, "telling how it is");
        parts.spawn(async move { drop(axum::serve(listener, seen).await) });
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let (nodes, recalling, ending) = (extender.clone(), extender.clone(), extender.clone());
    let (reminding, reminder) = (extender.clone(), options.reminder.clone());
    let (namespace, its) = (options.namespace.clone(), options.namespace.clone());
    parts.spawn(async move { follow::keep_nodes(&nodes, &namespace).await });
    parts.spawn(async move { follow::keep_recalling(&recalling).await });
    parts.spawn(async move { follow::keep_ending(&ending).await });
    parts.spawn(async move { remind::keep_reminding(&reminding, &its, &reminder).await });
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let end = async move {
        terminate.recv().await;
    };
    tokio::select! {
        served = axum::serve(listener, asked).with_graceful_shutdown(end) => Ok(served?),
        why = ended(&mut parts) => Err(why),
    }
}

/// Why the program has to start again: none of its parts ends by itself, and without one answers would rest on what was.
async fn ended(parts: &mut JoinSet<()>) -> anyhow::Error {
    match parts.join_next().await {
        Some(Err(panic)) => anyhow::Error::from(panic).context("a part of the extender has ended"),
        Some(Ok(())) | None => anyhow::anyhow!("a part of the extender has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_ends_the_program_and_says_why() {
        let mut parts = JoinSet::new();
        parts.spawn(std::future::pending());
        parts.spawn(async { panic!("this test wants it") });
        let why = format!("{:#}", ended(&mut parts).await);
        assert!(
            why.contains("a part of the extender") && why.contains("this test wants it"),
            "{why}"
        );
    }
}
