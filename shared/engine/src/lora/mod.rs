//! LoRA: small files that change a model's layers, in every format there is for Stable Diffusion XL.
//!
//! A [`LoraFile`] is opened and can be [`describe`]d without any model. [`ModelLayers`] knows one loaded model's layers under
//! all names that such files use for them, made from the model's own paths; with it a file becomes a [`Lora`]: checked
//! completely before its tensors are read, and matched to layers, with a [`Report`] of what matched. [`apply`] puts any
//! number of them on the layers, each with a weight for the UNet and one for the text encoders.
//!
//! | format | factors | change of the weight |
//! |---|---|---|
//! | LoRA | `down (r, in)`, `up (out, r)` | `up down` |
//! | LoCon | `down (r, in, k, k)`, `up (out, r, 1, 1)` | the same, over all places of the kernel |
//! | LoCon with core | `down (r, in, 1, 1)`, `mid (r, r, k, k)`, `up (out, r, 1, 1)` | `sum up[o, a] mid[a, b, ..] down[b, i]` |
//! | LoHa | `w1_a (out, r)`, `w1_b (r, in k k)`, `w2_a`, `w2_b` | `(w1_a w1_b) * (w2_a w2_b)`, elementwise |
//! | LoHa with cores | `t (r, r, k, k)`, `a (r, out)`, `b (r, in)`, twice | each side is `sum a[p, o] t[p, q, ..] b[q, i]` |
//! | LoKr | `w1 (l, m)`, `w2 (out/l, in/m ..)`, each whole or of two factors | the Kronecker product |
//! | DoRA | any of these and a magnitude | the whole weight, rescaled row by row to that magnitude |
//!
//! Each is multiplied with `alpha / r`, where `r` is the rank of that layer's own factors, and with the weight that the user
//! gives. This room knows layers, files and names; it knows no network and no pipeline.

mod aliases;
mod apply;
mod describe;
mod error;
mod factors;
mod family;
mod file;
mod keys;
mod metadata;
mod original;
mod read;
mod update;

pub use aliases::{Component, ModelLayers};
pub use apply::{Application, AppliedLora, apply};
pub use describe::{LoraDescription, describe};
pub use error::{LoraError, LoraFault};
pub use factors::MAX_RANK;
pub use family::BaseModel;
pub use file::LoraFile;
pub use read::{Lora, Report};
