//! The printable alphabet in which byte-pair vocabularies write bytes.
//!
//! Every byte gets one visible character, so that a vocabulary file is text without blanks: bytes that print stand for
//! themselves, the others for the characters from U+0100 on, in order (as in GPT-2 and CLIP).

/// The character of each byte.
pub(super) fn byte_alphabet() -> [char; 256] {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100u32;
    let mut alphabet = ['\0'; 256];
    for byte in 0..=255u8 {
        alphabet[usize::from(byte)] = if prints(byte) {
            char::from(byte)
        } else {
            next += 1;
            char::from_u32(next - 1).unwrap_or('\u{fffd}')
        };
    }
    alphabet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_visible_character() {
        let alphabet = byte_alphabet();
        let distinct: std::collections::BTreeSet<char> = alphabet.into_iter().collect();
        assert_eq!(distinct.len(), 256);
        assert_eq!(
            (alphabet[b'a' as usize], alphabet[b' ' as usize], alphabet[0]),
            ('a', '\u{120}', '\u{100}')
        );
        assert!(distinct.iter().all(|c| !c.is_whitespace() && !c.is_control()));
    }
}
