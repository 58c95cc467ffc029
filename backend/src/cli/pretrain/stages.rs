//! The order of the stages, and what each makes of those before it.

use std::path::Path;

use chapan_engine::Device;
use chapan_engine::evaluate::Tower;
use chapan_engine::models::vae::AutoencoderKl;
use chapan_engine::training::pretrain::{
    Attributes, Autoencoder, Denoiser, Family, Part, Scenes, Store, TextImage, export,
};
use clap::ValueEnum;

use super::scenes::World;
use super::train::{Ended, Run};
use crate::cli::Failure;

/// A training of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum StageName {
    /// Says what a picture shows; measures the others and trains none of them
    Judge,
    /// Pictures to latents and back
    Autoencoder,
    /// The picture half of the scoring CLIP
    Tower,
    /// Three text encoders learn to meet the tower
    TextImage,
    /// Draws latents from text, with both of its text encoders
    Unet,
    /// More decibels for the autoencoder's decoder
    Polish,
}

use StageName::{
    Autoencoder as AutoencoderStage, Judge, Polish, TextImage as TextImageStage, Tower as TowerStage, Unet,
};

impl StageName {
    /// All of them in the order in which they must be trained.
    pub const ALL: [Self; 6] = [Judge, AutoencoderStage, TowerStage, TextImageStage, Unet, Polish];

    /// As on the command line and in names of files.
    pub fn name(self) -> &'static str {
        match self {
            Judge => "judge",
            AutoencoderStage => "autoencoder",
            TowerStage => "tower",
            TextImageStage => "text-image",
            Unet => "unet",
            Polish => "polish",
        }
    }

    /// How long it trains by default, in seconds.
    pub fn seconds(self) -> f64 {
        60.0 * match self {
            Judge | TowerStage => 12.0,
            TextImageStage => 30.0,
            AutoencoderStage | Polish => 40.0,
            Unet => 240.0,
        }
    }

    /// What is added to the seed: no stage repeats another's chance.
    pub fn number(self) -> u64 {
        10 * self as u64
    }
}

/// Trains a stage as far as the run says, and writes the files that it completes.
pub fn train(stage: StageName, family: &Family, world: &World, run: &Run<'_>) -> Result<Ended, Failure> {
    let side = family.side;
    let ended = match stage {
        Judge => run.stage(stage, || Ok(Attributes::new(stage.name(), world, &family.judge, side)?))?,
        TowerStage => run.stage(stage, || Ok(Attributes::new(stage.name(), world, &family.tower, side)?))?,
        AutoencoderStage => {
            run.stage(stage, || Ok(Autoencoder::new(world, &family.vae, side, Part::Whole)))?
        }
        TextImageStage => run.stage(stage, || {
            let finished = run.finished(TowerStage)?;
            let tensors = export::tower(&finished.weights, &finished.kept, &family.tower)?;
            let store = Store::new(tensors, None, &[], &Device::Cpu);
            Ok(TextImage::new(world, family, Tower::load(&store.scope(), &family.tower)?))
        })?,
        Unet => run.stage(stage, || {
            let store = Store::new(run.finished(AutoencoderStage)?.weights, None, &[], &Device::Cpu);
            let vae = AutoencoderKl::load(&store.scope(), &family.vae)?;
            Ok(Denoiser::new(world, family, vae, &run.finished(TextImageStage)?.weights)?)
        })?,
        Polish => run.stage(stage, || {
            let part = Part::Decoder(run.finished(AutoencoderStage)?.weights);
            Ok(Autoencoder::new(world, &family.vae, side, part))
        })?,
    };
    if ended == Ended::Finished {
        for (path, bytes) in files(stage, family, world, run)? {
            run.write(Path::new(&path), &bytes)?;
        }
    }
    Ok(ended)
}

/// The files that a finished stage completes: a pipeline as soon as there is a denoiser, again when its decoder is polished.
fn files(stage: StageName, family: &Family, world: &World, run: &Run<'_>) -> Result<export::Files, Failure> {
    Ok(match stage {
        Judge => export::judge(family, world.groups(), &run.finished(stage)?)?,
        TextImageStage => export::clip(family, &run.finished(TowerStage)?, &run.finished(stage)?)?,
        Unet | Polish if run.is_finished(Unet)? => {
            let decoder = if run.is_finished(Polish)? { Polish } else { AutoencoderStage };
            export::pipeline(family, world, &run.finished(Unet)?, &run.finished(decoder)?.weights)?
        }
        _ => export::Files::new(),
    })
}
