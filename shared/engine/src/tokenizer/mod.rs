//! Text to token ids: byte-pair encoding as CLIP does it, from the checkpoint's own vocabulary.
