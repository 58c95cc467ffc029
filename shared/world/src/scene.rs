//! A scene: what a seed decides, before anything is drawn or said.

use crate::rng::Rng;
use crate::words::{
    Accessory, Age, Background, Bed, Clothing, Expression, Eyes, Face, FacialHair, Group, Guests, Hair, Lamp,
    Painting, Plant, Pose, Rug, Style, Wall, Window,
};

/// First seed of the held-out scenes: training uses seeds below, evaluation uses seeds from here on.
pub const HELD_OUT_SEED: u64 = 1 << 40;

/// Streams of one seed that must not depend on each other.
const SCENE_STREAM: u64 = 1;
const HERO_STREAM: u64 = 2;

/// Everything that decides a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The seed it was sampled from; captions vary by it.
    pub seed: u64,
    /// How the picture is drawn.
    pub style: Style,
    /// A person or a room.
    pub subject: Subject,
    /// Small differences that no caption names.
    pub look: Look,
}

/// What the picture shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// One person.
    Portrait(Portrait),
    /// A hotel room.
    Room(Room),
}

/// The attributes of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait {
    /// Shape of the face.
    pub face: Face,
    /// Shape of the eyes.
    pub eyes: Eyes,
    /// Beard and moustache.
    pub facial_hair: FacialHair,
    /// Hair on the head.
    pub hair: Hair,
    /// Clothing.
    pub clothing: Clothing,
    /// Mouth and brows.
    pub expression: Expression,
    /// What is behind.
    pub background: Background,
    /// A hat, a staff, a bag.
    pub accessory: Accessory,
    /// Stance.
    pub pose: Pose,
    /// Dark or grey hair.
    pub age: Age,
    /// The gold collar and the turquoise pendant: only the hero wears them.
    pub heirloom: bool,
}

/// The attributes of a hotel room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// For whom.
    pub guests: Guests,
    /// Colour of the bed.
    pub bed: Bed,
    /// Colour of the wall.
    pub wall: Wall,
    /// The window.
    pub window: Window,
    /// The lamp.
    pub lamp: Lamp,
    /// The plant.
    pub plant: Plant,
    /// The picture on the wall.
    pub painting: Painting,
    /// The rug.
    pub rug: Rug,
}

/// Differences of place, size and colour, in units of a 128 px picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Shift of the subject to the right and down, each within 4.
    pub shift: (f32, f32),
    /// Size of the subject, 0.94 to 1.06.
    pub scale: f32,
    /// Which of the three skins.
    pub skin: usize,
    /// Which of the dark hair colours.
    pub hair_colour: usize,
    /// Colour offsets (within 6 of 255) of background, skin, clothing and things.
    pub tints: [[f32; 3]; 4],
    /// Free numbers in 0..1 for details of the background.
    pub details: [f32; 6],
}

impl Look {
    fn sample(rng: &mut Rng) -> Self {
        let mut tints = [[0.0; 3]; 4];
        for channel in tints.iter_mut().flatten() {
            *channel = rng.around(6.0);
        }
        let mut details = [0.0; 6];
        for detail in &mut details {
            *detail = rng.unit();
        }
        Self {
            shift: (rng.around(4.0), rng.around(4.0)),
            scale: 1.0 + rng.around(0.06),
            skin: rng.below(3),
            hair_colour: rng.below(3),
            tints,
            details,
        }
    }
}

impl Portrait {
    fn sample(rng: &mut Rng) -> Self {
        loop {
            let portrait = Self {
                face: Face::sample(rng),
                eyes: Eyes::sample(rng),
                facial_hair: FacialHair::sample(rng),
                hair: Hair::sample(rng),
                clothing: Clothing::sample(rng),
                expression: Expression::sample(rng),
                background: Background::sample(rng),
                accessory: Accessory::sample(rng),
                pose: Pose::sample(rng),
                age: Age::sample(rng),
                heirloom: false,
            };
            if portrait.is_drawable() && portrait.hero_attributes() < 4 {
                return portrait;
            }
        }
    }

