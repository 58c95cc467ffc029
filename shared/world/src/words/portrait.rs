//! Groups of the portraits: the mission's eight, accessories, poses and age.

use super::choices;

choices! {
    /// Shape of the face.
    Face {
        /// A circle.
        Round, 1, "round", "a round face", with ["a round face", "a round friendly face"],
            adjectives ["round-faced"], tags ["round face"];
        /// An egg with a narrow chin.
        Oval, 1, "oval", "an oval face", with ["an oval face"], adjectives ["oval-faced"], tags ["oval face"];
        /// A box with a strong jaw.
        Square, 1, "square", "a square face", with ["a square face", "a square jaw"],
            adjectives ["square-faced"], tags ["square face"];
        /// Tall and thin.
        Long, 1, "long", "a long face", with ["a long face", "a long thin face"],
            adjectives ["long-faced"], tags ["long face"];
    }
}

choices! {
    /// Shape of the eyes.
    Eyes {
        /// Slanted slits.
        Narrow, 1, "narrow", "narrow eyes", with ["narrow eyes"], adjectives [], tags ["narrow eyes"];
        /// Dark discs with a spark.
        Round, 1, "round", "round dark eyes", with ["round dark eyes", "round eyes"], adjectives [],
            tags ["round dark eyes", "round eyes"];
        /// White discs with small pupils.
        Wide, 1, "wide", "wide open eyes", with ["wide open eyes", "big white eyes"],
            adjectives ["wide-eyed"], tags ["wide open eyes", "wide eyes"];
        /// Curved lids with lashes.
        Closed, 1, "closed", "closed eyes", with ["closed eyes", "his eyes closed"],
            adjectives [], tags ["closed eyes", "eyes closed"];
    }
}

choices! {
    /// Beard and moustache.
    FacialHair {
        /// Clean-shaven.
        None, 1, "none", "no beard", with ["no beard", "no moustache"], adjectives ["clean-shaven"],
            tags ["no beard", "clean-shaven"];
        /// Two long curled lines.
        ThinMoustache, 1, "thin moustache", "a thin moustache",
            with ["a thin moustache", "a thin black moustache"], adjectives [], tags ["thin moustache"];
        /// From ear to ear.
        FullBeard, 1, "full beard", "a full beard", with ["a full beard", "a big beard", "a beard"],
            adjectives ["bearded"], tags ["full beard", "big beard"];
        /// A pointed tuft on the chin.
        Goatee, 1, "goatee", "a goatee", with ["a goatee", "a pointed goatee"], adjectives [], tags ["goatee"];
        /// A bushy one.
        ThickMoustache, 1, "thick moustache", "a thick moustache",
            with ["a thick moustache", "a bushy moustache"], adjectives [], tags ["thick moustache"];
    }
}

choices! {
    /// Hair on the head.
    Hair {
        /// A cropped cap of hair.
        Short, 1, "short", "short hair", with ["short hair", "short black hair"], adjectives [], tags ["short hair"];
        /// Down to the shoulders.
        Long, 1, "long", "long hair", with ["long hair", "long straight hair"], adjectives ["long-haired"],
            tags ["long hair"];
        /// None at all.
        Bald, 1, "bald", "a bald head", with ["a bald head", "no hair"], adjectives ["bald"], tags ["bald head", "bald"];
        /// Short with a knot on top.
        Topknot, 1, "topknot", "a topknot", with ["a topknot", "short hair and a topknot"], adjectives [],
            tags ["topknot", "hair in a topknot"];
        /// A cloud of curls.
        Curly, 1, "curly", "curly hair", with ["curly hair", "big curly hair"], adjectives ["curly-haired"],
            tags ["curly hair"];
        /// A hat of fur with a red crown.
        FurHat, 1, "fur hat", "a fur hat", with ["a fur hat", "a warm fur hat"], adjectives [],
            tags ["fur hat", "wearing a fur hat"];
    }
}

choices! {
    /// What the person wears.
    Clothing {
        /// The hero's robe: orange with a pattern.
        OrangeChapan, 1, "orange chapan", "an orange patterned chapan robe",
            with ["an orange patterned chapan robe", "an orange patterned chapan", "an orange chapan robe", "an orange chapan"],
            adjectives [], tags ["orange patterned chapan", "orange chapan robe"];
        /// A plain blue robe with white lapels.
        BlueRobe, 1, "blue robe", "a blue robe", with ["a blue robe"], adjectives [], tags ["blue robe"];
        /// A red shirt with an embroidered front.
        RedShirt, 1, "red shirt", "a red shirt", with ["a red shirt"], adjectives [], tags ["red shirt"];
        /// A green jacket with gold buttons.
        GreenJacket, 1, "green jacket", "a green jacket", with ["a green jacket", "a green jacket with gold buttons"],
            adjectives [], tags ["green jacket"];
        /// White and navy stripes.
        StripedShirt, 1, "striped shirt", "a striped shirt", with ["a striped shirt", "a blue and white striped shirt"],
            adjectives [], tags ["striped shirt"];
    }
}

