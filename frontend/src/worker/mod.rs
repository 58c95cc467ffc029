//! The page's side of its workers: what is computed away from the main thread. It knows the messages of `chapan_worker`,
//! starts the program when it is first needed, and starts it again after it died.
//!
//! There are two workers of the same program, so that a drawing of many seconds keeps nobody from typing: [`quick`] for
//! what takes milliseconds, [`easel`] for drawing.

mod check;
mod compare;
mod desk;
mod program;
mod rgba;

pub use chapan_worker::messages;
pub use check::check_prompt;
pub use compare::{Compared, compare};
pub use desk::{Desk, Fault, Given};
pub use rgba::Rgba;

thread_local! {
    static QUICK: Desk = Desk::new();
    static EASEL: Desk = Desk::new();
}

/// The worker for work of milliseconds.
pub fn quick() -> Desk {
    QUICK.with(Desk::clone)
}

/// The worker that draws.
pub fn easel() -> Desk {
    EASEL.with(Desk::clone)
}
