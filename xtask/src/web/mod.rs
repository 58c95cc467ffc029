//! The front end: page, styles and worker built by Trunk into `dist`, the program beside them, each file compressed, and weighed.

mod program;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};

use crate::fault::{Fault, Result, at};
use crate::process;
use crate::project::Project;
use crate::tools::{Tool, wasm_target};

/// What the first page may weigh: markup, script, style and WebAssembly, compressed.
pub const FIRST_PAGE_BUDGET_BYTES: u64 = 350 * 1000;

/// The part of the program that the first page shows.
const FIRST_PART: &str = "studio";

/// What the worker and the small CLIP may weigh together, as sent: they are fetched when a prompt is first checked.
pub const WORKER_BUDGET_BYTES: u64 = 8 * 1000 * 1000;

/// The files of the worker; Trunk gives them no hash.
const WORKER: &str = "chapan-worker";

/// Builds the front end and returns the folder to serve.
pub fn build(project: &Project) -> Result<PathBuf> {
    let toolchain = wasm_target::ensure(project)?;
    Tool::wasm_bindgen(project)?.ensure(project)?;
    let mut trunk = project.command(Tool::trunk().ensure(project)?);
    toolchain.choose(project, &mut trunk);
    // Trunk reads NO_COLOR as a flag that wants `true` or `false`, and stops at the usual `1`.
    trunk.env_remove("NO_COLOR").env("TRUNK_SKIP_VERSION_CHECK", "true");
    process::run(trunk.args(["build", "--cargo-profile", "web"]))?;
    let dist = project.path("dist");
    let folder = program::build(project, &toolchain, &dist)?;
    name_program(&dist, &folder)?;
    for file in files(&dist)? {
        compress(&file)?;
    }
    Ok(dist)
}

/// Tells the page where its program is, and which files the part behind an address needs.
fn name_program(dist: &Path, folder: &str) -> Result {
    const PLACE: &str = "data-program=\"/program\"";
    let index = dist.join("index.html");
    let page = fs::read_to_string(&index).map_err(at(&index))?;
    if !page.contains(PLACE) {
        return Err(Fault::new(format!("`{}` has no place for the program: {PLACE}", index.display())));
    }
    let parts: Vec<String> = parts(&dist.join(folder))?
        .iter()
        .map(|(part, files)| format!("{part} {}", files.join(" ")))
        .collect();
    let named =
        page.replace(PLACE, &format!("data-program=\"/{folder}\" data-parts=\"{}\"", parts.join(",")));
    fs::write(&index, named).map_err(at(&index))
}

/// The parts of the program in this folder, with the files each needs.
fn parts(folder: &Path) -> Result<Vec<(String, Vec<String>)>> {
    let list = folder.join(program::PARTS);
    let text = fs::read_to_string(&list).map_err(at(&list))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(part, files)| (part.to_owned(), files.split(' ').map(str::to_owned).collect()))
        .collect())
}

/// One file of the front end.
pub struct Weight {
    /// Path below `dist`.
    pub name: String,
    /// Size as built.
    pub plain: u64,
    /// Size as sent to a browser that takes brotli, at quality 11; all do where the connection is private.
    pub compressed: u64,
    /// Whether the first page asks for it before anything is clicked.
    pub first: bool,
}

/// Weighs what is in `dist`.
pub fn weigh(dist: &Path) -> Result<Vec<Weight>> {
    let index = dist.join("index.html");
    let page = fs::read_to_string(&index).map_err(at(&index))?;
    let mut weights = Vec::new();
    let all = files(dist)?;
    let first_of_program = first_of_program(&all)?;
    for path in all {
        let name = path.strip_prefix(dist).unwrap_or(&path).to_string_lossy().into_owned();
        let size = |path: &Path| path.metadata().map(|meta| meta.len()).map_err(at(path));
        let plain = size(&path)?;
        let packed = twin(&path, "br");
        let compressed = if packed.is_file() { size(&packed)? } else { plain };
        let first = name == "index.html"
            || (!is_picture_or_font(&name) && page.contains(&name))
            || first_of_program.contains(&path);
        weights.push(Weight { name, plain, compressed, first });
    }
    weights.sort_by_key(|weight| std::cmp::Reverse((weight.first, weight.compressed)));
    Ok(weights)
}

/// Of the program's files, those that the first page loads: all but the other parts.
fn first_of_program(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let Some(list) = files.iter().find(|file| file.file_name().is_some_and(|name| name == program::PARTS))
    else {
        return Ok(Vec::new());
    };
    let folder = list.parent().unwrap_or(list);
    let (first, later): (Vec<_>, Vec<_>) =
        parts(folder)?.into_iter().partition(|(part, _)| part == FIRST_PART);
    let names = |parts: Vec<(String, Vec<String>)>| {
        parts.into_iter().flat_map(|(_, files)| files).collect::<Vec<_>>()
    };
    let (first, mut later) = (names(first), names(later));
    if first.is_empty() {
        return Err(Fault::new(format!(
            "the program has no part `{FIRST_PART}`: the first page was not measured"
        )));
    }
    later.retain(|name| !first.contains(name));
    let is_later =
        |file: &Path| later.iter().any(|name| file.ends_with(name)) || file.ends_with(program::PARTS);
    Ok(files.iter().filter(|file| file.starts_with(folder) && !is_later(file)).cloned().collect())
}

