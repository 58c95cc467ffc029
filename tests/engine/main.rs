//! The engine against the reference libraries, on small fixtures whose generators are in `tests/reference`.

mod layers;
mod mini;
mod networks;
mod pipelines;
mod schedulers;
mod single_file;
mod tokenizer;
