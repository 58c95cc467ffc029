//! Parts that several pages use. Each takes what it shows as properties and knows no route of the server.

pub mod copy_button;
pub mod empty;
pub mod film_strip;
pub mod icon;
pub mod notice;
pub mod picture;
pub mod progress;
pub mod record;
pub mod select;
pub mod slider;
pub mod tip;
pub mod toast;
