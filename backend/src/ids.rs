//! Identifiers and other random numbers, made in one place.
//!
//! An identifier is 26 characters of Crockford's base 32: 48 bits of time, then 80 random bits that grow within one
//! millisecond. So identifiers made by one process sort by age, and nobody can guess one.

use std::sync::Mutex;

use crate::clock::Clock;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 80;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;

/// The last identifier that this process made; the next one is greater.
static LAST: Mutex<u128> = Mutex::new(0);

/// A new identifier, greater than all that this process made before.
pub fn new_id(clock: &dyn Clock) -> String {
    let time = u128::from(clock.now_ms().max(0) as u64) << RANDOM_BITS;
    let fresh = time | (u128::from(random_u64()) << 16 | u128::from(random_u64() & 0xffff)) & RANDOM_MASK;
    let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Within a millisecond (or after the clock went back) step by a random amount, so that neighbours stay unguessable.
    *last = fresh.max(*last + 1 + u128::from(random_u64() >> 1));
    encode(*last)
}

/// 64 random bits from the operating system.
///
/// # Panics
/// When the operating system has no random numbers to give: nothing safe could be done without them.
pub fn random_u64() -> u64 {
    getrandom::u64().expect("the operating system gives random numbers")
}

fn encode(mut value: u128) -> String {
    let mut text = [b'0'; 26];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn ids_sort_by_age_even_within_a_millisecond_and_when_the_clock_goes_back() {
        let clock = ManualClock::new(1_800_000_000_000);
        let mut ids: Vec<String> = (0..1000).map(|_| new_id(&clock)).collect();
        clock.advance(-5_000);
        ids.extend((0..10).map(|_| new_id(&clock)));
        clock.advance(10_000);
        ids.push(new_id(&clock));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.len() == 26));
    }

    #[test]
    fn the_encoding_is_base_32() {
        assert_eq!(encode(0), "0".repeat(26));
        assert_eq!(encode(33), format!("{}11", "0".repeat(24)));
    }
}
