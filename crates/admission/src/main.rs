//! `aliquot-admission`: parses, wires and waits.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use aliquot_admission::certificate::Files;
use aliquot_admission::options::Options;
use aliquot_admission::server;
use axum_server::Handle;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: &Options) -> anyhow::Result<()> {
    let rules = options.rules()?;
    let (files, tls) = Files::open(&options.certificate).await?;
    let handle = Handle::new();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn({
        let handle = handle.clone();
        async move {
            terminate.recv().await;
            server::end(&handle);
        }
    });
    tokio::spawn(files.follow(tls.clone()));
    tracing::info!(listen = %options.listen, "serving");
    Ok(server::serve(options.listen, tls, rules, handle).await?)
}
