#!/bin/bash
# Denies a static binary one system call after the other, as filters of sandboxes (seccomp) and old kernels do, by
# strace(1): whatever is missing, the program ends with a status of its own and a reason, and randomness is never missed.
#
#   tests/denied.sh BINARY        a binary without TLS
#   tests/denied.sh BINARY tls    one with it: only what it needs for its keys
#
# It also holds the binary to the oldest kernel that the README names.
set -euo pipefail

# The largest number of a system call of Linux 2.6.28, x86-64: that of inotify_init1(2), since 2.6.27.
oldest_kernel=294
# Newer ones that it does without.
dispensable=" getrandom "
# What the log itself needs: without one of these no reason can be given.
logging=" write writev "
# Without these the C library and the standard library end a program before it begins.
vital=" arch_prctl execve exit_group mmap poll rt_sigaction "

binary=$(realpath "$1")
home=$(mktemp -d)
trap 'rm -r "$home"' EXIT
cd "$home"
# Runs at a time: most of what they do is wait for a duration.
at_a_time=8

main() {
    local call error calls number=0 failed=0
    strace -n -f -o calls "$binary" "${session[@]}" --save-data whole.jsonl >out 2>err || fail "without a filter"
    only_old_calls
    calls=$(sed -E 's/^[0-9]+ +\[ *[0-9]+\] ([a-z0-9_]+)\(.*/\1/;t;d' calls | sort -u)
    for call in $calls; do
        [[ $vital != *" $call "* ]] || continue
        for error in ENOSYS EPERM; do
            [ "$number" -lt "$at_a_time" ] || wait -n || failed=$((failed + 1))
            deny "$call" "$error" &
            number=$((number + 1))
        done
    done
    for ((; at_a_time > 0; at_a_time--)); do wait -n || failed=$((failed + 1)); done
    echo "$number runs without one of $(wc -w <<<"$calls") system calls: $failed failures"
    [ "$number" -gt 40 ] && [ "$failed" -eq 0 ]
}

session=(--demo --count 1 --duration 10 --no-reconnect)

# Without random numbers there is no attempt to connect.
tls() {
    local error
    for error in ENOSYS EPERM; do
        strace -f -o trace -e trace=getrandom -e "inject=getrandom:error=$error" \
            "$binary" --no-reconnect wss://127.0.0.1:1/ >out 2>err </dev/null || true
        [[ $(<trace) == *INJECTED* && $(<err) == *"connection refused"* ]] || fail "TLS without getrandom, $error"
    done
    echo "TLS connects without getrandom"
}

only_old_calls() {
    local newer
    newer=$(sed -E 's/^[0-9]+ +\[ *([0-9]+)\] ([a-z0-9_]+)\(.*/\1 \2/;t;d' calls | sort -un |
        awk -v most="$oldest_kernel" -v without="$dispensable" '$1 > most && !index(without, " " $2 " ")')
    [ -z "$newer" ] || fail "system calls that the oldest kernel does not have: $newer"
}

deny() {
    local call=$1 error=$2 status=0
    mkdir "$home/$call-$error"
    cd "$home/$call-$error"
    timeout -s KILL 60 strace -f -o trace -e "trace=$call" -e "inject=$call:error=$error" \
        "$binary" "${session[@]}" --save-data saved.jsonl >out 2>err </dev/null || status=$?
    if [[ $dispensable == *" $call "* ]]; then
        [ "$status" -eq 0 ] || fail "$call, $error: status $status"
    elif [ "$status" -gt 3 ]; then
        fail "$call, $error: status $status"
    elif [ "$status" -ne 0 ] && [[ $logging != *" $call "* ]]; then
        [ -s err ] || fail "$call, $error: status $status without a reason"
    fi
}

fail() {
    echo "$1"
    cat out err
    exit 1
}

"${2:-main}"
