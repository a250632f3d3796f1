#!/bin/bash
# The program against the real PMDaemon, which takes minutes to build: not part of `.ci/run`.
#
#   tests/pmdaemon.sh
#
# Builds PMDaemon below target/real-servers with cargo, once, and runs its web server on the loopback interface with a
# home of its own. WSMON_BIN names another binary to try. Output and logs are shown when something is missing in them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
wsmon=$(realpath -m "${WSMON_BIN:-$target/debug/wsmon}")
version=0.1.4
root=$target/real-servers/pmdaemon
pmdaemon=$root/bin/pmdaemon
key=only-for-this-test

main() {
    install
    [ -n "${WSMON_BIN:-}" ] || cargo build --quiet
    home=$(mktemp -d)
    export PMDAEMON_HOME=$home/pmdaemon
    mkdir "$PMDAEMON_HOME"
    server=
    trap finish EXIT
    port=$(unused_port)
    start_process web-api --port "$((port + 1))"
    start_process sleeper
    start_process stubborn
    start_server

    step "recognised or named, in each format"
    watch simple --verbose
    watch named --dialect pmdaemon --format detailed
    watch compact --format compact --ascii
    watch events --format events
    watch jsonl --format jsonl --stats
    watch asking --dialect pmdaemon --subscribe system_metrics --interval 1 --request 'get_info={"process":"web-api"}' --stats
    expect simple.err 'recognised as pmdaemon'
    expect simple '^\[PROC\] [^ ]+Z web-api: online$'
    expect simple '^\[PROC\] [^ ]+Z sleeper: online$'
    expect simple '^CPU: +[0-9.]+% \| RAM: +[0-9.]+%'
    expect named '^ *NAME +STATE +PID +AGE +RESTARTS +PORT'
    expect named '^ *web-api +online +[0-9]+ +[^ ]+.* 0 +'"$((port + 1))"
    refuse named 'web-api.*%|sleeper.*%'
    expect compact 'web-api: online'
    expect events '"kind":"sample","cpu":[0-9.]+.*"memory_total":[0-9]{9,},.*"uptime":[0-9]+'
    expect events '"kind":"processes".*"name":"web-api".*"state":"online".*"started_at":"20'
    refuse events '"cpu":0(\.0)?,"memory":0'
    expect jsonl '"type":"ProcessList","processes":\['
    expect asking '^CPU: '
    # The server sends everything to all.
    refuse asking '^\[PROC\]'

    step "what REST does to a process"
    rest POST web-api/stop
    expect simple '^\[PROC\] [^ ]+Z web-api: online → stopped$'
    expect named 'web-api: online → stopped'
    expect compact 'web-api: online -> stopped'
    expect events '"changes":\[\{"name":"web-api","from":"online","to":"stopped"'
    rest POST web-api/restart
    expect simple '^\[PROC\] [^ ]+Z web-api: stopped → online'
    rest POST sleeper/restart
    expect simple '^\[PROC\] [^ ]+Z sleeper: online → online|^\[PROC\] [^ ]+Z sleeper: .*restart'
    rest DELETE sleeper
    expect simple '^\[PROC\] [^ ]+Z sleeper: online → gone$'

    step "a stall of some ten seconds, and the burst after it"
    # A child of the web server itself, so that it waits for it in vain.
    rest POST stubborn/restart
    expect simple '^\[PROC\] [^ ]+Z stubborn: .*restart'
    rest POST stubborn/stop &
    local stopping=$!
    sleep 1
    watch late --verbose
    expect late.err ': connected' 2
    # Its first message comes when the stall is over.
    expect late '^\[PROC\] [^ ]+Z stubborn: ' 20
    wait "$stopping"
    expect simple '^\[PROC\] [^ ]+Z stubborn: online → stopped'
    for name in simple late; do refuse "$name.err" 'WARN|ERROR'; done
    stop_client late

    step "a restart of the server"
    samples=$(count simple '^CPU: ')
    stop_server TERM
    expect simple.err 'the server closed the connection without a Close frame; retrying'
    start_server
    expect simple.err ': connected' 10 2
    expect simple '^CPU: ' 10 $((samples + 1))
    # What is another since the last list: PMDaemon has forgotten what it was asked to start by REST.
    expect simple '^\[PROC\] [^ ]+Z web-api: online → stopped$' 10 2

    step "the ends"
    for name in simple named compact events jsonl asking; do stop_client "$name"; done
    expect jsonl '"type":"statistics"'
    # Two on each of two connections: read and ignored.
    expect asking '^Messages: [0-9]+ received, 4 sent$'
    run once --count 1
    run lasting --duration 3
    run once-named --dialect pmdaemon --no-reconnect --count 3
    disconnected=$(grep -c 'WebSocket client disconnected' "$home/server.log")
    [ "$disconnected" -ge 8 ] || fail "the server saw $disconnected Close frames" server.log

    step "killed"
    watch last
    expect last '^CPU: '
    stop_server KILL
    expect last.err 'without a Close frame; retrying|reset'
    start_server
    expect last '^CPU: ' 15 2
    stop_client last
    echo "passed"
}

