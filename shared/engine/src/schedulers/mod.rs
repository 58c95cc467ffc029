//! Sampling algorithms, one a file, with the configuration and the numbers of diffusers.

mod name;

pub use name::SchedulerName;
