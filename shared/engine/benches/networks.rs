//! How long one pass of a network takes: `cargo bench -p chapan-engine --bench networks -- [ROUNDS]`.
//!
//! Prints one JSON line of minima in milliseconds. `tests/reference/engine/bench_networks.py` runs the same models in
//! diffusers; compare only runs of the same minutes on the same machine.
#![expect(clippy::print_stdout, reason = "the result of a benchmark is its output")]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use chapan_engine::DType;
use chapan_engine::models::{AutoencoderKl, UNet2DConditionModel, UnetConfig, VaeConfig, parse_config};
use chapan_engine::noise::TorchRng;
use chapan_engine::weights::{SafetensorsFile, Weights};
use chapan_engine::{Device, Tensor};

/// Milliseconds: on the clock, or with `--cpu-time` of this program's own computing (Linux), for a machine with other work.
fn clock() -> f64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let own = std::env::args().any(|arg| arg == "--cpu-time");
    let spent = own.then(|| {
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let files =
            threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
        files.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    });
    spent.map_or_else(|| BEGIN.elapsed().as_secs_f64() * 1e3, |nanoseconds| nanoseconds / 1e6)
}

/// The fastest of `rounds` runs, in milliseconds.
fn fastest(rounds: usize, mut run: impl FnMut()) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = clock();
            run();
            clock() - start
        })
        .fold(f64::INFINITY, f64::min)
}

/// Configuration and weights of a component of the mini family.
fn component(name: &str) -> (String, Weights) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/models/chapan-mini").join(name);
    let config = std::fs::read_to_string(folder.join("config.json")).expect("the model is committed");
    let source = SafetensorsFile::open(&folder.join("diffusion_pytorch_model.safetensors"));
    (config, Weights::new(source.expect("the model is sound"), DType::F32, &Device::Cpu))
}

fn draw(seed: u64, shape: &[usize]) -> Tensor {
    let values = TorchRng::new(seed).randn(shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).expect("values fit the shape")
}

fn main() {
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(20);
    let (config, weights) = component("unet");
    let config: UnetConfig = parse_config("unet", &config).expect("the model is sound");
    let unet = UNet2DConditionModel::load(&weights.root(), &config).expect("the model is sound");
    let (sample, context, text) =
        (draw(2, &[2, config.in_channels, 16, 16]), draw(3, &[2, 77, 256]), draw(4, &[2, 128]));
    let ids = vec![vec![128.0, 128.0, 0.0, 0.0, 128.0, 128.0]; 2];
    let conditioning = unet.condition(&context, Some(&text), Some(&ids)).expect("shapes fit");
    let step = || drop(unet.forward(&sample, &[601.0], &conditioning).expect("shapes fit"));
    step();
    let unet_ms = fastest(rounds, step);

    let (config, weights) = component("vae");
    let config: VaeConfig = parse_config("vae", &config).expect("the model is sound");
    let vae = AutoencoderKl::load(&weights.root(), &config).expect("the model is sound");
    let latents = draw(6, &[1, config.latent_channels, 16, 16]);
    let decode = || drop(vae.decode(&latents).expect("shapes fit"));
    decode();
    let vae_ms = fastest(rounds, decode);
    println!(r#"{{"unet_step_ms": {unet_ms:.3}, "vae_decode_ms": {vae_ms:.3}}}"#);
}
