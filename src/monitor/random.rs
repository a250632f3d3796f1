//! Random numbers of the system.

/// Returns 64 random bits, for jitter, DNS ids and the key of an upgrade.
pub fn random_bits() -> u64 {
    // It fails only where there is no source at all, and no frame could be masked either.
    getrandom::u64().unwrap_or_default()
}
