//! The page's program: compiled, cut where the page says `wasm_split`, given its glue, named by what is in it.
//!
//! The files know each other by name, so they keep their names and lie in one folder that carries the hash of them all.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use wasm_encoder::RawSection;
use wasmparser::{Parser, Payload};

use crate::fault::{Fault, Result, at};
use crate::process::{self, say};
use crate::project::Project;
use crate::tools::Tool;
use crate::tools::wasm_target::{TARGET, WasmToolchain};

use super::files;

/// The crate, its binary, and the stem of its files.
pub const NAME: &str = "chapan-web";

/// How the folder of the program begins; sixteen digits of a hash follow.
pub const FOLDER: &str = "program-";

/// Says which files each part of the page needs besides the program itself.
pub const PARTS: &str = "parts.txt";

/// The part with all pages but the first, and its style.
const ROOMS: &str = "rooms";
const ROOMS_STYLE: &str = "rooms.css";

/// Builds the program into `dist` and returns the name of its folder there.
pub fn build(project: &Project, toolchain: &WasmToolchain, dist: &Path) -> Result<String> {
    let whole = compile(project, toolchain)?;
    let fresh = dist.join("program");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(at(&fresh))?;
    }
    let main = project.path("target/web").join(TARGET).join("web").join(format!("{NAME}-main.wasm"));
    let mut parts = split(&whole, &main, &fresh)?;
    bind(project, &main, &fresh)?;
    let style = style_of_rooms(&project.path("style").join(ROOMS))?;
    fs::write(fresh.join(ROOMS_STYLE), style).map_err(at(&fresh))?;
    let Some(rooms) = parts.get_mut(ROOMS) else {
        return Err(Fault::new(format!("the program has no part `{ROOMS}`: its style would reach nobody")));
    };
    rooms.push(ROOMS_STYLE.to_owned());
    let list = fresh.join(PARTS);
    let lines: Vec<String> =
        parts.iter().map(|(part, files)| format!("{part}: {}", files.join(" "))).collect();
    fs::write(&list, lines.join("\n")).map_err(at(&list))?;
    let folder = format!("{FOLDER}{:016x}", hash(&fresh)?);
    let named = dist.join(&folder);
    fs::rename(&fresh, &named).map_err(at(&named))?;
    Ok(folder)
}

/// The sheets of a folder as one, in the order of their names.
fn style_of_rooms(folder: &Path) -> Result<String> {
    let mut whole = String::new();
    for file in files(folder)? {
        whole += &fs::read_to_string(&file).map_err(at(&file))?;
    }
    Ok(whole)
}

/// Compiles the program with what a splitter must know of it: names and relocations.
fn compile(project: &Project, toolchain: &WasmToolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(project);
    cargo
        .args(["rustc", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", "web", "--locked"])
        .args(["--", "-C", "link-arg=--emit-relocs", "-C", "strip=none"]);
    process::run(&mut cargo)?;
    Ok(project.path("target/web").join(TARGET).join("web").join(format!("{NAME}.wasm")))
}

/// Cuts the program; returns the files that each part needs.
fn split(whole: &Path, main: &Path, folder: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let input = fs::read(whole).map_err(at(whole))?;
    let module = format!("./{NAME}.js");
    let mut options = wasm_split_cli_support::Options::new(&input);
    options.output_dir = folder;
    options.main_out_path = main;
    options.main_module = &module;
    let made = wasm_split_cli_support::transform(options).map_err(|error| {
        Fault::hinted(
            format!("`{}` cannot be split: {error:#}", whole.display()),
            "`wasm_split_helpers` in frontend and `wasm_split_cli_support` in xtask must be of one version",
        )
    })?;
    for path in &made.split_modules {
        let named = fs::read(path).map_err(at(path))?;
        fs::write(path, without_names(&named, path)?).map_err(at(path))?;
    }
    say(format!("{} parts of the program in {} files", made.prefetch_map.len(), made.split_modules.len()));
    let file = |stem: String| format!("{stem}.wasm");
    Ok(made
        .prefetch_map
        .into_iter()
        .map(|(part, stems)| {
            let mut files: Vec<String> = stems.into_iter().map(file).collect();
            files.sort();
            (part, files)
        })
        .collect())
}

/// A module without its custom sections: names are for the splitter, not for browsers.
fn without_names(module: &[u8], path: &Path) -> Result<Vec<u8>> {
    let mut bare = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| Fault::new(format!("`{}`: {error}", path.display())))?;
        if let (false, Some((id, range))) =
            (matches!(payload, Payload::CustomSection(_)), payload.as_section())
        {
            bare.section(&RawSection { id, data: &module[range.start as usize..range.end as usize] });
        }
    }
    Ok(bare.finish())
}

/// Writes the glue between the program and the browser.
fn bind(project: &Project, main: &Path, folder: &Path) -> Result {
    let mut bindgen = project.command(Tool::wasm_bindgen(project)?.ensure(project)?);
    // The parts find what they share with the program under the names the linker gave.
    bindgen
        .args(["--target", "web", "--keep-lld-exports", "--no-demangle", "--no-typescript"])
        .args(["--remove-name-section", "--remove-producers-section"])
        .args(["--out-name", NAME, "--out-dir"])
        .args([folder, main]);
    process::run(&mut bindgen)
}

/// A hash of all files of a folder, names included; the same for the same files.
fn hash(folder: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files(folder)? {
        hasher.write(file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().as_bytes());
        hasher.write(&fs::read(&file).map_err(at(&file))?);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::without_names;

    #[test]
    fn names_are_left_out_and_all_else_is_kept() {
        let header = b"\0asm\x01\0\0\0";
        let kinds = [1, 4, 1, 0x60, 0, 0];
        let names = [0, 6, 4, b'n', b'a', b'm', b'e', 0];
        let named = [header.as_slice(), &kinds, &names].concat();
        let bare = without_names(&named, Path::new("a.wasm")).expect("a module");
        assert_eq!(bare, [header.as_slice(), &kinds].concat());
        assert!(without_names(&named[..12], Path::new("a.wasm")).is_err());
    }
}
