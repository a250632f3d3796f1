#!/bin/bash
# Minutes among servers that fail in every way they can.
#
#   tests/soak.sh [MINUTES] [SEED]     default: 10; the seed of a run that failed repeats what its servers did
#
# From the second minute on memory and descriptors do not grow, every session is back in time, and the statistics are
# those of the servers. Then a disk that is full for a while, where a small file system may be mounted; from five
# minutes on also readers that stall for a minute, and a client that is stopped for one.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
minutes=${1:-10}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
wsmon=${WSMON_BIN:-$target/debug/wsmon}
dir=$(mktemp -d)
mounted=

main() {
    trap cleanup EXIT
    cargo build --quiet --bin wsmon --example soak
    "$target/debug/examples/soak" chaos "$wsmon" "$dir" $((minutes * 60)) ${2:+"$2"}
    full_disk
    if [ "$minutes" -ge 5 ]; then
        WSMON_STALL_SECONDS=60 cargo test --quiet --test steady -- --nocapture nobody_reads
        WSMON_STOP_SECONDS=60 cargo test --quiet --test steady -- --nocapture was_stopped
    fi
    echo "soak: passed"
}

full_disk() {
    mkdir "$dir/disk"
    if ! mount -t tmpfs -o size=1m wsmon-soak "$dir/disk" 2>/dev/null; then
        echo "soak: no file system may be mounted here: A FULL DISK IS NOT TESTED (but a limited file, by tests/steady)" >&2
        return
    fi
    mounted=1
    "$target/debug/examples/soak" disk "$wsmon" "$dir/disk"
}

cleanup() {
    [ -z "$mounted" ] || umount "$dir/disk"
    rm -rf "$dir"
}

main "$@"
