//! What a training will take, told from a checkpoint's configuration and the shapes of its weights: nothing is loaded.

use std::path::Path;

use crate::lora::Component;
use crate::models::parse_config;
use crate::models::unet::UnetConfig;
use crate::weights::open_component;
use crate::{Error, Result};

use super::config::TrainingConfig;
use super::factors::{Choice, no_layers};
use super::memory;

/// Sizes of a training that has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Trained numbers.
    pub parameters: u64,
    /// Memory beside the model's weights, as [`Trainer::working_bytes`](super::Trainer::working_bytes) tells it.
    pub working_bytes: u64,
}

/// Looks at a checkpoint in diffusers layout. `cells` are the latent pixels of the largest picture; on the CPU several pictures
/// are computed at once.
///
/// # Errors
/// When the checkpoint lacks a part, or has none of the layers.
pub fn estimate(folder: &Path, config: &TrainingConfig, cells: u64, on_cpu: bool) -> Result<Estimate> {
    let path = folder.join("unet/config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::config("unet", format!("cannot read `{}`: {error}", path.display()), "install the model again")
    })?;
    let unet: UnetConfig = parse_config("unet", &text)?;
    let mut parameters = 0;
    for component in [Component::Unet, Component::TextEncoder, Component::TextEncoder2] {
        if component != Component::Unet && !config.targets.text_encoders {
            continue;
        }
        let source = open_component(&folder.join(component.folder()))?;
        let names = source.names();
        let paths: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".weight")).collect();
        let choice = Choice::new(config, paths.iter().map(|path| (component, *path)));
        for path in paths.into_iter().filter(|path| choice.takes(component, path)) {
            let shape = source.info(&format!("{path}.weight")).map(|info| info.shape.clone());
            let (outputs, inputs) = match shape.as_deref() {
                Some([outputs, rest @ ..]) if !rest.is_empty() => (*outputs, rest.iter().product::<usize>()),
                _ => continue,
            };
            let lengths = if config.use_dora { outputs } else { 0 };
            parameters += (config.rank * (outputs + inputs) + lengths) as u64;
        }
    }
    if parameters == 0 {
        return Err(no_layers());
    }
    let at_once = if on_cpu { rayon::current_num_threads() } else { 1 };
    let pictures = at_once.min(2 * config.train_batch_size) as u64;
    let working_bytes = memory::working_bytes(&unet, config, parameters, cells, pictures);
    Ok(Estimate { parameters, working_bytes })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::super::{Example, Role, Targets, Trainer};
    use super::*;
    use crate::models::vae::Posterior;
    use crate::pipelines::StableDiffusionXl;

    #[test]
    fn what_is_told_without_loading_is_what_a_trainer_tells() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/pipelines/tiny-sdxl");
        let mut pipeline = StableDiffusionXl::load(&folder, &Device::Cpu, DType::F32).unwrap();
        let cells = 64 * 64 / (pipeline.cell_side() * pipeline.cell_side());
        let mean = Tensor::ones((1, 4, 8, 8), DType::F32, &Device::Cpu).unwrap();
        let example = Example {
            role: Role::Reference,
            caption: "a hat".to_owned(),
            posterior: Posterior { logvar: mean.zeros_like().unwrap(), mean },
            time_ids: [64.0, 64.0, 0.0, 0.0, 64.0, 64.0],
        };
        let all = Targets { feed_forward: true, convolutions: true, text_encoders: true };
        for (targets, use_dora) in
            [(Targets::default(), true), (all, false), (Targets { convolutions: false, ..all }, true)]
        {
            let config = TrainingConfig { rank: 3, targets, use_dora, ..TrainingConfig::default() };
            let told = estimate(&folder, &config, cells as u64, true).unwrap();
            let trainer = Trainer::new(&mut pipeline, vec![example.clone()], config).unwrap();
            let parameters: usize = trainer.parameters().iter().map(|p| p.values.len()).sum();
            let working_bytes = trainer.working_bytes(64 * 64);
            assert_eq!(told, Estimate { parameters: parameters as u64, working_bytes }, "{targets:?}");
        }
    }
}
