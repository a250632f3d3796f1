#!/bin/bash
# The outputs, and the recipes of man/wsmon-recipes.7, with the programs that they are for. For Debian, as root.
#
#   tests/consumers.sh                  all checks: a minute and a half
#   tests/consumers.sh gate             those that .ci/run runs: all but the monitoring systems with large packages
#   tests/consumers.sh NAME…            only these
#   tests/consumers.sh list             their names
#   tests/consumers.sh install [NAME…]  only installs what they need
#
# What is missing is installed with apt and pip; what cannot be had is named, and nothing is checked then. Everything
# runs on the loopback interface, on free ports, without a service, and each check ends in time. WSMON_BIN names another
# binary to try.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
wsmon=$(realpath -m "${WSMON_BIN:-$target/debug/wsmon}")
venv=$target/consumers/venv
page=$PWD/man/wsmon-recipes.7
helpers=$PWD/tests/consumers
recordings=$PWD/tests/recordings
# Seconds for a check, unless it has its own limit.
declare -A limit=()
# The packages of a check, and with pip: before it those of Python.
declare -A needs=()
# The checks, in the order in which they run, and those of the gate.
checks=()
gate=()

# NAME gate|request PACKAGE…: declares a check; its function is check_NAME.
declare_check() {
    local name=$1 when=$2
    shift 2
    checks+=("$name")
    needs[$name]="$*"
    if [ "$when" = gate ]; then gate+=("$name"); fi
}

