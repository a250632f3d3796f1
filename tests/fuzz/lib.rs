//! Shared by the targets: their seeds, the laws on what an input costs, and the part of the binary that reads the
//! command line, which is not in the library.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use std::{env, fs};

use rustix::time::{ClockId, clock_gettime};

#[path = "../../src/cli"]
pub mod cli {
    pub mod args;
    pub mod argv;
    pub mod filter;
    pub mod help;
    pub mod hints;
    pub mod logging;
    pub mod plan;
    pub mod properties;
    pub mod stream {
        pub mod queue;
    }
    pub mod units;
    pub mod words;
}

/// Bound on the memory that is in use at once: bytes for each byte of an input, and in addition. The checks hold several
/// copies of the output.
const MEMORY: (usize, usize) = (600, 32 << 20);
/// Bound on the processor's time: for each byte of an input, and in addition. All formats and styles are written for each
/// message, with debug assertions.
const TIME: (Duration, Duration) = (Duration::from_micros(60), Duration::from_millis(500));

/// Counts the bytes in use, and the most that there were.
struct Counted;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: each call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

/// Runs a target, and checks what the input costs in memory and time.
///
/// # Panics
/// If a property is broken.
pub fn run(name: &str, data: &[u8]) {
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = thread_time();
    match name {
        "arguments" => cli::properties::run(data),
        _ => wsmon::testing::fuzz::run(name, data),
    }
    let (spent, peak) = (thread_time() - start, PEAK.load(Relaxed) - before);
    assert!(peak <= MEMORY.0 * data.len() + MEMORY.1, "{peak} bytes of memory for {}", data.len());
    assert!(spent <= TIME.0 * data.len() as u32 + TIME.1, "{spent:?} for {} bytes", data.len());
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
