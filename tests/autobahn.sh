#!/bin/bash
# Conformance: the Autobahn test suite as a fuzzing server on loopback, against tests/echo, over ws and wss.
#
#   tests/autobahn.sh [CASE…]     all 517 cases, or only these, such as '6.*'
#
# The suite is Python 2 code: it needs a Python 2.7 (python2.7 on the PATH, pyenv's, or $PYTHON27) and a Python 3 that
# makes an environment for it, once, below target/autobahn. Exit status 77: there is no Python 2.7, nothing was tested.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
dir=$target/autobahn
suite=$dir/suite
server=

main() {
    local python
    python=$(python27) || {
        echo "autobahn: no Python 2.7 here: CONFORMANCE IS NOT TESTED" >&2
        return 77
    }
    [ -x "$suite/bin/wstest" ] || install_suite "$python"
    [ -e "$dir/key.pem" ] || make_certificate
    cargo build --quiet --example echo
    trap stop EXIT
    judge ws "$@"
    judge wss "$@"
}

python27() {
    local candidate
    for candidate in "${PYTHON27:-}" python2.7 "$(pyenv root 2>/dev/null)"/versions/2.7*/bin/python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# virtualenv 20.15.1 is the last that makes an environment for Python 2.7.
install_suite() {
    echo "autobahn: installing the suite below $dir"
    rm -rf "$suite" "$dir/maker"
    python3 -m venv "$dir/maker"
    "$dir/maker/bin/pip" install -q --disable-pip-version-check virtualenv==20.15.1
    "$dir/maker/bin/virtualenv" -q -p "$1" "$suite"
    "$suite/bin/pip" install -q --disable-pip-version-check --no-python-version-warning autobahntestsuite==25.10.1
}

make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=127.0.0.1 \
        -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
}

# Runs every case over one scheme and looks at the reports.
judge() {
    local scheme=$1 out=$dir/reports-$1 port
    shift
    rm -rf "$out"
    mkdir -p "$out"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    specify "$scheme" "$port" "$out" "$@"
    serve "$out/fuzzingserver.json" >"$out/server.log" 2>&1 &
    server=$!
    wait_listening "$port" "$out/server.log"
    local began=$SECONDS
    timeout 600 "$target/debug/examples/echo" "$scheme://127.0.0.1:$port" wsmon
    stop
    verdict "$scheme" "$out/index.json" $((SECONDS - began)) "$#"
}

specify() {
    local scheme=$1 port=$2 out=$3
    shift 3
    [ $# -gt 0 ] || set -- '*'
    python3 - "$scheme" "$port" "$out" "$dir" "$@" >"$out/fuzzingserver.json" <<'PY'
import json, sys
scheme, port, out, home, *cases = sys.argv[1:]
spec = {"url": f"{scheme}://127.0.0.1:{port}", "outdir": out, "cases": cases, "exclude-cases": [],
        "exclude-agent-cases": {}}
if scheme == "wss":
    spec.update(key=f"{home}/key.pem", cert=f"{home}/cert.pem")
json.dump(spec, sys.stdout)
PY
}

# The suite would listen on every interface; -u 0: without its web server. The 216 cases of compression would send a
# thousand messages each.
serve() {
    exec "$suite/bin/python" -u -c '
import sys
sys.path.pop(0)
sys.argv = ["wstest", "-m", "fuzzingserver", "-u", "0", "-s", sys.argv[1]]
import autobahntestsuite.fuzzing as fuzzing, autobahntestsuite.wstest as wstest
from autobahntestsuite.case import Cases
for case in Cases:
    if hasattr(case, "COUNT"):
        case.COUNT = 60 if case.LEN <= 1024 else 6
listen = fuzzing.listenWS
fuzzing.listenWS = lambda factory, context=None: listen(factory, context, interface="127.0.0.1")
wstest.run()' "$1"
}

wait_listening() {
    local port=$1 log=$2
    for _ in {1..200}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "autobahn: the suite does not listen:" >&2
    tail -n 20 "$log" >&2
    return 1
}

stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# No case may fail. 6.4.3 and 6.4.4 ask for a look at UTF-8 before a frame is whole.
verdict() {
    python3 - "$@" <<'PY'
import collections, json, sys
scheme, path, seconds, chosen = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
cases = json.load(open(path))["wsmon"]
by = collections.defaultdict(list)
for case, report in cases.items():
    by[report["behavior"]].append(case)
counts = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(by.items(), key=lambda kind: -len(kind[1])))
print(f"{scheme}: {len(cases)} cases in {seconds} s: {counts}")
closes = collections.Counter(report["behaviorClose"] for report in cases.values())
print(f"{scheme}: closing:", ", ".join(f"{count} {kind}" for kind, count in closes.most_common()))
wrong = [case for kind, names in by.items() if kind not in ("OK", "INFORMATIONAL", "NON-STRICT") for case in names]
wrong += [case for case in by["NON-STRICT"] if case not in ("6.4.3", "6.4.4")]
wrong += [case for case, report in cases.items() if report["behaviorClose"] not in ("OK", "INFORMATIONAL")]
if wrong:
    sys.exit(f"autobahn: over {scheme}: {', '.join(sorted(set(wrong)))}: see {path.rsplit('/', 1)[0]}")
if not chosen and len(cases) != 517:
    sys.exit(f"autobahn: over {scheme}: {len(cases)} cases instead of 517")
PY
}

main "$@"
