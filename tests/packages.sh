#!/bin/bash
# The packages of .ci/package: made twice with the same bytes, installed into empty directories and run there. As root.
#
#   tests/packages.sh BINARY      BINARY is static and for this machine
#
# What is not here stands aside or is replaced: opkg and procd by a shell that does what they do, container tools by
# their own rules; abuild and OpenWrt's build system have their files filled in and read by a shell or make.
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

main() {
    make_twice deb wsmon.deb "$binary" "$(dpkg --print-architecture)"
    make_twice ipk wsmon.ipk "$binary" x86_64
    make_twice oci wsmon.tar
    make_twice source wsmon-source.tar.gz
    check_deb
    check_ipk
    check_procd
    check_oci
    check_recipes
    echo "packages: deb, ipk, oci, source and recipes are as they should be"
}

# KIND NAME [ARGS…]: makes a package at two times in two places, and compares them.
make_twice() {
    local kind=$1 name=$2 place
    shift 2
    for place in one two; do
        mkdir -p "$home/$place"
        touch "$home/$place"
        case $kind in
        oci) CA_BUNDLE=LICENSE .ci/package oci "$home/$place/$name" amd64="$binary" arm64="$binary" ;;
        *) (umask "$([ "$place" = one ] && echo 022 || echo 077)" && .ci/package "$kind" "$@" "$home/$place/$name") ;;
        esac
        sleep 1
    done 2>"$home/log" || fail "$kind" log
    cmp "$home/one/$name" "$home/two/$name" || fail "$kind is not reproducible"
    mv "$home/one/$name" "$home/$name"
    echo "$name: $(stat -c %s "$home/$name") bytes"
}

check_deb() {
    local root=$home/debian architecture
    mkdir -p "$root/var/lib/dpkg/"{info,updates}
    touch "$root/var/lib/dpkg/"{status,available}
    dpkg --root="$root" --force-script-chrootless --log=/dev/null --install "$home/wsmon.deb" >"$home/out" 2>&1 ||
        fail "dpkg --install" out
    runs chroot "$root" /usr/bin/wsmon
    gzip -dc "$root/usr/share/man/man1/wsmon.1.gz" | cmp - man/wsmon.1
    gzip -dc "$root/usr/share/man/man5/wsmon-events.5.gz" | cmp - man/wsmon-events.5
    gzip -dc "$root/usr/share/man/man7/wsmon-recipes.7.gz" | cmp - man/wsmon-recipes.7
    find "$root/usr" "$root/lib" -not -user root -print >"$home/out"
    [ ! -s "$home/out" ] || fail "owners" out
    if command -v systemd-analyze >/dev/null; then
        sed "s#/usr/bin/wsmon#$root&#" "$root/lib/systemd/system/wsmon@.service" >"$home/wsmon@nas.service"
        systemd-analyze verify --man=no "$home/wsmon@nas.service" >"$home/out" 2>&1 || fail "the unit" out
        ! grep -F wsmon "$home/out" || fail "the unit" out
    else
        echo "NOT RUN: systemd-analyze for the unit"
    fi
    # An older package in its place, removal, and again.
    dpkg --root="$root" --force-script-chrootless --log=/dev/null --purge wsmon >"$home/out" 2>&1 || fail "dpkg --purge" out
    [ -z "$(find "$root/usr" "$root/lib" -type f 2>/dev/null)" ] || fail "files are left after the removal"
    dpkg --root="$root" --force-script-chrootless --log=/dev/null --install "$home/wsmon.deb" >"$home/out" 2>&1 ||
        fail "dpkg --install after a removal" out
}

check_ipk() {
    local root=$home/openwrt part
    mkdir -p "$root" "$home/ipk/control"
    tar -xzf "$home/wsmon.ipk" -C "$home/ipk"
    [ "$(cat "$home/ipk/debian-binary")" = 2.0 ] || fail "debian-binary"
    tar -xzf "$home/ipk/data.tar.gz" -C "$root"
    tar -xzf "$home/ipk/control.tar.gz" -C "$home/ipk/control"
    runs "$root/usr/bin/wsmon"
    for part in postinst prerm; do sh -n "$home/ipk/control/$part"; done
    [ "$(cat "$home/ipk/control/conffiles")" = /etc/config/wsmon ] || fail "conffiles"
    [ "$(stat -c %a "$root/etc/config/wsmon")" = 600 ] || fail "the configuration may hold secrets"
}

