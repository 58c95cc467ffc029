//! Debian's package manager: said before it is used, used only where we may.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::fault::{Fault, Result};
use crate::process::{self, say};

/// Installs packages, or says the command that would.
///
/// `why` ends the sentence "system packages are needed: ..".
pub fn install(packages: &[&str], why: &str) -> Result {
    let hint = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if process::find("apt-get").is_none() {
        return Err(Fault::hinted(
            format!("{why} needs the Debian packages {}, and there is no apt-get here", packages.join(", ")),
            "install the same programs with the package manager of this system",
        ));
    }
    let Some(prefix) = privilege() else {
        return Err(Fault::hinted(
            format!("{why} needs system packages, and we may not install any"),
            format!("sudo {hint}"),
        ));
    };
    say(format!("{why}: installing system packages with apt-get: {}", packages.join(" ")));
    let apt_get = || {
        let mut command = match prefix {
            None => Command::new("apt-get"),
            Some(sudo) => {
                let mut command = Command::new(sudo);
                command.arg("apt-get");
                command
            }
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "Dpkg::Use-Pty=0"]);
        command
    };
    if let Err(fault) = process::run(apt_get().arg("update")) {
        // Lists from an earlier update may be enough; if they are not, the next command says so.
        eprintln!("{fault}");
    }
    process::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
        .map_err(|fault| Fault::hinted(format!("{why}: {fault}"), format!("try by hand: {hint}")))
}

/// `None`: we may not install. `Some(None)`: we are root. `Some(Some(sudo))`: with sudo, without a password.
#[expect(clippy::option_option, reason = "three answers, used once, right above")]
fn privilege() -> Option<Option<&'static str>> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    if root {
        return Some(None);
    }
    process::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Some("sudo"))
}
