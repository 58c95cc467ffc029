//! The way back through each kernel: gradients of inputs, and of weights where those are trained.
//!
//! The same means as forward: packed panels, strips that fit the cache, one order of additions whatever the number of
//! threads. Every function that gives the gradient of an input takes what is known of it so far, `before`, and adds it in the
//! same pass.

mod attention;
mod conv2d;
mod elementwise;
mod norm;
mod outer;
mod weights;

pub use attention::attention_gradient;
pub use conv2d::{Geometry, conv2d_input_gradient, conv2d_weight_gradient};
pub use elementwise::{
    activation_gradient, column_products, gate_gradient, rectifier_gradient, scale_columns, split_channels,
    sum_over_pixels,
};
pub use norm::{Groups, group_norm_gradient, layer_norm_gradient, layer_norm_weight_gradient};
pub use weights::{column_sums, linear_weight_gradient};
