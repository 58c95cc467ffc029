//! `chapan bench`: how long things take here, and in the reference library on the same machine.

mod generate;
mod reference;

use clap::{Args, Subcommand};

use super::Failure;
use crate::config::Environment;

/// Options of `chapan bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Seconds and memory for a picture, here and with diffusers, in turns
    Generate(generate::Arguments),
}

/// Measures.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.what {
        What::Generate(arguments) => generate::run(arguments, environment),
    }
}
