//! Element types of the safetensors format.

/// The type of one element of a tensor in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the format's own")]
pub enum Element {
    Bool,
    U8,
    I8,
    F8E4M3,
    F8E5M2,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    I64,
    U64,
    F64,
}

impl Element {
    /// Every element type with the name that the format gives it.
    const NAMES: [(Self, &'static str); 15] = [
        (Self::Bool, "BOOL"),
        (Self::U8, "U8"),
        (Self::I8, "I8"),
        (Self::F8E4M3, "F8_E4M3"),
        (Self::F8E5M2, "F8_E5M2"),
        (Self::I16, "I16"),
        (Self::U16, "U16"),
        (Self::F16, "F16"),
        (Self::BF16, "BF16"),
        (Self::I32, "I32"),
        (Self::U32, "U32"),
        (Self::F32, "F32"),
        (Self::I64, "I64"),
        (Self::U64, "U64"),
        (Self::F64, "F64"),
    ];

    /// The element type of that name in a header.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(element, _)| *element)
    }

    /// The name in a header.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(element, _)| *element == self).map_or("unknown", |(_, name)| name)
    }

    /// Size of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 | Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}
