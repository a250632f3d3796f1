//! SHA-1, RFC 3174: for the key of an upgrade and to compare texts without keeping them. It is not fit for signatures.

#[must_use]
pub fn digest(text: &str) -> [u8; 20] {
    // The text, a one bit, zeros, and the length in bits, in blocks of 64 bytes.
    let mut message = text.as_bytes().to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(text.len() as u64 * 8).to_be_bytes());
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    message.chunks_exact(64).for_each(|block| add_block(&mut state, block));
    let mut digest = [0; 20];
    for (at, word) in state.iter().enumerate() {
        digest[4 * at..][..4].copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn add_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0_u32; 80];
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for t in 0..80 {
        words[t] = match t {
            0..16 => block[4 * t..][..4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte)),
            _ => (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1),
        };
        let (mixed, constant) = match t {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(words[t]);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    for (at, word) in [a, b, c, d, e].iter().enumerate() {
        state[at] = state[at].wrapping_add(*word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::Digest as _;

    #[test]
    fn the_digest_agrees_with_the_examples_of_the_rfc() {
        let hex = |text: &str| data_encoding::HEXLOWER.encode(&digest(text));
        assert_eq!(hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let longer = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(longer), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&"a".repeat(1_000_000)), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn every_length_agrees_with_another_implementation() {
        for len in 0..300 {
            let text = "b".repeat(len);
            assert_eq!(digest(&text)[..], sha1::Sha1::digest(&text)[..], "{len}");
        }
    }
}
