//! Seeded noise, bit for bit what `torch.randn` draws on an x86-64 CPU.
//!
//! Same seed, same picture starts here: the latents of a diffusers run begin with `torch.randn(shape, generator=...)`, so the
//! generator (Mersenne Twister), the way uniforms become normals (Box-Muller in blocks of sixteen) and even the rounding of
//! `log`, `sin` and `cos` (the Cephes polynomials of torch's vector code, with fused multiply-add) are reproduced. Noise is
//! always drawn on the host, so that every device gets the same bits. This room knows nothing of models or schedulers.

/// The length of the Mersenne Twister's state, in words.
const STATE: usize = 624;
/// The offset of the word that each word is mixed with.
const SHIFT: usize = 397;

/// A generator that draws what `torch.Generator("cpu").manual_seed(seed)` draws, call for call.
///
/// The state carries over between calls: an initial `randn` followed by a sampler's own `randn` gives the numbers that
/// diffusers gets from one generator handed through the pipeline.
#[derive(Clone)]
pub struct TorchRng {
    state: [u32; STATE],
    next: usize,
    /// The second half of the last Box-Muller pair, kept by the path for fewer than sixteen values.
    cached: Option<f64>,
}

impl std::fmt::Debug for TorchRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorchRng")
            .field("next", &self.next)
            .field("cached", &self.cached)
            .finish_non_exhaustive()
    }
}

impl TorchRng {
    /// Seeds the generator. As in torch only the low 32 bits matter, so `seed` and `seed + 2^32` draw the same numbers;
    /// a negative seed `s` of Python is `2^64 + s` here, that is `s as u64`.
    pub fn new(seed: u64) -> Self {
        let mut state = [0u32; STATE];
        state[0] = seed as u32;
        for j in 1..STATE {
            state[j] =
                1_812_433_253u32.wrapping_mul(state[j - 1] ^ (state[j - 1] >> 30)).wrapping_add(j as u32);
        }
        Self { state, next: STATE, cached: None }
    }

    /// Draws `numel` independent standard normal numbers in f32, as `torch.randn(numel, generator=self)`.
    pub fn randn(&mut self, numel: usize) -> Vec<f32> {
        if numel < 16 {
            return (0..numel).map(|_| self.normal_f64() as f32).collect();
        }
        let mut values: Vec<f32> = (0..numel).map(|_| self.uniform_f32()).collect();
        for block in values.chunks_exact_mut(16) {
            normal_block(block);
        }
        if !numel.is_multiple_of(16) {
            // Torch redraws the last sixteen places whole, over the end of the last full block.
            let tail = &mut values[numel - 16..];
            for value in tail.iter_mut() {
                *value = self.uniform_f32();
            }
            normal_block(tail);
        }
        values
    }

    fn refill(&mut self) {
        for i in 0..STATE {
            let (u, v) = (self.state[i], self.state[(i + 1) % STATE]);
            let mixed = ((u & 0x8000_0000) | (v & 0x7fff_ffff)) >> 1;
            let twist = mixed ^ if v & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ twist;
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == STATE {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// 24 bits, in [0, 1).
    fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0)
    }

    /// 53 bits, in [0, 1); the first word drawn is the high one.
    fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        (((high << 32) | low) & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// One value of the path for fewer than sixteen: Box-Muller in double, two values a pair, the second kept for later.
    fn normal_f64(&mut self) -> f64 {
        if let Some(value) = self.cached.take() {
            return value;
        }
        let u1 = self.uniform_f64();
        let u2 = self.uniform_f64();
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = 2.0 * std::f64::consts::PI * u1;
        self.cached = Some(radius * theta.sin());
        radius * theta.cos()
    }
}

/// Turns sixteen uniforms into sixteen normals in place: eight pairs, cosines first.
fn normal_block(block: &mut [f32]) {
    let (first, second) = block.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0f32 * log_cephes(1.0 - *a)).sqrt();
        let (sin, cos) = sincos_cephes(std::f32::consts::TAU * *b);
        // Torch computes value * std + mean with a fused multiply-add; with 1 and 0 it only turns -0.0 into 0.0.
        *a = (radius * cos).mul_add(1.0, 0.0);
        *b = (radius * sin).mul_add(1.0, 0.0);
    }
}

/// Natural logarithm by the Cephes polynomial, rounded as AVX2 code with fused multiply-add rounds it.
fn log_cephes(x: f32) -> f32 {
    const POLYNOMIAL: [f32; 8] = [
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ];
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let mut exponent = ((bits >> 23) as i32 - 127) as f32 + 1.0;
    // The mantissa in [0.5, 1).
    let mantissa = f32::from_bits((bits & 0x807f_ffff) | 0x3f00_0000);
    let x = if mantissa < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        (mantissa - 1.0) + mantissa
    } else {
        mantissa - 1.0
    };
    let z = x * x;
    let mut y = POLYNOMIAL.iter().fold(7.0376836292e-2f32, |y, &p| y.mul_add(x, p));
    y *= x;
    y = y.mul_add(z, exponent * -2.12194440e-4f32);
    y = (-z).mul_add(0.5, y);
    exponent.mul_add(0.693359375, x + y)
}

