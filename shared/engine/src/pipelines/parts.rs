//! What a loaded checkpoint is made of, for whoever wants to see the three parts side by side.

/// The three parts of a model and how large they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelParts {
    /// Widths of the text encoders' states (`hidden_size`), in the order in which they stand side by side.
    pub text_widths: Vec<usize>,
    /// Numbers in the weights of all text encoders.
    pub text_encoder_parameters: u64,
    /// Numbers in the weights of the denoiser.
    pub unet_parameters: u64,
    /// Numbers in the weights of the autoencoder, encoder and decoder.
    pub vae_parameters: u64,
}
