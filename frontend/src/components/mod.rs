//! Parts that several pages use. Each takes what it shows as properties and knows no route of the server.

pub mod actions;
pub mod check;
pub mod compare;
pub mod copy_button;
pub mod empty;
pub mod film_strip;
pub mod fold;
pub mod gallery_pick;
pub mod icon;
pub mod likeness;
pub mod mask_editor;
pub mod notice;
pub mod optional;
pub mod picture;
pub mod picture_input;
pub mod plot;
pub mod progress;
pub mod prompt_check;
pub mod raster;
pub mod record;
pub mod reproduce;
pub mod segments;
pub mod select;
pub mod slider;
pub mod tip;
pub mod toast;