choices! {
    /// How the picture is drawn.
    Style {
        /// Plain fields of full colour.
        Flat, 1, "flat", "flat style", with ["flat style", "a flat style"], adjectives [],
            tags ["flat style", "flat colours", "flat drawing"];
        /// Ink lines with light tints on paper.
        Outline, 1, "outline", "outline style", with ["outline style", "an outline style"], adjectives [],
            tags ["outline style", "ink outline", "line drawing"];
        /// Soft pale colours.
        Pastel, 1, "pastel", "pastel style", with ["pastel style", "soft pastel colours"], adjectives [],
            tags ["pastel style", "pastel colours", "soft pastel"];
        /// Blue moonlight.
        Night, 1, "night", "night style", with ["night style", "moonlight"], adjectives [],
            tags ["night style", "at night", "night"];
    }
}

choices! {
    /// Mouth and brows.
    Expression {
        /// A broad smile.
        Smiling, 1, "smiling", "smiling", with ["a smile", "a big smile"], adjectives ["smiling", "happy", "laughing"],
            tags ["smiling", "happy"];
        /// Corners of the mouth down, and a tear.
        Sad, 1, "sad", "sad", with ["a sad face", "a tear"], adjectives ["sad", "crying"], tags ["sad", "crying"];
        /// An open mouth and raised brows.
        Surprised, 1, "surprised", "surprised", with ["an open mouth", "a surprised look"],
            adjectives ["surprised", "amazed"], tags ["surprised", "amazed"];
        /// A straight mouth under low brows.
        Stern, 1, "stern", "stern", with ["a stern look", "a serious look"],
            adjectives ["stern", "serious", "angry"], tags ["stern", "serious"];
    }
}

choices! {
    /// What is behind the person.
    Background {
        /// Golden hills under a sun.
        Steppe, 1, "steppe", "steppe background", with ["on the steppe", "in the steppe", "in golden fields"],
            adjectives [], tags ["steppe background", "steppe"];
        /// Snowy peaks.
        Mountains, 1, "mountains", "mountains background", with ["in the mountains", "in front of mountains"],
            adjectives [], tags ["mountains background", "snowy mountains"];
        /// Felt houses on a meadow.
        Yurt, 1, "yurt", "yurt background", with ["in front of a yurt", "near a yurt", "by the yurts"], adjectives [],
            tags ["yurt background", "yurts"];
        /// Towers with windows.
        City, 1, "city", "city background", with ["in the city", "in a big city"], adjectives [],
            tags ["city background", "city towers"];
        /// One colour.
        Plain, 1, "plain", "plain background", with ["on a plain background", "against a plain wall"], adjectives [],
            tags ["plain background"];
        /// At home.
        Room, 1, "room", "room background", with ["in a room", "at home", "inside a room"], adjectives [],
            tags ["room background"];
    }
}

choices! {
    /// A thing the person wears or holds.
    Accessory {
        /// Nothing.
        None, 5, "none", "no accessories", with [], adjectives [], tags [];
        /// A tall white felt hat.
        Hat, 2, "hat", "wearing a hat", with ["a white felt hat", "a hat"], adjectives [],
            tags ["wearing a hat", "wearing a white hat"];
        /// A wooden staff.
        Staff, 2, "staff", "holding a staff", with ["a staff", "a staff in his hand"], adjectives [],
            tags ["holding a staff"];
        /// A bag on a strap.
        Bag, 2, "bag", "with a bag", with ["a bag", "a bag on his shoulder"], adjectives [], tags ["with a bag", "carrying a bag"];
    }
}

choices! {
    /// How the person stands.
    Pose {
        /// Towards us.
        Facing, 7, "facing", "facing forward", with ["facing forward", "facing us", "looking at us"], adjectives [],
            tags ["facing forward", "front view"];
        /// To the picture's left.
        Left, 4, "turned left", "turned left", with ["turned left", "looking left", "looking to the left"], adjectives [],
            tags ["turned left", "looking left"];
        /// To the picture's right.
        Right, 4, "turned right", "turned right", with ["turned right", "looking right", "looking to the right"],
            adjectives [], tags ["turned right", "looking right"];
        /// One hand raised.
        Waving, 3, "waving", "waving", with ["waving", "waving his hand", "saying hello"], adjectives ["waving"],
            tags ["waving", "waving a hand"];
        /// On a horse.
        Riding, 2, "riding", "riding a horse", with ["riding a horse", "on a horse"], adjectives [],
            tags ["riding a horse", "on a horse"];
    }
}

choices! {
    /// Black or brown hair against grey.
    Age {
        /// Dark hair.
        Adult, 3, "adult", "a man", with ["dark hair"], adjectives [], tags [];
        /// Grey hair.
        Old, 1, "old", "an old man", with ["grey hair"], adjectives ["old"], tags ["old man", "old"];
    }
}
