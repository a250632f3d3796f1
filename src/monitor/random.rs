//! Random numbers of the system.

/// Returns 64 random bits, for jitter, DNS ids and the key of an upgrade.
pub fn random_bits() -> u64 {
    // getrandom(2) fails only in a kernel without it, where no frame could be masked either.
    getrandom::u64().unwrap_or_default()
}
