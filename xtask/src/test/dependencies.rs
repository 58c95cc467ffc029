//! What we build on: licences, bans, sources, and advisories where their database can be reached.

use crate::fault::Result;
use crate::process::{self, say};
use crate::project::Project;
use crate::test::Findings;
use crate::tools::Tool;

/// Runs cargo-deny with `deny.toml`.
pub fn check(project: &Project) -> Result<Findings> {
    let program = Tool::cargo_deny().ensure(project)?;
    let deny = || {
        let mut command = project.command(&program);
        command.args(["--locked", "check"]);
        command
    };
    process::run(deny().args(["bans", "licenses", "sources"]))?;
    let found = Findings { passed: 3, ..Findings::default() };
    if !database_is_there(project) {
        let note = "advisories NOT checked: their database cannot be reached from here";
        say(note);
        return Ok(found.noted(note));
    }
    process::run(deny().arg("advisories"))?;
    Ok(Findings { passed: 4, ..found })
}

/// Whether the advisory database answers.
fn database_is_there(project: &Project) -> bool {
    let mut git = project.command("git");
    git.env("GIT_TERMINAL_PROMPT", "0").args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=10"]);
    process::succeeds(git.args([
        "ls-remote",
        "--exit-code",
        "https://github.com/RustSec/advisory-db",
        "HEAD",
    ]))
}