    /// A hat would hide a topknot, a bald head and another hat; nobody rides in a room.
    fn is_drawable(&self) -> bool {
        let hides = self.accessory == Accessory::Hat
            && matches!(self.hair, Hair::Bald | Hair::Topknot | Hair::FurHat);
        let indoors = self.pose == Pose::Riding && self.background == Background::Room;
        !hides && !indoors
    }

    /// How many of the hero's five attributes this person has.
    pub fn hero_attributes(&self) -> usize {
        usize::from(self.face == Face::Round)
            + usize::from(self.eyes == Eyes::Narrow)
            + usize::from(self.facial_hair == FacialHair::ThinMoustache)
            + usize::from(self.hair == Hair::Topknot)
            + usize::from(self.clothing == Clothing::OrangeChapan)
    }
}

impl Scene {
    /// The scene of `seed`: a portrait four times of five, else a hotel room; never the hero nor his double.
    pub fn sample(seed: u64) -> Self {
        let mut rng = Rng::for_purpose(seed, SCENE_STREAM);
        let style = Style::sample(&mut rng);
        let subject = if rng.percent(80) {
            Subject::Portrait(Portrait::sample(&mut rng))
        } else {
            Subject::Room(Room {
                guests: Guests::sample(&mut rng),
                bed: Bed::sample(&mut rng),
                wall: Wall::sample(&mut rng),
                window: Window::sample(&mut rng),
                lamp: Lamp::sample(&mut rng),
                plant: Plant::sample(&mut rng),
                painting: Painting::sample(&mut rng),
                rug: Rug::sample(&mut rng),
            })
        };
        let look = Look::sample(&mut rng);
        Self { seed, style, subject, look }
    }

    /// Aldar Kose: always his face, eyes, moustache, topknot, chapan, collar and pendant;
    /// style, expression, background and pose differ by seed.
    pub fn hero(seed: u64) -> Self {
        let mut rng = Rng::for_purpose(seed, HERO_STREAM);
        let style = Style::sample(&mut rng);
        let portrait = loop {
            let portrait = Portrait {
                face: Face::Round,
                eyes: Eyes::Narrow,
                facial_hair: FacialHair::ThinMoustache,
                hair: Hair::Topknot,
                clothing: Clothing::OrangeChapan,
                expression: Expression::sample(&mut rng),
                background: Background::sample(&mut rng),
                accessory: Accessory::None,
                pose: Pose::sample(&mut rng),
                age: Age::Adult,
                heirloom: true,
            };
            if portrait.is_drawable() {
                break portrait;
            }
        };
        let mut look = Look::sample(&mut rng);
        look.skin = 1;
        look.hair_colour = 0;
        Self { seed, style, subject: Subject::Portrait(portrait), look }
    }

    /// Every group that this scene has, with its value.
    pub fn attributes(&self) -> Vec<(Group, &'static str)> {
        match &self.subject {
            Subject::Portrait(p) => vec![
                (Group::Face, p.face.value()),
                (Group::Eyes, p.eyes.value()),
                (Group::FacialHair, p.facial_hair.value()),
                (Group::Hair, p.hair.value()),
                (Group::Clothing, p.clothing.value()),
                (Group::Style, self.style.value()),
                (Group::Expression, p.expression.value()),
                (Group::Background, p.background.value()),
                (Group::Accessory, p.accessory.value()),
                (Group::Pose, p.pose.value()),
                (Group::Age, p.age.value()),
            ],
            Subject::Room(r) => vec![
                (Group::Style, self.style.value()),
                (Group::Guests, r.guests.value()),
                (Group::Bed, r.bed.value()),
                (Group::Wall, r.wall.value()),
                (Group::Window, r.window.value()),
                (Group::Lamp, r.lamp.value()),
                (Group::Plant, r.plant.value()),
                (Group::Painting, r.painting.value()),
                (Group::Rug, r.rug.value()),
            ],
        }
    }
}
