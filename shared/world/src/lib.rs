//! The procedural drawing world: a seed becomes a picture, a caption and its attributes.
//!
//! It knows no model and no clock; only [`write_folder`] knows files. The same seed gives the same bytes on every platform.
//!
//! ```
//! let scene = chapan_world::Scene::sample(7);
//! let picture = scene.draw(128);
//! assert_eq!(picture.rgb.len(), 128 * 128 * 3);
//! println!("{}", scene.full_caption());
//! ```

mod caption;
mod drawing;
mod folder;
mod picture;
mod portrait;
mod record;
mod rng;
mod room;
mod scene;
mod words;

pub use folder::{FolderError, METADATA, write_folder};
pub use picture::{Picture, Region};
pub use record::{CAPTIONS, Record};
pub use rng::Rng;
pub use scene::{HELD_OUT_SEED, Look, Portrait, Room, Scene, Subject};
pub use words::{
    Accessory, Age, Background, Bed, Clothing, Expression, Eyes, Face, FacialHair, Group, Guests, Hair, Lamp,
    Painting, Plant, Pose, Rug, Style, Wall, Window, Words, groups,
};

use drawing::Canvas;

/// Version of the renderer: a change of any picture raises it, and models must be trained anew.
pub const RENDERER_VERSION: u32 = 1;

impl Scene {
    /// Draws the scene as `size` by `size` pixels.
    pub fn draw(&self, size: usize) -> Picture {
        self.render(size).0
    }

    /// Where the named things are on a picture of `size`.
    pub fn regions(&self, size: usize) -> Vec<Region> {
        self.render(size).1
    }

    /// The picture and its regions at once.
    pub fn render(&self, size: usize) -> (Picture, Vec<Region>) {
        let mut canvas = Canvas::new(size, self.style);
        match &self.subject {
            Subject::Portrait(portrait) => portrait::draw(&mut canvas, portrait, &self.look),
            Subject::Room(room) => room::draw(&mut canvas, room, &self.look),
        }
        canvas.finish()
    }

    /// `portrait` or `room`.
    pub fn kind(&self) -> &'static str {
        match self.subject {
            Subject::Portrait(_) => "portrait",
            Subject::Room(_) => "room",
        }
    }
}
