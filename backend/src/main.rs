//! The `chapan` binary: hands the command line to the library.

fn main() -> std::process::ExitCode {
    chapan::cli::main()
}