main() {
    for file in "$helpers"/*.sh; do
        # shellcheck disable=SC1090
        source "$file"
    done
    local names
    case ${1:-all} in
    list) printf '%s\n' "${checks[@]}" ;;
    install)
        names=$(chosen "${@:2}")
        # shellcheck disable=SC2086
        install_for $names
        ;;
    run) run_one "$2" ;;
    *)
        names=$(chosen "$@")
        # shellcheck disable=SC2086
        run_all $names
        ;;
    esac
}

# The names of checks that the arguments stand for.
chosen() {
    [ $# -gt 0 ] || set -- all
    for name; do
        case $name in
        all) printf '%s\n' "${checks[@]}" ;;
        gate) printf '%s\n' "${gate[@]}" ;;
        *)
            [ -n "${needs[$name]+known}" ] || die "no check is called $name; they are: ${checks[*]}"
            echo "$name"
            ;;
        esac
    done
}

die() {
    echo "consumers: $1" >&2
    exit 1
}

# Installs the packages of these checks without starting a service.
install_for() {
    local packages=(python3 curl) modules=() missing=() failed=() package name
    for name; do
        for package in ${needs[$name]}; do
            case $package in
            pip:*) modules+=("${package#pip:}") ;;
            *) packages+=("$package") ;;
            esac
        done
    done
    [ ${#modules[@]} -eq 0 ] || packages+=(python3-venv)
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -qq || die "the lists of packages cannot be had"
        without_services apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || true
        for package in "${missing[@]}"; do
            is_installed "$package" || failed+=("$package")
        done
        [ ${#failed[@]} -eq 0 ] || die "cannot be had: ${failed[*]}"
    fi
    if [ ${#modules[@]} -gt 0 ]; then
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "${modules[@]}" || die "cannot be had: ${modules[*]}"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Packages ask this file before they start a service.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    DEBIAN_FRONTEND=noninteractive "$@" || status=$?
    rm "$policy"
    return "$status"
}

# Runs each check as a process of its own, whose process group ends with it. Most of what they do is wait: some at a time.
run_all() {
    local failed=() name status pid running=0 left=("$@")
    install_for "$@"
    [ -n "${WSMON_BIN:-}" ] || cargo build --quiet --bin wsmon
    logs=$(mktemp -d)
    trap 'kill $(jobs -pr) 2>/dev/null || true; rm -rf "$logs"' EXIT
    export taken=$logs/taken
    touch "$taken"
    declare -A name_of=()
    while [ ${#left[@]} -gt 0 ] || [ "$running" -gt 0 ]; do
        if [ ${#left[@]} -gt 0 ] && [ "$running" -lt 4 ]; then
            name=${left[0]} left=("${left[@]:1}")
            timeout --kill-after=10 "${limit[$name]:-60}" "$0" run "$name" >"$logs/$name" 2>&1 </dev/null &
            name_of[$!]=$name
            running=$((running + 1))
            continue
        fi
        status=0
        wait -n -p pid || status=$?
        running=$((running - 1)) name=${name_of[$pid]}
        printf '\n== %s\n' "$name"
        cat "$logs/$name"
        case $status in
        0) echo "ok: $name" ;;
        124 | 137) failed+=("$name (no end within ${limit[$name]:-60} s)") ;;
        *) failed+=("$name") ;;
        esac
        [ "$status" -eq 0 ] || echo "FAILED: $name"
    done
    echo
    sed -n '/^NOT RUN/p' "${@/#/$logs/}"
    [ $# -lt ${#checks[@]} ] || every_recipe_is_taken || failed+=("every recipe")
    echo
    [ ${#failed[@]} -eq 0 ] || die "failed: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
    echo "consumers: passed in $SECONDS s: $*"
}

every_recipe_is_taken() {
    local left
    left=$(comm -23 <(python3 "$helpers/recipe.py" "$page" | sort) <(sort -u "$taken"))
    [ -z "$left" ] || printf 'no check takes this recipe:\n%s\n' "$left" >&2
    [ -z "$left" ]
}

# One check, with a directory that other users can read and a PATH in which wsmon is the binary to try.
run_one() {
    declare -gA port=() server_pid=()
    pids=()
    home=$(mktemp -d)
    trap finish EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    chmod 755 "$home"
    mkdir "$home/bin"
    ln -s "$wsmon" "$home/bin/wsmon"
    export PATH=$home/bin:$PATH:/usr/sbin:/sbin LC_ALL=C
    unset MONITORING_WEBSOCKET_URI MONITORING_FORMAT MONITORING_LOG_LEVEL MONITORING_LOG_FILE
    "check_$1"
}

finish() {
    local status=$?
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    for _ in {1..30}; do
        [ -n "$(jobs -pr)" ] || break
        sleep 0.1
    done
    [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
    rm -rf "$home"
    exit "$status"
}

# NAME COMMAND…: runs it in the background, its output in the files NAME and NAME.err; its process ID becomes $pid.
background() {
    local name=$1
    shift
    "$@" >"$home/$name" 2>"$home/$name.err" </dev/null &
    pid=$!
    pids+=("$pid")
}

# NAME BEHAVIOUR…: starts a server of tests/consumers/server.py, whose port becomes ${port[NAME]}; a second one of the
# same name takes the same port.
serve() {
    start_server "$@"
    wait_for_server "$1"
}

start_server() {
    local name=$1
    shift
    rm -f "$home/$name.port"
    background "$name.log" python3 "$helpers/server.py" "$home/$name.port" "${port[$name]:-0}" "$@"
    server_pid[$name]=$pid
}

# NAME: ends a server, whose port a later one of the same name takes.
stop_server() {
    kill "${server_pid[$1]}"
    wait "${server_pid[$1]}" || true
}

wait_for_server() {
    wait_for 15 test -s "$home/$1.port"
    port[$1]=$(<"$home/$1.port")
}

# NAME KIND: starts a sink of tests/consumers/sink.py, which writes the file NAME; its port becomes ${port[NAME]}.
sink() {
    background "$1.log" python3 "$helpers/sink.py" "$home/$1" "$2"
    wait_for_server "$1"
}

# The fleet of most checks: web, db, and one that is down.
fleet() {
    start_server web steady router-01 12.4 13 14.5
    start_server db steady db-01 50 51.5
    wait_for_server web
    wait_for_server db
    servers=("web=127.0.0.1:${port[web]}" "db=127.0.0.1:${port[db]}")
}

unused_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# TITLE NAME [SED…]: a block of the page, with the addresses and paths of this machine.
recipe() {
    local title=$1 name=$2
    shift 2
    [ -z "${taken:-}" ] || printf '%s\t%s\n' "$title" "$name" >>"$taken"
    python3 "$helpers/recipe.py" "$page" "$title" "$name" | sed "$@" \
        -e "s#10\.0\.0\.2\b#127.0.0.1:${port[web]:-1}#g" \
        -e "s#10\.0\.0\.3\b#127.0.0.1:${port[db]:-1}#g" \
        -e "s#10\.0\.0\.4\b#127.0.0.1:1#g" \
        -e "s#/usr/bin/wsmon#$home/bin/wsmon#g" \
        -e "s#/var/lib/prometheus/node-exporter#$home#g" \
        -e "s#/var/lib/wsmon#$home#g" \
        -e "s#/run/lock#$home#g"
}

# SECONDS COMMAND…: waits until it succeeds.
wait_for() {
    local seconds=$1 begun=$SECONDS
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((SECONDS - begun)) -lt "$seconds" ] || fail "in vain: $*"
        sleep 0.1
    done
}

# FILE PATTERN [SECONDS]: waits for a line of a file below $home, and prints the last one.
expect() {
    local file=$1 pattern=$2
    wait_for "${3:-10}" grep -qE -- "$pattern" "$home/$file"
    echo "$file: $(grep -E -- "$pattern" "$home/$file" | tail -n 1 | cut -c 1-300)"
}

# TEXT VALUE EXPECTED
equal() {
    [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"
    sed 5q <<<"$1: $2"
}

# STATUS COMMAND…: runs a command, and fails unless it ends with this status. Its output is in the files out and err.
status_is() {
    local expected=$1 status=0
    shift
    "$@" >"$home/out" 2>"$home/err" </dev/null || status=$?
    [ "$status" -eq "$expected" ] || fail "status $status instead of $expected: $*" out err
}

# MESSAGE [FILE…]: ends the check, and shows the last lines of these files, or of what was run last and of all logs.
fail() {
    echo "$1" >&2
    shift
    [ $# -gt 0 ] || set -- $(cd "$home" && find . -maxdepth 1 -type f -size +0 '(' -name out -o -name '*.err' ')' | sort)
    for file; do
        printf -- '--- %s\n' "$file" >&2
        tail -n 15 "$home/$file" | cut -c 1-400 >&2
    done
    exit 1
}

main "$@"
