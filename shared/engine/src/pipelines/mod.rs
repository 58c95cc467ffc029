//! Whole pipelines: tokens, text embeddings, seeded latents, the visible sampling loop, the decoded picture.
