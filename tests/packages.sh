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
    # A bundle, and a program that does nothing for another machine.
    { echo "-----BEGIN CERTIFICATE-----" && cat LICENSE; } >"$home/bundle"
    { printf '\x7fELF\x01\x01\x01%09d\x02\0\x03\0' 0 && printf '\0%.0s' {1..32}; } >"$home/i386"
    chmod 755 "$home"
    check_refusals
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

# What cannot be installed or run where it is meant to be is not packed.
check_refusals() {
    local architecture
    architecture=$(dpkg --print-architecture)
    printf '\0%.0s' {1..64} >"$home/zeros"
    refused "is not for mips_24kc" ipk "$binary" mips_24kc "$home/none"
    refused "is not for armhf" deb "$binary" armhf "$home/none"
    refused "is not static" deb "$(realpath /proc/$$/exe)" "$architecture" "$home/none"
    refused "no head of an ELF file" deb LICENSE "$architecture" "$home/none"
    refused "no head of an ELF file" deb "$home/zeros" "$architecture" "$home/none"
    refused "cannot be read" ipk "$home/absent" x86_64 "$home/none"
    refused "no architecture that this script knows" deb "$binary" pdp11 "$home/none"
    refused "is not ARCH=BINARY" oci "$home/none" "$binary"
    refused "is not for riscv64" oci "$home/none" "$architecture=$binary" riscv64="$binary"
    CA_BUNDLE=LICENSE refused "has no certificate in it" oci "$home/none" "$architecture=$binary"
    # The text that a binary with TLS is recognised by.
    { cat "$binary" && printf SSL_CERT_FILE; } >"$home/tls"
    .ci/package oci "$home/none" "$architecture=$home/tls" 2>"$home/log"
    grep -qF 'without $CA_BUNDLE the image trusts no authority' "$home/log" || fail "no note of the missing bundle" log
}

# TEXT ARGS…: fails unless .ci/package refuses the arguments with the text, and makes nothing.
refused() {
    local text=$1
    shift
    ! .ci/package "$@" 2>"$home/log" || fail "not refused: $*"
    grep -qF -e "$text" "$home/log" || fail "not '$text': $*" log
    [ ! -e "$home/none" ] || fail "made in spite of the refusal: $*"
}

# KIND NAME [ARGS…]: makes a package at two times in two places and under two settings, and compares them.
make_twice() {
    local kind=$1 name=$2 place settings
    local -A under=([one]="env" [two]="env TZ=Asia/Kathmandu LC_ALL=C.UTF-8 LANG=tr_TR.UTF-8")
    shift 2
    # A stranger, where the tree is one that everybody may read.
    if setpriv --reuid=65534 --regid=65534 --clear-groups git -c safe.directory='*' log -1 >"$home/out" 2>&1; then
        under[two]="setpriv --reuid=65534 --regid=65534 --clear-groups ${under[two]}"
    else
        echo "NOT RUN: $kind as another user, who cannot read the tree"
    fi
    for place in one two; do
        mkdir -p "$home/$place"
        chmod 777 "$home/$place"
        read -r -a settings <<<"${under[$place]}"
        case $kind in
        oci) settings+=("CA_BUNDLE=$home/bundle" .ci/package oci "$home/$place/$name" amd64="$binary" 386="$home/i386") ;;
        *) settings+=(.ci/package "$kind" "$@" "$home/$place/$name") ;;
        esac
        (umask "$([ "$place" = one ] && echo 022 || echo 077)" && "${settings[@]}")
        [ "$place" = two ] || sleep 1
    done 2>"$home/log" || fail "$kind" log
    cmp "$home/one/$name" "$home/two/$name" || fail "$kind is not reproducible"
    mv "$home/one/$name" "$home/$name"
    echo "$name: $(stat -c %s "$home/$name") bytes"
}

check_deb() {
    local root=$home/debian
    mkdir -p "$root/var/lib/dpkg/"{info,updates} "$root/run/systemd/system" "$root/etc/default" "$home/bin"
    touch "$root/var/lib/dpkg/"{status,available}
    printf '#!/bin/sh\necho "$*" >>%s\n' "$home/systemctl" >"$home/bin/systemctl"
    chmod 755 "$home/bin/systemctl"
    debian --install "$home/wsmon.deb"
    services_are ""
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
    # A newer package in its place, removal, and again: services follow, and the options of an instance are left alone.
    echo "OPTIONS=-q nas" >"$root/etc/default/wsmon-nas"
    dpkg-deb --raw-extract "$home/wsmon.deb" "$home/newer"
    sed -i 's/^Version: .*/&+1/' "$home/newer/DEBIAN/control"
    dpkg-deb --build "$home/newer" "$home/newer.deb" >"$home/out" 2>&1 || fail "dpkg-deb" out
    debian --install "$home/newer.deb"
    services_are "daemon-reload;try-restart wsmon@*.service;"
    debian --remove wsmon
    services_are "stop wsmon@*.service;"
    debian --purge wsmon
    [ -z "$(find "$root/usr" "$root/lib" -type f 2>/dev/null)" ] || fail "files are left after the removal"
    debian --install "$home/wsmon.deb"
    services_are ""
    equal "options" "$(cat "$root/etc/default/wsmon-nas")" "OPTIONS=-q nas"
}

# Runs dpkg for the directory `root` of check_deb.
debian() {
    PATH=$home/bin:$PATH dpkg --root="$root" --force-script-chrootless --log=/dev/null "$@" >"$home/out" 2>&1 ||
        fail "dpkg $*" out
}

# Compares the commands that the scripts of the package gave since the last time.
services_are() {
    equal "systemctl" "$(cat "$home/systemctl" 2>/dev/null | tr '\n' ';')" "$1"
    rm -f "$home/systemctl"
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
    # What an upgrade of the whole system keeps beside it: tokens and URIs.
    equal "kept" "$(cat "$root/lib/upgrade/keep.d/wsmon")" /etc/wsmon/
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
    nas.save) echo "$data/nas.jsonl" ;; nas.only) echo "sample state" ;; nas.token_file) echo "$home/nas.token" ;;
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
    mkdir "$home/there"
    the_service "$home/there"
    ! grep '^chown' "$home/out" || fail "a directory that is there keeps its owner"
    the_service "$home/data"
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

# DIRECTORY: starts the service, which saves what comes there.
the_service() {
    home=$home data=$1 busybox sh "$home/rc.common" "$root/etc/init.d/wsmon" >"$home/out" 2>"$home/err" ||
        fail "the service" out err
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
    if config["architecture"] == "amd64":
        for layer in layers:
            tarfile.open(fileobj=io.BytesIO(layer)).extractall(sys.argv[2])
assert platforms == [("amd64", "amd64"), ("386", "386")], platforms
PYTHON
    image=$home/image
    cmp "$home/bundle" "$image/etc/ssl/certs/ca-certificates.crt"
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