install() {
    if [ "$("$pmdaemon" --version 2>/dev/null)" != "pmdaemon $version" ]; then
        step "building PMDaemon $version"
        cargo install --quiet --locked --debug --root "$root" --target-dir "$root/build" --version "$version" pmdaemon
        # A gigabyte.
        rm -r "$root/build"
    fi
}

# Ends by itself when the home is removed, whatever PMDaemon does. One of them will not be ended by SIGTERM.
start_process() {
    local name=$1 script=$home/$1.sh trap=
    shift
    [ "$name" != stubborn ] || trap="trap '' TERM;"
    echo "$trap while [ -e '$script' ]; do sleep 1; done" >"$script"
    "$pmdaemon" start sh --name "$name" "$@" -- "$script" >>"$home/server.log" 2>&1
}

start_server() {
    "$pmdaemon" web --host 127.0.0.1 --port "$port" --api-key "$key" >>"$home/server.log" 2>&1 &
    server=$!
    for _ in {1..200}; do
        if is_open "$port"; then return; fi
        sleep 0.1
    done
    fail "the server does not listen" server.log
}

stop_server() {
    kill -s "$1" "$server"
    wait "$server" 2>/dev/null || true
    server=
}

# NAME OPTION…: a client in the background; its output is in NAME, its log in NAME.err.
watch() {
    local name=$1
    shift
    "$wsmon" --uri "127.0.0.1:$port/ws" --reconnect-interval 0.5 --reconnect-cap 2 "$@" \
        >"$home/$name" 2>"$home/$name.err" </dev/null &
    clients[$name]=$!
}

# It closes, the server answers with nothing but the end of the stream, and that is a success soon.
stop_client() {
    local name=$1 status=0 begun=$SECONDS
    kill -s TERM "${clients[$name]}"
    wait "${clients[$name]}" || status=$?
    unset "clients[$name]"
    [ "$status" -eq 0 ] || fail "$name: status $status" "$name" "$name.err"
    [ $((SECONDS - begun)) -le 4 ] || fail "$name: $((SECONDS - begun)) s to end" "$name.err"
}

# NAME OPTION…: a client that ends by itself, with success.
run() {
    local name=$1 status=0
    shift
    timeout 30 "$wsmon" --uri "127.0.0.1:$port/ws" "$@" >"$home/$name" 2>"$home/$name.err" </dev/null || status=$?
    [ "$status" -eq 0 ] || fail "$name: status $status" "$name" "$name.err"
    refuse "$name.err" 'WARN|ERROR'
}

# METHOD PATH: PMDaemon wants JSON of whatever kind.
rest() {
    local method=$1 path=$2
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '%s /api/processes/%s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: application/json\r\n%s' \
        "$method" "$path" "$key" $'Content-Length: 4\r\nConnection: close\r\n\r\nnull' >&3
    local answer
    answer=$(timeout 30 head -n 1 <&3 || true)
    exec 3>&-
    [[ $answer == "HTTP/1.1 200 "* ]] || fail "$method $path: $answer" server.log
}

# FILE PATTERN [SECONDS [TIMES]]: waits for that many lines.
expect() {
    local file=$1 pattern=$2 seconds=${3:-10} times=${4:-1} begun=$SECONDS
    until [ "$(count "$file" "$pattern")" -ge "$times" ]; do
        [ $((SECONDS - begun)) -le "$seconds" ] || fail "no $pattern" "$file" "${file%.err}.err" server.log
        sleep 0.1
    done
    echo "$file: $(grep -E "$pattern" "$home/$file" | tail -n 1)"
}

count() {
    grep -cE "$2" "$home/$1" || true
}

refuse() {
    if grep -qE "$2" "$home/$1"; then fail "$2" "$1"; fi
}

fail() {
    echo "$1" >&2
    shift
    for file; do
        echo "--- $file" >&2
        tail -n 40 "$home/$file" >&2
    done
    exit 1
}

finish() {
    for client in "${clients[@]}"; do kill "$client" 2>/dev/null || true; done
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$home"
}

unused_port() {
    local port=$((20000 + $$ % 10000))
    while is_open "$port" || is_open "$((port + 1))"; do port=$((port + 2)); done
    echo "$port"
}

is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

step() {
    printf '\n== %s\n' "$1"
}

declare -A clients=()
main
