//! The command line: one file a command, each with its options, its examples and `run`.
//!
//! Long options are spelled as in diffusers. Results go to standard output (`--json` for programs), progress and errors
//! to standard error as a fact and a `hint:`. Exit status: 0 done, 1 failed, 2 the command line is wrong. Commands call
//! the same code that the server's jobs call; nothing is implemented twice.

mod analyze;
mod bench;
mod clips;
mod compete;
mod doctor;
mod failure;
mod generate;
mod installed;
mod loras;
mod models;
mod noise;
pub mod output;
mod pretrain;
mod score;
mod serve;
mod source;
mod train_lora;
mod upscale;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;

pub use failure::Failure;

/// A studio and classroom for visual AI: generate, compare, learn.
#[derive(Debug, Parser)]
#[command(name = "chapan", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Start here:
  chapan doctor                                          is everything in place?
  chapan generate --prompt \"a man in a red shirt, flat\" --output man.png
  chapan serve                                           the studio in your browser")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the studio on this machine
    Serve(serve::Arguments),
    /// Draw a picture from a prompt
    Generate(Box<generate::Arguments>),
    /// Make a picture larger
    Upscale(upscale::Arguments),
    /// Write the exact initial noise of a seed, bit-identical to torch.randn
    Noise(noise::Arguments),
    /// Teach a model a character from a few pictures: a small file
    TrainLora(Box<train_lora::Arguments>),
    /// Say what reference pictures show: key features, a training prompt, captions
    Analyze(analyze::Arguments),
    /// Hold pictures against references: who comes nearest, and why
    Score(Box<score::Arguments>),
    /// Train, draw, score, learn, again: rounds until a LoRA is ahead
    Compete(Box<compete::Arguments>),
    /// List the installed models, LoRAs and upscalers
    Models(models::Arguments),
    /// Draw pictures of the world that the mini family is trained on, with captions
    World(world::Arguments),
    /// Check that everything is in place
    Doctor(doctor::Arguments),
    /// Measure speed and memory, here and in the reference library
    Bench(bench::Arguments),
    /// Train the mini family, or measure it on held-out scenes
    Pretrain(pretrain::Arguments),
}

/// Reads the command line of the process, runs the command, reports a failure.
pub fn main() -> ExitCode {
    let environment = Environment::from_process();
    let result = match CommandLine::parse().command {
        Command::Serve(arguments) => serve::run(arguments, &environment),
        Command::Generate(arguments) => generate::run(&arguments, &environment),
        Command::Upscale(arguments) => upscale::run(&arguments, &environment),
        Command::Noise(arguments) => noise::run(&arguments),
        Command::TrainLora(arguments) => train_lora::run(&arguments, &environment),
        Command::Analyze(arguments) => analyze::run(&arguments, &environment),
        Command::Score(arguments) => score::run(&arguments, &environment),
        Command::Compete(arguments) => compete::run(&arguments, &environment),
        Command::Models(arguments) => models::run(&arguments, &environment),
        Command::World(arguments) => world::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments, &environment),
        Command::Bench(arguments) => bench::run(&arguments, &environment),
        Command::Pretrain(arguments) => pretrain::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            failure.exit_code()
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where the command line reports failures")]
fn report(failure: &Failure) {
    eprintln!("{failure}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn options_are_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
