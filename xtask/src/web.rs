//! The front end: built by Trunk into `dist`, compressed beside each file, and weighed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};

use crate::fault::{Fault, Result, at};
use crate::process;
use crate::project::Project;
use crate::tools::{Tool, wasm_target};

/// What the first page should weigh: markup, script, style and WebAssembly, compressed.
const FIRST_PAGE_GOAL_BYTES: u64 = 350 * 1000;

/// What it may weigh until the program is split: the wire types of uploads, LoRAs and grids took it above the goal.
pub const FIRST_PAGE_BUDGET_BYTES: u64 = 375 * 1000;

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
    for file in files(&dist)? {
        compress(&file)?;
    }
    Ok(dist)
}

/// One file of the front end.
pub struct Weight {
    /// Path below `dist`.
    pub name: String,
    /// Size as built.
    pub plain: u64,
    /// Size as sent to a browser that takes brotli, at quality 11; all do where the connection is private.
    pub compressed: u64,
    /// Whether `index.html` asks for it before anything is clicked.
    pub first: bool,
}

/// Weighs what is in `dist`.
pub fn weigh(dist: &Path) -> Result<Vec<Weight>> {
    let index = dist.join("index.html");
    let page = fs::read_to_string(&index).map_err(at(&index))?;
    let mut weights = Vec::new();
    for path in files(dist)? {
        let name = path.strip_prefix(dist).unwrap_or(&path).to_string_lossy().into_owned();
        let size = |path: &Path| path.metadata().map(|meta| meta.len()).map_err(at(path));
        let plain = size(&path)?;
        let packed = twin(&path, "br");
        let compressed = if packed.is_file() { size(&packed)? } else { plain };
        let first = name == "index.html" || (!is_picture_or_font(&name) && page.contains(&name));
        weights.push(Weight { name, plain, compressed, first });
    }
    weights.sort_by_key(|weight| std::cmp::Reverse((weight.first, weight.compressed)));
    Ok(weights)
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
        "first page: {} kB of {} kB, goal {} kB, brotli 11",
        first.div_ceil(1000),
        FIRST_PAGE_BUDGET_BYTES / 1000,
        FIRST_PAGE_GOAL_BYTES / 1000
    );
    println!("{line}");
    if !has_program {
        return Err(Fault::new("the first page loads no WebAssembly: the budget was not measured"));
    }
    if first > FIRST_PAGE_BUDGET_BYTES {
        return Err(Fault::hinted(
            format!("the first page is too heavy: {line}"),
            "move what is not needed at first sight into the worker or behind a click; `cargo bloat` shows the weight",
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
