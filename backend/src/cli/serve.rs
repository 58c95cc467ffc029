//! `chapan serve`: the server, until it is told to stop.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::clock::SystemClock;
use crate::config::{Environment, ServerConfig, ServerFlags};
use crate::server::Server;

use super::Failure;

/// The options of `chapan serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Address to listen on: this machine only, until there are accounts [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one [default: 8080]
    #[arg(long)]
    port: Option<u16>,
    /// Folder for the database and the pictures
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder of the built front end
    #[arg(long)]
    static_dir: Option<PathBuf>,
    /// Another folder with models in it; may be given several times
    #[arg(long = "models-dir")]
    models_dirs: Vec<PathBuf>,
    /// Where models run: auto, cpu, cuda:N or metal [default: auto]
    #[arg(long)]
    device: Option<String>,
}

/// Serves until Ctrl+C or a request to terminate. Prints `listening on http://...` when it is ready.
pub fn run(arguments: Arguments, environment: &Environment) -> Result<(), Failure> {
    let flags = ServerFlags {
        host: arguments.host,
        port: arguments.port,
        data_dir: arguments.data_dir,
        static_dir: arguments.static_dir,
        models_dirs: arguments.models_dirs,
        device: arguments.device,
    };
    let config =
        ServerConfig::new(flags, environment).map_err(|error| Failure::from_text(&error.to_string()))?;
    start_log(environment);
    let hint = "free some memory or threads and try again";
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the server cannot start its threads: {error}"), hint))?;
    runtime.block_on(async {
        let started = Server::start(config, Arc::new(SystemClock)).await;
        let server = started.map_err(Failure::from)?;
        announce(&server.address().to_string());
        if let Err(error) = stop_requested().await {
            tracing::warn!(%error, "signals cannot be heard; stopping");
        }
        tracing::info!("stopping: finishing requests, giving jobs back to the queue");
        server.stop().await;
        Ok(())
    })
}

/// One line on standard output, for people and for programs that wait for it.
fn announce(address: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "listening on http://{address}").and_then(|()| stdout.flush()).is_err() {
        tracing::info!(address, "listening; nobody reads the standard output");
    }
}

/// The log goes to the error stream; `CHAPAN_LOG` names the least level that is written.
fn start_log(environment: &Environment) {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level = environment.get("CHAPAN_LOG").and_then(|text| text.parse().ok());
    let level = level.unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let targets = tracing_subscriber::filter::Targets::new()
        .with_default(tracing::level_filters::LevelFilter::WARN)
        .with_target("chapan", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second call in one process keeps the first log.
    if tracing_subscriber::registry().with(targets).with(lines).try_init().is_err() {
        tracing::debug!("the log was running already");
    }
}

#[cfg(unix)]
async fn stop_requested() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_requested() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
