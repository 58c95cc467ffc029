//! The procedural drawing world: a seed becomes a picture, a caption and its attributes.
