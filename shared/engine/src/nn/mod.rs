//! All layers of the project: linear, convolution, norms, attention, activations, embeddings.
//!
//! They live in one room so that low-rank adapters, a backward pass that never drops gradients and faster kernels are each
//! done once. A layer knows tensors and a scope of weights; it does not know any network.
