//! One folder per room of the studio, named as in the address.

pub mod arena;
pub mod compare;
pub mod gallery;
pub mod lesson;
pub mod microscope;
pub mod models;
pub mod not_found;
pub mod studio;
pub mod training;
