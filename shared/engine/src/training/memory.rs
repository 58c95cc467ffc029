//! How much memory a training will take, estimated from the configuration: within about a fifth of what was measured on the
//! mini model at 512x512 with and without blocks that run again (`chapan bench train`).

use crate::models::unet::UnetConfig;

use super::config::TrainingConfig;

/// Maps of a residual block's width that are remembered, input and output included.
const RESNET_MAPS: u64 = 5;
/// The same of a transformer's block, whose feed-forward network is eight widths wide.
const TRANSFORMER_MAPS: u64 = 15;
/// Maps that live at once while one block is run forth and back.
const BLOCK_MAPS: u64 = 40;

/// Bytes beside the model's weights: trained tensors with their moments, copies of frozen weights for the way back, and
/// what `pictures` of `cells` latent pixels that are computed at once leave behind.
pub fn working_bytes(
    unet: &UnetConfig,
    config: &TrainingConfig,
    parameters: u64,
    cells: u64,
    pictures: u64,
) -> u64 {
    let widths = &unet.block_out_channels;
    let (mut remembered, mut largest, mut inputs) = (0, 0, 0);
    for (level, width) in widths.iter().enumerate() {
        let map = (cells >> (2 * level)).max(1) * *width as u64;
        let layers = unet.layers_per_block.at(level).unwrap_or(1) as u64;
        let depth = unet.transformer_layers_per_block.at(level).unwrap_or(1) as u64;
        let attends = unet.down_block_types.get(level).is_some_and(|kind| kind.contains("CrossAttn"));
        let depth = if attends { depth } else { 0 };
        // Down, and up with one layer more and twice the channels at its entrance.
        let passes = 2 * layers + 2;
        remembered += passes * map * (RESNET_MAPS + TRANSFORMER_MAPS * depth);
        inputs += passes * map * 3;
        largest = largest.max(map * (RESNET_MAPS + TRANSFORMER_MAPS * depth.max(1)));
    }
    let kept = if config.gradient_checkpointing { inputs + largest } else { remembered };
    let top = cells * widths.first().copied().unwrap_or(1) as u64 * BLOCK_MAPS;
    // Value, gradient, two moments, running mean, and a gradient of every picture.
    let trained = parameters * (5 + pictures);
    4 * (pictures * (kept + top) + trained)
}
