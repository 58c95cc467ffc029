//! The words of the world: every group, its values, and the phrases by which a caption may name them.
//!
//! A value has four kinds of words: `clip` (one phrase for zero-shot recognition), `with` (what may follow
//! "a man with"), `adjectives` (what may stand before "man" or "room") and `tags` (what may stand alone).

mod portrait;
mod room;

pub use portrait::{
    Accessory, Age, Background, Clothing, Expression, Eyes, Face, FacialHair, Hair, Pose, Style,
};
pub use room::{Bed, Guests, Lamp, Painting, Plant, Rug, Wall, Window};

/// How one value of a group is said in words.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// The value's name in metadata.
    pub value: &'static str,
    /// The phrase for zero-shot recognition; also the first choice in full captions.
    pub clip: &'static str,
    /// Noun phrases that may follow "with" (for clothing: "wearing"; for backgrounds: nothing before).
    pub with: &'static [&'static str],
    /// Words that may stand before the subject.
    pub adjectives: &'static [&'static str],
    /// Phrases that may stand alone in a comma list.
    pub tags: &'static [&'static str],
}

/// One thing that can differ between scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Shape of the face.
    Face,
    /// Shape of the eyes.
    Eyes,
    /// Beard and moustache.
    FacialHair,
    /// Hair on the head, or the fur hat that hides it.
    Hair,
    /// What the person wears.
    Clothing,
    /// How the picture is drawn; portraits and rooms share it.
    Style,
    /// Mouth and brows.
    Expression,
    /// What is behind the person.
    Background,
    /// A hat, a staff or a bag.
    Accessory,
    /// How the person stands, or rides.
    Pose,
    /// Black or grey hair.
    Age,
    /// For whom a hotel room is furnished.
    Guests,
    /// Colour of the bed.
    Bed,
    /// Colour of the wall.
    Wall,
    /// Window by day, by night, or none.
    Window,
    /// A lamp, or none.
    Lamp,
    /// A plant, or none.
    Plant,
    /// A picture on the wall, or none.
    Painting,
    /// A rug, or none.
    Rug,
}

impl Group {
    /// The group's name in metadata and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Face => "face shape",
            Self::Eyes => "eyes",
            Self::FacialHair => "facial hair",
            Self::Hair => "hair",
            Self::Clothing => "clothing",
            Self::Style => "style",
            Self::Expression => "expression",
            Self::Background => "background",
            Self::Accessory => "accessories",
            Self::Pose => "pose",
            Self::Age => "age",
            Self::Guests => "guests",
            Self::Bed => "bed",
            Self::Wall => "wall",
            Self::Window => "window",
            Self::Lamp => "lamp",
            Self::Plant => "plant",
            Self::Painting => "picture",
            Self::Rug => "rug",
        }
    }

    /// Whether rooms, not portraits, have this group.
    pub fn is_of_rooms(self) -> bool {
        self >= Self::Guests
    }

    /// All values with their words, in a fixed order.
    pub fn values(self) -> &'static [Words] {
        match self {
            Self::Face => Face::WORDS,
            Self::Eyes => Eyes::WORDS,
            Self::FacialHair => FacialHair::WORDS,
            Self::Hair => Hair::WORDS,
            Self::Clothing => Clothing::WORDS,
            Self::Style => Style::WORDS,
            Self::Expression => Expression::WORDS,
            Self::Background => Background::WORDS,
            Self::Accessory => Accessory::WORDS,
            Self::Pose => Pose::WORDS,
            Self::Age => Age::WORDS,
            Self::Guests => Guests::WORDS,
            Self::Bed => Bed::WORDS,
            Self::Wall => Wall::WORDS,
            Self::Window => Window::WORDS,
            Self::Lamp => Lamp::WORDS,
            Self::Plant => Plant::WORDS,
            Self::Painting => Painting::WORDS,
            Self::Rug => Rug::WORDS,
        }
    }

    /// The words of the value called `name`, if the group has it.
    pub fn words(self, name: &str) -> Option<&'static Words> {
        self.values().iter().find(|words| words.value == name)
    }
}

/// Every group, portraits first, in the order of attributes.
pub fn groups() -> &'static [Group] {
    &[
        Group::Face,
        Group::Eyes,
        Group::FacialHair,
        Group::Hair,
        Group::Clothing,
        Group::Style,
        Group::Expression,
        Group::Background,
        Group::Accessory,
        Group::Pose,
        Group::Age,
        Group::Guests,
        Group::Bed,
        Group::Wall,
        Group::Window,
        Group::Lamp,
        Group::Plant,
        Group::Painting,
        Group::Rug,
    ]
}

/// Defines the values of one group together with how often they occur and how they are said.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident, $weight:literal, $value:literal, $clip:literal,
        with [$($with:literal),*], adjectives [$($adj:literal),*], tags [$($tag:literal),*];)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How often each value is drawn, relative to the others.
            pub const WEIGHTS: &'static [usize] = &[$($weight,)+];
            /// The words of each value.
            pub const WORDS: &'static [crate::words::Words] = &[$(crate::words::Words {
                value: $value, clip: $clip, with: &[$($with),*], adjectives: &[$($adj),*], tags: &[$($tag),*],
            },)+];

            /// The value's name in metadata.
            pub fn value(self) -> &'static str {
                Self::WORDS[self as usize].value
            }

            /// One value by chance.
            pub fn sample(rng: &mut crate::rng::Rng) -> Self {
                Self::ALL[rng.weighted(Self::WEIGHTS)]
            }
        }
    };
}
pub(crate) use choices;
