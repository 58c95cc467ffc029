//! The engine against the reference libraries, on small fixtures whose generators are in `tests/reference`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not there")]

mod clips;
mod images;
mod layers;
mod loras;
mod micro_family;
mod mini;
mod networks;
mod pipelines;
mod pretraining;
mod prompts;
mod schedulers;
mod single_file;
mod tokenizer;
mod training;
mod upscalers;
mod windows;
