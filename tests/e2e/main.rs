//! The page in a real browser, by what a person sees: roles, labels, words and pictures.
//!
//! Every story has a server, a data folder and a browser of its own; the model is the one that ships. `cargo xtask e2e`
//! builds the page, finds the browser and runs them one after another.

mod arena;
mod begin;
mod bring;
mod compare;
mod gallery;
mod keyboard;
mod lesson;
mod looks;
mod mask;
mod microscope;
mod prompt;
mod stack;
mod studio;
mod training;
mod visit;
mod walk;
mod words;
