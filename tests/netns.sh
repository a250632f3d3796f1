#!/bin/bash
# Runs tests/netns in a network namespace of its own, as root: loopback, and a veth pair to a neighbour that drops
# everything sent to 10.99.0.0/16 and fd99::/16. The machine's own network and files are not touched.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Those with which .ci/run compiles the program for its real servers.
features=real-servers,netns

main() {
    cargo test --quiet --features "$features" --test netns --no-run
    exec unshare --net --mount --propagation private "$0" inside
}

inside() {
    files=$(mktemp -d)
    unshare --net sleep 600 </dev/null >/dev/null 2>&1 &
    neighbour=$!
    trap 'kill "$neighbour"; rm -r "$files"' EXIT
    until [ "$(readlink "/proc/$neighbour/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do :; done
    link "$neighbour"
    mount_names "$files"
    # One test at a time: they share resolv.conf.
    cargo test --offline --features "$features" --test netns -- --test-threads=1 --nocapture
}

link() {
    local there=(nsenter --target "$1" --net)
    ip link set lo up
    ip link add cable type veth peer name cable netns "$1"
    ip addr add 10.77.0.1/24 dev cable
    ip addr add fd77::1/64 dev cable nodad
    "${there[@]}" ip addr add 10.77.0.2/24 dev cable
    "${there[@]}" ip addr add fd77::2/64 dev cable nodad
    ip link set cable up
    "${there[@]}" ip link set cable up
    "${there[@]}" ip route add blackhole 10.99.0.0/16
    "${there[@]}" ip -6 route add blackhole fd99::/16
    ip route add 10.99.0.0/16 via 10.77.0.2
    ip -6 route add fd99::/16 via fd77::2
}

# Mounts files of our own over those of the machine, for this process and its children.
mount_names() {
    touch "$1/resolv.conf"
    printf '%s\n' '127.0.0.1 dual' 'fd99::1 dual' '10.99.0.1 hole' 'fd99::2 hole' >"$1/hosts"
    mount --bind "$1/resolv.conf" /etc/resolv.conf
    mount --bind "$1/hosts" /etc/hosts
}

"${1:-main}"
