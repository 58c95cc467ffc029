//! Checkpoint files: opened, verified before any allocation, and handed out tensor by tensor, each exactly once.
