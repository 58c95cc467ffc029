//! Names of tensors in LoRA files: the layer they are for, and which factor of its change they are.

/// Which factor of a layer's change a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Factor {
    Down,
    Up,
    UpBias,
    Mid,
    Alpha,
    /// DoRA's magnitude as PEFT writes it: one number for each output.
    Magnitude,
    /// DoRA's magnitude as LyCORIS writes it: for each output, or in old versions for each input.
    DoraScale,
    Hada1A,
    Hada1B,
    Hada2A,
    Hada2B,
    HadaT1,
    HadaT2,
    Kron1,
    Kron1A,
    Kron1B,
    Kron2,
    Kron2A,
    Kron2B,
    KronT2,
}

/// Ends of names. Where one is the end of another the longer stands first.
const FACTORS: [(&str, Factor); 32] = [
    // PEFT.
    (".lora_A.weight", Factor::Down),
    (".lora_B.weight", Factor::Up),
    (".lora_B.bias", Factor::UpBias),
    (".lora_magnitude_vector.weight", Factor::Magnitude),
    (".lora_magnitude_vector", Factor::Magnitude),
    // PEFT before its adapter's name is taken out.
    (".lora_A.default.weight", Factor::Down),
    (".lora_B.default.weight", Factor::Up),
    // diffusers before PEFT: UNet, text encoders, attention processors.
    (".lora.down.weight", Factor::Down),
    (".lora.up.weight", Factor::Up),
    (".lora_linear_layer.down.weight", Factor::Down),
    (".lora_linear_layer.up.weight", Factor::Up),
    ("_lora.down.weight", Factor::Down),
    ("_lora.up.weight", Factor::Up),
    // kohya and LyCORIS.
    (".lora_down.weight", Factor::Down),
    (".lora_up.weight", Factor::Up),
    (".lora_mid.weight", Factor::Mid),
    (".alpha", Factor::Alpha),
    (".dora_scale", Factor::DoraScale),
    (".hada_w1_a", Factor::Hada1A),
    (".hada_w1_b", Factor::Hada1B),
    (".hada_w2_a", Factor::Hada2A),
    (".hada_w2_b", Factor::Hada2B),
    (".hada_t1", Factor::HadaT1),
    (".hada_t2", Factor::HadaT2),
    (".lokr_w1", Factor::Kron1),
    (".lokr_w1_a", Factor::Kron1A),
    (".lokr_w1_b", Factor::Kron1B),
    (".lokr_w2", Factor::Kron2),
    (".lokr_w2_a", Factor::Kron2A),
    (".lokr_w2_b", Factor::Kron2B),
    (".lokr_t2", Factor::KronT2),
    (".lora_B.default.bias", Factor::UpBias),
];

/// Ends of names of changes that are not computed, with what they belong to.
const NOT_IMPLEMENTED: [(&str, &str); 18] = [
    (".diff", "a full difference of weights"),
    (".diff_b", "a full difference of biases"),
    (".set_weight", "a replacement of weights"),
    (".reshape_weight", "a LoRA that changes the shape of weights"),
    (".w_norm", "a change of normalisation layers"),
    (".b_norm", "a change of normalisation layers"),
    (".oft_blocks", "OFT"),
    (".oft_diag", "OFT"),
    (".oft_R", "OFT"),
    (".oft_R.weight", "OFT"),
    (".oft_r.weight", "OFT"),
    (".boft_R", "BOFT"),
    (".a1.weight", "GLoRA"),
    (".a2.weight", "GLoRA"),
    (".b1.weight", "GLoRA"),
    (".b2.weight", "GLoRA"),
    (".ia3_l", "IA3"),
    (".on_input", "IA3"),
];

/// What the name of a tensor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// A factor of the change of the layer that the file calls `layer`.
    Factor { layer: &'a str, factor: Factor },
    /// Part of something that is not computed.
    NotImplemented(&'static str),
    /// Nothing that is known.
    Unknown,
}

impl<'a> Key<'a> {
    pub fn of(name: &'a str) -> Self {
        for (end, factor) in FACTORS {
            if let Some(layer) = name.strip_suffix(end).filter(|layer| !layer.is_empty()) {
                return Self::Factor { layer, factor };
            }
        }
        let kind = NOT_IMPLEMENTED.iter().find(|(end, _)| name.ends_with(end));
        kind.map_or(Self::Unknown, |(_, kind)| Self::NotImplemented(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_hides_another() {
        for (number, (end, factor)) in FACTORS.iter().enumerate() {
            let name = format!("unet.x{end}");
            assert_eq!(Key::of(&name), Key::Factor { layer: "unet.x", factor: *factor }, "{end}");
            assert!(FACTORS[..number].iter().all(|(before, _)| before != end));
        }
        for (end, kind) in NOT_IMPLEMENTED {
            assert_eq!(Key::of(&format!("lora_unet_x{end}")), Key::NotImplemented(kind), "{end}");
        }
        assert_eq!(Key::of("emb_params"), Key::Unknown);
        assert_eq!(Key::of(".alpha"), Key::Unknown);
    }
}
