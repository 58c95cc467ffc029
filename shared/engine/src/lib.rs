//! The diffusion engine: models, schedulers, pipelines and weights on candle.
