#!/bin/bash
# Tests binaries for other machines, which .ci/cross builds, in an emulator (qemu-user). For Debian, as root.
#
#   tests/cross.sh parity TARGET BINARY REFERENCE   compares what it prints of all recordings with what REFERENCE, a binary
#                                                   for this machine, does; and runs it in the year 2040
#   tests/cross.sh it TARGET BINARY [TEST…]         tests/it with it
#   tests/cross.sh tls TARGET BINARY                the tests of TLS with it
#   tests/cross.sh unit TARGET [ARGS…]              builds the unit tests and tests/library for the target and runs them;
#                                                   ARGS are those of the tests
#   tests/cross.sh compile TARGET                   only builds them
#   tests/cross.sh setup TARGET                     only installs the emulator
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
what=$1 target=$2
shift 2

# Left out. The emulator has handlers for all signals, which hides from the program which ones are ignored, a thread of its
# own, and more memory than the limit that a test sets.
not_emulated=(
    hangup::a_hangup_that_nohup_ignores_stays_ignored
    signals::signals_that_were_ignored_at_the_start_stay_ignored
    idle::without_traffic_the_program_does_not_wake_up
    messages::bombs_of_a_dialect_that_packs_its_messages_cost_a_line_and_no_memory
)

main() {
    home=$(mktemp -d)
    trap 'rm -rf "$home"' EXIT
    find_emulator
    case $what in
    setup) return ;;
    compile) unit --no-run; return ;;
    unit) unit -- "$@" "${not_emulated[@]/#/--skip=}"; return ;;
    esac
    emulate "$1"
    case $what in
    parity) parity "$2" && year_2040 ;;
    it) cargo test --quiet --test it -- "${@:2}" "${not_emulated[@]/#/--skip=}" ;;
    tls) cargo test --quiet --test reach tls:: ;;
    esac
}

find_emulator() {
    case $target in
    i?86-*) emulator=qemu-i386 ;;
    arm*) emulator=qemu-arm ;;
    powerpc-*) emulator=qemu-ppc ;;
    riscv64gc-*) emulator=qemu-riscv64 ;;
    *) emulator=qemu-${target%%-*} ;;
    esac
    command -v "$emulator" >/dev/null || {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends qemu-user >/dev/null
    }
    [[ $target != mips* ]] || correct_errors
}

# The tests start this.
emulate() {
    export WSMON_BIN=$home/wsmon
    script "$WSMON_BIN" exec "$emulator" "$(realpath "$1")"
}

correct_errors() {
    cc -shared -fPIC -o "$home/so_error.so" tests/cross/so_error.c
    script "$home/emulator" "LD_PRELOAD=$home/so_error.so:\$LD_PRELOAD exec" "$emulator" -U LD_PRELOAD
    emulator=$home/emulator
}

# Writes a command with its first arguments.
script() {
    printf '#!/bin/sh\n%s "$@"\n' "${*:2}" >"$1"
    chmod +x "$1"
}

parity() {
    python3 tests/cross/parity.py tests/recordings "$(realpath "$1")" "$WSMON_BIN"
}

# Seconds of 32 bits end in January 2038. The clock is the emulator's, before which a library can stand.
year_2040() {
    local found options=(-q --only sample -f events)
    cc -shared -fPIC -o "$home/clock.so" tests/steady/wall_clock.c
    echo $((2220000000 - $(date +%s))) >"$home/clock"
    LD_PRELOAD=$home/clock.so WSMON_TEST_CLOCK=$home/clock \
        "$WSMON_BIN" --demo -n 2 -d 60 --save-data "$home/saved" "${options[@]}" >"$home/out"
    "$WSMON_BIN" --read "$home/saved" "${options[@]}" >>"$home/out"
    found=$(grep -c '^{"received_at":"2040-05-' "$home/out")
    echo "2040: $found samples of 4"
    [ "$found" -eq 4 ] || { cat "$home/out" && return 1; }
}

# From a copy of the manifest without the C libraries that only other tests use, and in a directory of its own: cargo waits
# for others that compile in the same one.
unit() {
    local name=${target//-/_} dir package
    dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    package=$dir/cross/package
    mkdir -p "$package"
    ln -sfn "$PWD"/{src,tests,man,README.md} "$package"
    cp --update Cargo.lock "$package"
    sed '/^openssl = "/d;/^rusqlite = /d;/^tokio = /d' Cargo.toml >"$home/Cargo.toml"
    cmp -s "$home/Cargo.toml" "$package/Cargo.toml" || cp "$home/Cargo.toml" "$package"
    env CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 "CARGO_TARGET_${name^^}_RUNNER=$emulator" \
        CARGO_TARGET_DIR="$dir/cross" WSMON_MUSL_DIR="${WSMON_MUSL_DIR:-$dir/musl}" \
        .ci/cross cargo "$target" test --quiet --manifest-path "$package/Cargo.toml" --lib --bin wsmon --test library \
        --no-default-features --features cli,demo "$@"
}

main "$@"
