//! `aliquot-admission`: parses, wires and waits.
#![forbid(unsafe_code)]

use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;

use aliquot_admission::certificate::files::Files;
use aliquot_admission::options::{Command, Options};
use aliquot_admission::policies::ChartFile;
use aliquot_admission::{policies, server};
use anyhow::Context;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let options = Options::parse();
    logs::start(options.log);
    let done = match options.command {
        Some(Command::Policies { chart }) => write_policies(&options, chart),
        None => run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_policies(options: &Options, chart: Option<ChartFile>) -> anyhow::Result<()> {
    let rules = options.rules()?;
    let all = || [policies::manifests(&rules), policies::limits(&rules)].concat();
    let text = chart.map_or_else(|| policies::yaml(&all()), policies::for_the_chart);
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

// As many questions are understood at a time, and what one is understood as takes many times its bytes.
#[tokio::main(worker_threads = 2)]
async fn run(options: &Options) -> anyhow::Result<()> {
    let rules = options.rules()?;
    let (tls, kept) = certificate(options).await?;
    let handle = Handle::new();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn({
        let handle = handle.clone();
        async move {
            terminate.recv().await;
            server::end(&handle);
        }
    });
    let address = options.listen;
    tokio::select! {
        served = server::serve(address, tls, rules, handle) => {
            served.with_context(|| format!("cannot serve on {address}"))
        }
        why = kept => Err(why),
    }
}

/// Keeps a certificate fresh. It ends where there is none to serve with any more, with the reason.
type Keeping = Pin<Box<dyn Future<Output = anyhow::Error>>>;

/// The certificate to serve with, and what keeps it fresh from here on.
async fn certificate(options: &Options) -> anyhow::Result<(RustlsConfig, Keeping)> {
    if let Some(keeper) = options.keeper()? {
        let tls = keeper.start().await?;
        let config = tls.clone();
        return Ok((tls, Box::pin(async move { keeper.keep(config).await.into() })));
    }
    let (files, tls) = Files::open(&options.certificate).await?;
    let config = tls.clone();
    Ok((tls, Box::pin(async move { match files.follow(config).await {} })))
}
