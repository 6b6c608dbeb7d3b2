//! Philox 4x32-10, the counter-based RNG that kernels and reference code share bit for bit.
//!
//! Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011.
//! The WGSL twin is `shaders/common/philox.wgsl`.

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Four random words for a counter and a key.
#[must_use]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product =
            [MULTIPLIERS[0] * u64::from(counter[0]), MULTIPLIERS[1] * u64::from(counter[2])];
        counter = [
            high(product[1]) ^ counter[1] ^ key[0],
            low(product[1]),
            high(product[0]) ^ counter[3] ^ key[1],
            low(product[0]),
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Four random words for each of `L` counters: `[first + lane, rest]`, with one key. They are those
/// of [`philox4x32`], made by loops over the lanes, which the compiler vectorizes.
pub fn philox4x32_lanes<const L: usize>(
    first: u32,
    rest: [u32; 3],
    mut key: [u32; 2],
    words: &mut [[u32; 4]; L],
) {
    let (mut c0, mut c1) = ([first; L], [rest[0]; L]);
    let (mut c2, mut c3) = ([rest[1]; L], [rest[2]; L]);
    for (lane, counter) in (0..).zip(&mut c0) {
        *counter = first.wrapping_add(lane);
    }
    for _ in 0..10 {
        for lane in 0..L {
            let product0 = MULTIPLIERS[0] * u64::from(c0[lane]);
            let product1 = MULTIPLIERS[1] * u64::from(c2[lane]);
            c0[lane] = high(product1) ^ c1[lane] ^ key[0];
            c2[lane] = high(product0) ^ c3[lane] ^ key[1];
            c1[lane] = low(product1);
            c3[lane] = low(product0);
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    for (lane, words) in words.iter_mut().enumerate() {
        *words = [c0[lane], c1[lane], c2[lane], c3[lane]];
    }
}

/// A uniform number in [0, 1) with 24 bits, exact in f32, from one random word.
#[must_use]
pub fn uniform(word: u32) -> f64 {
    f64::from(word >> 8) * (1.0 / 16_777_216.0)
}

fn high(product: u64) -> u32 {
    (product >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
fn low(product: u64) -> u32 {
    product as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (`kat_vectors`).
    #[test]
    fn known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn lanes_are_single_draws() {
        let mut words = [[0; 4]; 5];
        philox4x32_lanes(u32::MAX - 2, [3, 5, 7], [11, 13], &mut words);
        for (lane, words) in (0..).zip(words) {
            let counter = [(u32::MAX - 2).wrapping_add(lane), 3, 5, 7];
            assert_eq!(words, philox4x32(counter, [11, 13]));
        }
    }
}