/// Prints the weights; a first page above the budget is a fault.
pub fn check_budget(weights: &[Weight]) -> Result<String> {
    println!("{:>10} {:>10}  file (bytes; sent with brotli 11)", "plain", "sent");
    for weight in weights {
        let mark = if weight.first { "first page" } else { "" };
        println!("{:>10} {:>10}  {} {mark}", weight.plain, weight.compressed, weight.name);
    }
    let first: u64 = weights.iter().filter(|weight| weight.first).map(|weight| weight.compressed).sum();
    let has_program = weights.iter().any(|weight| weight.first && extension(&weight.name) == Some("wasm"));
    let line = format!(
        "first page: {} kB of {} kB, brotli 11",
        first.div_ceil(1000),
        FIRST_PAGE_BUDGET_BYTES / 1000
    );
    println!("{line}");
    if !has_program {
        return Err(Fault::new("the first page loads no WebAssembly: the budget was not measured"));
    }
    if first > FIRST_PAGE_BUDGET_BYTES {
        return Err(Fault::hinted(
            format!("the first page is too heavy: {line}"),
            "move what is not needed at first sight into the worker or into a part of its own (`frontend/src/parts.rs`)",
        ));
    }
    Ok(line)
}

/// Prints what the worker and the CLIP at `clip` weigh together; more than the budget is a fault.
pub fn check_worker(weights: &[Weight], clip: &Path) -> Result<String> {
    let program = weights.iter().filter(|weight| weight.name.starts_with(WORKER));
    let program: u64 = program.map(|weight| weight.compressed).sum();
    let mut model = 0;
    for file in files(clip)? {
        // The server sends a model's files as they are.
        model += file.metadata().map_err(at(&file))?.len();
    }
    judge_worker(program, model)
}

fn judge_worker(program: u64, model: u64) -> Result<String> {
    let line = format!(
        "worker and small CLIP: {} + {} kB of {} kB",
        program.div_ceil(1000),
        model.div_ceil(1000),
        WORKER_BUDGET_BYTES / 1000
    );
    println!("{line}");
    if program == 0 || model == 0 {
        return Err(Fault::new(format!("the worker was not measured: {line}")));
    }
    if program + model > WORKER_BUDGET_BYTES {
        return Err(Fault::hinted(
            format!("the worker is too heavy: {line}"),
            "leave out what the worker does not compute; `cargo bloat` shows the weight",
        ));
    }
    Ok(line)
}

/// Files that are pictures or fonts are compressed already and are not part of the program.
fn is_picture_or_font(name: &str) -> bool {
    matches!(extension(name), Some("png" | "jpg" | "webp" | "woff2" | "ico"))
}

fn extension(name: &str) -> Option<&str> {
    Path::new(name).extension().and_then(|extension| extension.to_str())
}

fn twin(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Writes `name.br` and `name.gz`, which the server sends to browsers that take them.
fn compress(path: &Path) -> Result {
    if is_picture_or_font(&path.to_string_lossy()) {
        return Ok(());
    }
    let plain = fs::read(path).map_err(at(path))?;
    let mut small = Vec::new();
    let parameters =
        BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: plain.len(), ..Default::default() };
    brotli::BrotliCompress(&mut plain.as_slice(), &mut small, &parameters).map_err(at(path))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&plain).map_err(at(path))?;
    for (extension, bytes) in [("br", small), ("gz", encoder.finish().map_err(at(path))?)] {
        let packed = twin(path, extension);
        fs::write(&packed, bytes).map_err(at(&packed))?;
    }
    Ok(())
}

/// Every file below a folder that is not a compressed twin, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "gz" && extension != "br") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{FIRST_PAGE_BUDGET_BYTES, WORKER_BUDGET_BYTES, Weight, check_budget, judge_worker};

    fn weight(name: &str, compressed: u64, first: bool) -> Weight {
        Weight { name: name.to_owned(), plain: compressed * 3, compressed, first }
    }

    #[test]
    fn budget_counts_the_first_page_only() {
        let page = [weight("a.wasm", FIRST_PAGE_BUDGET_BYTES, true), weight("worker.wasm", 900_000, false)];
        assert!(check_budget(&page).is_ok());
    }

    #[test]
    fn budget_fails_one_byte_above() {
        let page = [weight("a.wasm", FIRST_PAGE_BUDGET_BYTES, true), weight("a.css", 1, true)];
        assert!(check_budget(&page).is_err());
    }

    #[test]
    fn the_worker_and_its_model_are_weighed_together() {
        assert!(judge_worker(WORKER_BUDGET_BYTES - 1, 1).is_ok());
        assert!(judge_worker(WORKER_BUDGET_BYTES, 1).is_err());
        assert!(judge_worker(0, 1).is_err() && judge_worker(1, 0).is_err());
    }

    #[test]
    fn a_page_without_a_program_was_not_measured() {
        assert!(check_budget(&[weight("index.html", 10, true)]).is_err());
    }
}
