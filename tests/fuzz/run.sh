#!/bin/bash
# Runs the fuzz targets, one after the other, on one core.
#
#   tests/fuzz/run.sh                     all of them, 240 s each: an hour in total
#   tests/fuzz/run.sh SECONDS [TARGET…]   SECONDS for each, or for these only
#   LENGTH=262144 tests/fuzz/run.sh …     with inputs of up to so many bytes instead of 4096, for the laws on time and memory
#
# A stable toolchain and cargo-fuzz (`cargo install cargo-fuzz`) are enough: wsmon has no unsafe code for a sanitizer to
# check, and overflow checks and debug assertions are on. With a nightly toolchain, SANITIZER=address checks the
# libraries. The seeds are made from tests/recordings. New inputs are kept in tests/fuzz/corpus, inputs that break a
# property in tests/fuzz/artifacts. To run one again:
#
#   RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz -s none TARGET FILE
#
# The properties are in src/testing/fuzz and src/cli/properties.rs; `cargo test` runs each target for a moment.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-240}
shift || true
sanitizer=${SANITIZER:-none}
length=${LENGTH:-4096}
export RUSTC_BOOTSTRAP=1

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo fuzz list --fuzz-dir .); fi
failed=()
for target in "${targets[@]}"; do
    echo "=== $target"
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target.log
    cargo fuzz build --fuzz-dir . -s "$sanitizer" "$target" >"$log" 2>&1 || { cat "$log" && exit 1; }
    SEEDS=$PWD/seeds/$target nice -n 10 cargo fuzz run --fuzz-dir . -s "$sanitizer" "$target" \
        "corpus/$target" "seeds/$target" -- -max_total_time="$seconds" -max_len="$length" -timeout=25 -rss_limit_mb=2048 \
        -print_final_stats=1 >"$log" 2>&1 || failed+=("$target")
    grep -E 'panicked|ERROR: libFuzzer|number_of_executed_units|peak_rss' -A 1 "$log" || tail -n 20 "$log"
done
[ ${#failed[@]} -eq 0 ] || { echo "findings: ${failed[*]}, see tests/fuzz/artifacts" && exit 1; }
