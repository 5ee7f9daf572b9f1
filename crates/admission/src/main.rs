//! `aliquot-admission`: parses, wires and waits.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use aliquot_admission::certificate::files::Files;
use aliquot_admission::options::{Command, Options};
use aliquot_admission::policies::ChartFile;
use aliquot_admission::{policies, server};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();
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

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let rules = options.rules()?;
    let tls = certificate(options).await?;
    let handle = Handle::new();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn({
        let handle = handle.clone();
        async move {
            terminate.recv().await;
            server::end(&handle);
        }
    });
    tracing::info!(listen = %options.listen, "serving");
    Ok(server::serve(options.listen, tls, rules, handle).await?)
}

/// The certificate to serve with, kept fresh from here on.
async fn certificate(options: &Options) -> anyhow::Result<RustlsConfig> {
    if let Some(keeper) = options.keeper()? {
        let tls = keeper.start().await?;
        tokio::spawn(keeper.keep(tls.clone()));
        return Ok(tls);
    }
    let (files, tls) = Files::open(&options.certificate).await?;
    tokio::spawn(files.follow(tls.clone()));
    Ok(tls)
}
