//! Pretraining: the mini family's networks, from nothing but a drawing world.
//!
//! | file | what it holds |
//! |---|---|
//! | `scenes` | what the stages ask of a world: pictures, what they show, what may be said of them |
//! | `family` | the configurations and tokenizers that the family is made for |
//! | `stage` | what a stage is: networks, a batch, a loss, figures |
//! | `trainer` | the one loop that runs every stage |
//! | `store` | weights that are made when a network first asks for them, and are the same tensors for whoever watches them |
//! | `begin` | the numbers that weights begin with, as in PyTorch, diffusers and transformers |
//! | `checkpoint` | all that is needed to go on to the bit |
//! | `export` | the family's files, in the layout of `assets/models` |
//! | `chance` | random numbers by name and place |
//! | `losses` | losses with their gradients, written out |
//! | `attributes`, `tower` | the judge, and the picture tower of the scoring CLIP: one stage twice |
//! | `autoencoder`, `principal` | the autoencoder and the polish of its decoder; the linear latents that it begins with |
//! | `text_image`, `meeting` | three text encoders meet the tower; how well they do |
//! | `denoiser` | the UNet, with both of its text encoders |
//!
//! A step is a function of the seed, its number and the weights before it. So nothing but weights and numbers is kept, and a
//! training that was stopped anywhere cannot be told from one that was not.

mod attributes;
mod autoencoder;
mod begin;
mod chance;
mod checkpoint;
mod denoiser;
pub mod export;
mod family;
mod losses;
mod meeting;
mod principal;
mod scenes;
mod stage;
mod store;
mod text_image;
mod tower;
mod trainer;

pub use attributes::{Attributes, Labelled};
pub use autoencoder::{Autoencoder, Part, Pictures};
pub use begin::Begin;
pub use chance::Chance;
pub use checkpoint::{Finished, Progress};
pub use denoiser::{Denoiser, Joint, Noisy};
pub use family::{CLIP, Family, JUDGE, PIPELINE};
pub use scenes::{Caption, Drawn, Scenes};
pub use stage::{Beginning, Figure, Kept, Loss, Moment, Recipe, Stage};
pub use store::Store;
pub use text_image::{Pairs, TextImage, Texts};
pub use tower::TrainedTower;
pub use trainer::{Pretrainer, Report};
