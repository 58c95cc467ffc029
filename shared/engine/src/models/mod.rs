//! Networks built of the layers in [`nn`](crate::nn), with tensor names as in diffusers and transformers checkpoints.
