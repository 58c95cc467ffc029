//! Wire types of the studio: what browser and server say to each other, and the rules they share.
