//! Shared by the targets: their seeds, and the part of the binary that reads the command line, which is not in the
//! library.

use std::path::Path;
use std::{env, fs};

#[path = "../../src/cli"]
pub mod cli {
    pub mod args;
    pub mod argv;
    pub mod filter;
    pub mod logging;
    pub mod plan;
    pub mod properties;
    pub mod stream {
        pub mod queue;
    }
    pub mod units;
}

/// Writes a target's seeds into the folder `$SEEDS`, if it is set, before libFuzzer reads its folders.
///
/// # Panics
/// If that fails.
pub fn write_seeds(name: &str) {
    let Some(folder) = env::var_os("SEEDS") else { return };
    let target = wsmon::testing::fuzz::TARGETS.iter().find(|target| target.name == name);
    let seeds = target.map_or(cli::properties::seeds as fn() -> _, |target| target.seeds);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (i, seed) in seeds().iter().enumerate() {
        fs::write(Path::new(&folder).join(format!("{i:03}")), seed).expect("room for the seeds");
    }
}