/// Sine and cosine of `x >= 0` by the Cephes polynomials, rounded as above.
fn sincos_cephes(x: f32) -> (f32, f32) {
    // The octant, rounded up to an even number (4 / pi as Cephes writes it).
    let octant = ((x * 1.27323954473516f32) as i32 + 1) & !1;
    let y = octant as f32;
    // pi / 4 in three parts, so that the subtraction loses nothing.
    let x = y.mul_add(-0.78515625, x);
    let x = y.mul_add(-2.4187564849853515625e-4, x);
    let x = y.mul_add(-3.77489497744594108e-8, x);
    let z = x * x;
    let mut cos_poly = 2.443315711809948e-5f32;
    cos_poly = cos_poly.mul_add(z, -1.388731625493765e-3);
    cos_poly = cos_poly.mul_add(z, 4.166664568298827e-2);
    cos_poly *= z;
    cos_poly = cos_poly.mul_add(z, -(z * 0.5)) + 1.0;
    let mut sin_poly = -1.9515295891e-4f32;
    sin_poly = sin_poly.mul_add(z, 8.3321608736e-3);
    sin_poly = sin_poly.mul_add(z, -1.6666654611e-1);
    sin_poly *= z;
    sin_poly = sin_poly.mul_add(x, x);
    let (mut sin, mut cos) = if octant & 2 == 0 { (sin_poly, cos_poly) } else { (cos_poly, sin_poly) };
    if octant & 4 != 0 {
        sin = -sin;
    }
    if (octant - 2) & 4 == 0 {
        cos = -cos;
    }
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    // torch.randn(shape, generator=torch.Generator().manual_seed(seed)), torch 2.15 on AVX2 and AVX-512 machines.

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    fn sha256(values: &[f32]) -> String {
        let mut hash = Sha256::new();
        for value in values {
            hash.update(value.to_le_bytes());
        }
        hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    #[test]
    fn fewer_than_sixteen_values_take_the_double_path() {
        assert_eq!(bits(&TorchRng::new(0).randn(4)), [0x3fc53f5c, 0xbe963c50, 0xc00b7149, 0x3f1184b6]);
        assert_eq!(bits(&TorchRng::new(12345).randn(4)), [0x3fb6ac36, 0xbfef5f15, 0xbf991d6c, 0xc002d019]);
    }

    #[test]
    fn the_second_of_a_pair_is_kept_between_calls() {
        let mut rng = TorchRng::new(0);
        let mut values = rng.randn(1);
        values.extend(rng.randn(3));
        assert_eq!(values, TorchRng::new(0).randn(4));
    }

    #[test]
    fn sixteen_values_take_the_block_path() {
        assert_eq!(
            bits(&TorchRng::new(0).randn(16)),
            [
                0xbf901b85, 0xbf93808a, 0xbe804bd6, 0xbede255d, 0x3f594515, 0x3f312783, 0xbea1cc6d,
                0xc0075fc1, 0x3ea50138, 0xbfa1b4f4, 0x3eb330ff, 0x3e9dc3bb, 0x3df56f77, 0x3f9e6b93,
                0x3f8ef28e, 0xbe7d367c
            ]
        );
        assert_eq!(
            bits(&TorchRng::new(12345).randn(16)),
            [
                0xbfbd6a57, 0x3ef9802c, 0xc040d19d, 0x3ee340fd, 0x3eb831f7, 0xbc4a4fd0, 0x3e5fc459,
                0xbfa40728, 0x401a5108, 0x3fffe36d, 0x3f48e7b7, 0xbf827e08, 0xbe57a12e, 0x3f20787c,
                0x3f6e87fe, 0x3e3f3ca2
            ]
        );
    }

    #[test]
    fn whole_latents_have_the_hash_of_torch() {
        let small = TorchRng::new(0).randn(4 * 8 * 8);
        assert_eq!(bits(&small[252..]), [0xbf5ee90d, 0x3e14377b, 0x3ff390cd, 0x3ec7e1f5]);
        assert_eq!(sha256(&small), "cc2e396b0f7eee29697357d709898d648b2545b68e76110909676686f58990fe");
        for (seed, numel, expected) in [
            (12345, 4 * 8 * 8, "10d94156930489e2e38a68f3841e7129e858ab550300a386887bb321f61d0d20"),
            (0, 4 * 128 * 128, "33e5e1492edd7110d7f1a65492cbc485924cb2dc9343099bd01121af5e47a0e7"),
            (12345, 4 * 128 * 128, "37c295518928febc8c03c56e326fd6ede36bc86decfbe28628691b1e9f497f24"),
            (0, 16 * 128 * 128, "dce02e02da56c18c29a262a316bf45fbfe564688cdb52f255f223aefdadfa3d5"),
            (12345, 16 * 128 * 128, "93722fcd2725e711503a8fc6a4f873b730ef8e2085bc547893bc5934d90cfe90"),
        ] {
            assert_eq!(sha256(&TorchRng::new(seed).randn(numel)), expected, "seed {seed}, {numel} values");
        }
    }

    #[test]
    fn only_the_low_32_bits_of_a_seed_matter() {
        // torch: manual_seed(2**32 + 5) draws [-0.4868, -0.6038]; manual_seed(-1) draws [1.2198, -0.3930].
        assert_eq!(TorchRng::new((1 << 32) + 5).randn(40), TorchRng::new(5).randn(40));
        let five = TorchRng::new((1 << 32) + 5).randn(2);
        assert!((five[0] + 0.4868).abs() < 1e-4 && (five[1] + 0.6038).abs() < 1e-4);
        let negative = TorchRng::new(-1i64 as u64).randn(2);
        assert!((negative[0] - 1.2198).abs() < 1e-4 && (negative[1] + 0.3930).abs() < 1e-4);
    }
}
