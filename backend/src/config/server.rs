//! The configuration of `chapan serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Environment, Secret, assets_folders, default_data_dir};

/// The port when none is named.
pub const DEFAULT_PORT: u16 = 8080;

/// Long enough that loading and resuming cost little beside it, short enough to wait for.
pub const TRAINING_SLICE: Duration = Duration::from_secs(20);

/// What the command line said; what is absent comes from the environment, then from the defaults.
#[derive(Clone, Debug, Default)]
pub struct ServerFlags {
    /// Address to listen on.
    pub host: Option<String>,
    /// Port to listen on; 0 lets the system choose.
    pub port: Option<u16>,
    /// Database and pictures.
    pub data_dir: Option<PathBuf>,
    /// The built front end.
    pub static_dir: Option<PathBuf>,
    /// More folders of models.
    pub models_dirs: Vec<PathBuf>,
    /// Device: `auto`, `cpu`, `cuda:N`, `metal`.
    pub device: Option<String>,
}

/// Everything that the server is told from outside.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on; loopback.
    pub address: SocketAddr,
    /// Folder of the database and the pictures.
    pub data_dir: PathBuf,
    /// Folder of the built front end, if there is one.
    pub static_dir: Option<PathBuf>,
    /// Folders whose folders are models, first come first served.
    pub models_dirs: Vec<PathBuf>,
    /// Folders with the features that analyses look for.
    pub features_dirs: Vec<PathBuf>,
    /// Folders with the references that ship.
    pub references_dirs: Vec<PathBuf>,
    /// How long a training works while others wait for its device.
    pub training_slice: Duration,
    /// Device: `auto`, `cpu`, `cuda:N`, `metal`.
    pub device: String,
    /// Memory that a job may plan with, in bytes; absent means what the machine has.
    pub memory_limit_bytes: Option<u64>,
    /// Address of the hub that models are fetched from; absent means the public one.
    pub hub_endpoint: Option<String>,
    /// Token for the hub.
    pub hub_token: Option<Secret>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The host is not an address.
    #[error(
        "`{0}` is not an address to listen on\nhint: use 127.0.0.1, or ::1 for version 6 of the protocol"
    )]
    NotAnAddress(String),
    /// The address is not loopback.
    #[error(
        "`{0}` can be reached from other machines, and this server has no accounts yet\n\
         hint: listen on 127.0.0.1 and share the screen; accounts for a class come with classroom mode"
    )]
    NotLoopback(IpAddr),
    /// A variable does not hold a number.
    #[error(
        "`{name}` is `{value}`, which is not a number\nhint: write digits only, or leave the variable out"
    )]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
}

impl ServerConfig {
    /// Joins flags, environment and defaults, in this order of strength.
    pub fn new(flags: ServerFlags, environment: &Environment) -> Result<Self, ConfigError> {
        let host = flags.host.or_else(|| environment.get("CHAPAN_HOST").map(str::to_owned));
        let host = listen_address(host.as_deref())?;
        let port = match flags.port {
            Some(port) => port,
            None => number(environment, "CHAPAN_PORT")?.unwrap_or(DEFAULT_PORT),
        };
        let data_dir = flags
            .data_dir
            .or_else(|| environment.path("CHAPAN_DATA_DIR"))
            .unwrap_or_else(|| default_data_dir(environment));
        let static_dir = flags
            .static_dir
            .or_else(|| environment.path("CHAPAN_STATIC_DIR"))
            .or_else(|| assets_folders("dist").into_iter().next());
        // What ships comes first: its first model is the one that a request without a model gets.
        let mut models_dirs = assets_folders("assets/models");
        models_dirs.push(data_dir.join("models"));
        models_dirs.extend(flags.models_dirs);
        models_dirs.extend(environment.path("CHAPAN_MODELS_DIR"));
        let device = flags.device.or_else(|| environment.get("CHAPAN_DEVICE").map(str::to_owned));
        let megabytes: Option<u64> = number(environment, "CHAPAN_MEMORY_LIMIT_MB")?;
        Ok(Self {
            address: SocketAddr::new(host, port),
            data_dir,
            static_dir,
            models_dirs,
            features_dirs: assets_folders("assets/features"),
            references_dirs: assets_folders("assets/references"),
            training_slice: TRAINING_SLICE,
            device: device.unwrap_or_else(|| "auto".to_owned()),
            memory_limit_bytes: megabytes.map(|mb| mb.saturating_mul(1 << 20)),
            hub_endpoint: environment.get("HF_ENDPOINT").map(str::to_owned),
            hub_token: environment.secret("HF_TOKEN"),
        })
    }
}

fn listen_address(host: Option<&str>) -> Result<IpAddr, ConfigError> {
    let address: IpAddr = match host {
        None | Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => {
            text.trim_matches(['[', ']']).parse().map_err(|_| ConfigError::NotAnAddress(text.to_owned()))?
        }
    };
    if address.is_loopback() { Ok(address) } else { Err(ConfigError::NotLoopback(address)) }
}

fn number<T: std::str::FromStr>(env: &Environment, name: &'static str) -> Result<Option<T>, ConfigError> {
    env.get(name)
        .map(|value| value.parse().map_err(|_| ConfigError::NotANumber { name, value: value.to_owned() }))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment_and_that_over_defaults() {
        let env = Environment::of(&[("CHAPAN_PORT", "9000"), ("CHAPAN_DATA_DIR", "/tmp/x")]);
        let config = ServerConfig::new(ServerFlags::default(), &env).unwrap();
        assert_eq!(config.address.to_string(), "127.0.0.1:9000");
        assert_eq!(config.data_dir, PathBuf::from("/tmp/x"));
        assert!(config.models_dirs.contains(&PathBuf::from("/tmp/x/models")));
        let flags = ServerFlags { port: Some(0), host: Some("::1".to_owned()), ..Default::default() };
        assert_eq!(ServerConfig::new(flags, &env).unwrap().address.to_string(), "[::1]:0");
    }

    #[test]
    fn other_machines_are_refused_with_a_hint() {
        for host in ["0.0.0.0", "192.168.1.4", "::"] {
            let flags = ServerFlags { host: Some(host.to_owned()), ..Default::default() };
            let error = ServerConfig::new(flags, &Environment::default()).unwrap_err().to_string();
            assert!(error.contains(host) && error.contains("hint:"), "{error}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        let flags = ServerFlags { host: Some("example.com".to_owned()), ..Default::default() };
        let error = ServerConfig::new(flags, &Environment::default()).unwrap_err().to_string();
        assert!(error.contains("`example.com`"), "{error}");
        let env = Environment::of(&[("CHAPAN_PORT", "http")]);
        let error = ServerConfig::new(ServerFlags::default(), &env).unwrap_err().to_string();
        assert!(error.contains("`CHAPAN_PORT` is `http`"), "{error}");
    }
}