# Runs the script of the service with stand-ins for the functions of OpenWrt, which print what they are given.
check_procd() {
    command -v busybox >/dev/null || { echo "NOT RUN: the service of OpenWrt, for want of busybox" && return; }
    local root=$home/openwrt line
    echo "ws://127.0.0.1:1/secret" >"$home/nas.uri"
    cat >"$home/rc.common" <<'RC'
config_load() { :; }
config_foreach() { "$1" nas; "$1" spare; "$1" empty; }
setting() {
    case $1 in
    nas.uri) echo "@$home/nas.uri" ;; nas.format) echo events ;; nas.stale_after) echo 2m ;;
    nas.save) echo "$home/data/nas.jsonl" ;; nas.only) echo "sample state" ;; nas.token_file) echo "$home/nas.token" ;;
    spare.uri) echo ws://spare ;; spare.enabled) echo 0 ;;
    esac
}
config_get() { eval "$1=\$(setting $2.$3)"; }
config_get_bool() { config_get "$1" "$2" "$3"; eval "$1=\${$1:-$4}"; }
config_list_foreach() { "$3" "X-Name: a b"; }
chown() { echo "chown $*"; }
procd_open_instance() { echo "open $1"; }
procd_close_instance() { echo close; }
procd_set_param() { if [ "$1" = command ]; then shift; : >"$home/words"; word "$@"; else echo "$*"; fi; }
procd_append_param() { shift; word "$@"; }
word() { for each; do printf '%s\n' "$each" >>"$home/words"; done; }
. "$1"
start_service
RC
    echo token >"$home/nas.token"
    home=$home busybox sh "$home/rc.common" "$root/etc/init.d/wsmon" >"$home/out" 2>"$home/err" || fail "the service" out err
    equal "instances" "$(grep -c ^open "$home/out")" 1
    for line in "open nas" "user wsmon" "respawn 3600 60 0" "chown wsmon:wsmon $home/data" close; do
        grep -qxF "$line" "$home/out" || fail "no '$line'" out
    done
    # The command of the instance is one that the program understands: it finds that the port is closed.
    mapfile -t words <"$home/words"
    equal "program" "${words[0]}" /usr/bin/wsmon
    local status=0
    "$root/usr/bin/wsmon" "${words[@]:1}" --no-reconnect >"$home/out" 2>"$home/err" || status=$?
    equal "status" "$status" 1
    grep -qF "nas: connect to 127.0.0.1:1: connection refused" "$home/err" || fail "the log" err
}

# Checks sums and sizes of an image as container tools do, and runs what is in it as its user.
check_oci() {
    local image
    python3 - "$home/wsmon.tar" "$home/image" <<'PYTHON' || fail "the image"
import gzip, hashlib, io, json, sys, tarfile

image = tarfile.open(sys.argv[1])


def blob(about):
    digest = about["digest"].removeprefix("sha256:")
    data = image.extractfile("blobs/sha256/" + digest).read()
    assert len(data) == about["size"] and hashlib.sha256(data).hexdigest() == digest
    return data


assert json.load(image.extractfile("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
(outer,) = json.load(image.extractfile("index.json"))["manifests"]
platforms = []
for about in json.loads(blob(outer))["manifests"]:
    manifest = json.loads(blob(about))
    config = json.loads(blob(manifest["config"]))
    platforms.append((about["platform"]["architecture"], config["architecture"]))
    layers = [gzip.decompress(blob(layer)) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    assert (config["config"]["Entrypoint"], config["config"]["User"]) == (["/wsmon"], "65534:65534")
    for layer in layers:
        tarfile.open(fileobj=io.BytesIO(layer)).extractall(sys.argv[2])
assert platforms == [("amd64", "amd64"), ("arm64", "arm64")], platforms
PYTHON
    image=$home/image
    cmp LICENSE "$image/etc/ssl/certs/ca-certificates.crt"
    chmod 755 "$home"
    runs chroot --userspec=65534:65534 "$image" /wsmon
    if command -v podman >/dev/null; then
        podman --root "$home/podman" --runroot "$home/run" --storage-driver vfs load -q -i "$home/wsmon.tar" >"$home/out" 2>&1 ||
            fail "podman load" out
        grep -q "wsmon:" "$home/out" || fail "podman load" out
    else
        echo "NOT RUN: podman"
    fi
}

check_recipes() {
    .ci/package recipes "$home/wsmon-source.tar.gz" https://downloads.example/wsmon/ "$home/recipes"
    ! grep -rn '@[A-Z0-9]*@' "$home/recipes" || fail "something is not filled in"
    (
        # shellcheck disable=SC1091
        . "$home/recipes/alpine/APKBUILD"
        equal "version" "wsmon $pkgver" "$("$binary" --version)"
        equal "source" "$source" "https://downloads.example/wsmon/wsmon-$pkgver.tar.gz"
        cd "$home"
        cp wsmon-source.tar.gz "wsmon-$pkgver.tar.gz"
        grep . <<<"$sha512sums" | sha512sum --check --quiet
        tar -xzf "wsmon-$pkgver.tar.gz"
        cmp "wsmon-$pkgver/Cargo.toml" "$OLDPWD/Cargo.toml" || echo "NOTE: the package of the sources is that of the last commit"
    ) || fail "the APKBUILD"
    # With empty rules of the build system, make reads the whole file.
    local top=$home/top
    mkdir -p "$top/include" "$top/feeds/packages/lang/rust"
    touch "$top/rules.mk" "$top/include/package.mk" "$top/feeds/packages/lang/rust/rust-package.mk"
    make -s -f "$home/recipes/openwrt/net/wsmon/Makefile" TOPDIR="$top" INCLUDE_DIR="$top/include" \
        --eval 'show: ; @echo $(PKG_NAME) $(PKG_VERSION) $(PKG_HASH)' show >"$home/out" 2>&1 || fail "the Makefile" out
    equal "the Makefile" "$(cat "$home/out")" \
        "$("$binary" --version) $(sha256sum <"$home/wsmon-source.tar.gz" | cut -d ' ' -f 1)"
    "$home/openwrt/usr/bin/wsmon" --version >/dev/null
    PATH=$home/openwrt/usr/bin:$PATH sh "$home/recipes/openwrt/net/wsmon/test.sh" wsmon \
        "$("$binary" --version | cut -d ' ' -f 2)" >"$home/out" 2>&1 || fail "test.sh" out
}

# Runs an installed program for a message.
runs() {
    "$@" --demo --count 1 --duration 10 >"$home/out" 2>"$home/err" || fail "$*" out err
    grep -qE '^(CPU|Disk): ' "$home/out" || fail "$*" out err
}

equal() {
    [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"
}

fail() {
    echo "packages: $1" >&2
    for file in "${@:2}"; do cat "$home/$file" >&2; done
    exit 1
}

main
