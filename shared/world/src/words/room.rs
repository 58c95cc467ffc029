//! Groups of the hotel rooms.

use super::choices;

choices! {
    /// For whom the room is furnished.
    Guests {
        /// Straight lines and calm colours.
        Plain, 3, "plain", "a plain hotel room", with [], adjectives ["plain", "simple"], tags ["plain room", "plain furniture"];
        /// Organic shapes and bright colours.
        Alien, 2, "alien", "a hotel room for guests from another planet",
            with ["for guests from another planet", "for alien guests", "for visitors from another planet"],
            adjectives ["alien", "strange"], tags ["alien room", "organic shapes and bright colours"];
    }
}

choices! {
    /// Colour of the bed.
    Bed {
        /// Red.
        Red, 1, "red", "a red bed", with ["a red bed"], adjectives [], tags ["red bed"];
        /// Blue.
        Blue, 1, "blue", "a blue bed", with ["a blue bed"], adjectives [], tags ["blue bed"];
        /// Green.
        Green, 1, "green", "a green bed", with ["a green bed"], adjectives [], tags ["green bed"];
        /// White.
        White, 1, "white", "a white bed", with ["a white bed"], adjectives [], tags ["white bed"];
        /// Saffron yellow.
        Yellow, 1, "yellow", "a yellow bed", with ["a yellow bed"], adjectives [], tags ["yellow bed"];
    }
}

choices! {
    /// Colour of the wall.
    Wall {
        /// Cream.
        Cream, 1, "cream", "cream walls", with ["cream walls", "a cream wall"], adjectives [], tags ["cream walls"];
        /// Turquoise.
        Turquoise, 1, "turquoise", "turquoise walls", with ["turquoise walls", "a turquoise wall"], adjectives [],
            tags ["turquoise walls"];
        /// Pink.
        Pink, 1, "pink", "pink walls", with ["pink walls", "a pink wall"], adjectives [], tags ["pink walls"];
        /// Grey.
        Grey, 1, "grey", "grey walls", with ["grey walls", "a grey wall"], adjectives [], tags ["grey walls"];
        /// Violet.
        Violet, 1, "violet", "violet walls", with ["violet walls", "a violet wall", "purple walls"], adjectives [],
            tags ["violet walls"];
    }
}

choices! {
    /// The window.
    Window {
        /// Blue sky and a sun.
        Day, 1, "day", "a window by day", with ["a window by day", "a sunny window"], adjectives [],
            tags ["window by day", "sunny window"];
        /// Dark sky and a moon.
        Night, 1, "night", "a window at night", with ["a window at night", "a dark window with a moon"], adjectives [],
            tags ["window at night", "moon in the window"];
        /// A bare wall.
        None, 1, "none", "no window", with ["no window"], adjectives [], tags ["no window"];
    }
}

choices! {
    /// The lamp.
    Lamp {
        /// One that is lit.
        Lamp, 1, "lamp", "a lamp", with ["a lamp", "a bright lamp"], adjectives [], tags ["lamp", "bright lamp"];
        /// None.
        None, 1, "none", "no lamp", with ["no lamp"], adjectives [], tags ["no lamp"];
    }
}

choices! {
    /// The plant.
    Plant {
        /// In a pot.
        Plant, 1, "plant", "a plant", with ["a plant", "a green plant"], adjectives [], tags ["plant", "plant in a pot"];
        /// None.
        None, 1, "none", "no plant", with ["no plant"], adjectives [], tags ["no plant"];
    }
}

choices! {
    /// The picture on the wall.
    Painting {
        /// Of home.
        Picture, 1, "picture", "a picture on the wall", with ["a picture on the wall", "a picture"], adjectives [],
            tags ["picture on the wall", "picture"];
        /// None.
        None, 1, "none", "no picture", with ["no picture"], adjectives [], tags ["no picture"];
    }
}

choices! {
    /// The rug.
    Rug {
        /// A bright one.
        Rug, 1, "rug", "a rug", with ["a rug", "a rug on the floor"], adjectives [], tags ["rug", "rug on the floor"];
        /// None.
        None, 1, "none", "no rug", with ["no rug"], adjectives [], tags ["no rug"];
    }
}
