//! Measures on pictures and embeddings: pure maths on slices.
