# Prometheus: the text of --textfile, node_exporter, and Prometheus itself with the rules of the page.

declare_check promtool gate prometheus pip:prometheus-client
check_promtool() {
    fleet
    serve pm replay "$recordings/pmdaemon/plain.jsonl"
    serve hostile hostile
    serve odd odd
    serve processes hostile_processes
    exposition demo --demo
    exposition fleet "${servers[@]}" down=127.0.0.1:1
    exposition pmdaemon "pm=pmdaemon://127.0.0.1:${port[pm]}"
    exposition hostile "h=127.0.0.1:${port[hostile]}" "p=pmdaemon://127.0.0.1:${port[processes]}" \
        "odd=127.0.0.1:${port[odd]}"
    expect fleet.prom '^wsmon_up\{server="down"\} 0$'
    expect fleet.prom '^wsmon_cpu_ratio\{server="web"\} 0\.1'
    expect pmdaemon.prom '^wsmon_process_running\{server="pm",process="web-api"\} 1$'
    expect hostile.prom '^wsmon_process_memory_bytes\{server="p",process="a ..b'
}

# NAME OPTION…: a file of a run of two seconds, as promtool and the parser of the Python client see it.
exposition() {
    local name=$1
    shift
    wsmon -q -d 2 --textfile "$home/$name.prom" "$@" >/dev/null 2>"$home/$name.err" || true
    promtool check metrics <"$home/$name.prom" >"$home/$name.promtool" 2>&1 || fail "$name: promtool: status $?"
    equal "$name, promtool" "$(<"$home/$name.promtool")" ""
    "$venv/bin/python" - "$home/$name.prom" <<'PY'
import sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
print(len(families), "families,", sum(len(family.samples) for family in families), "samples")
assert all(family.documentation and family.type != "unknown" for family in families)
PY
}

declare_check node_exporter gate prometheus-node-exporter
check_node_exporter() {
    serve web fast router-01 12.4 13
    start_node_exporter
    (
        umask 077
        # Not in the background of a subshell: its process ID is that of the program.
        exec wsmon -q --every 0.03 --textfile "$home/prom/x.prom" "web=127.0.0.1:${port[web]}" "down=127.0.0.1:1"
    ) >/dev/null 2>"$home/wsmon.err" &
    local client=$! files=() inode
    pids+=("$client")
    wait_for 10 test -s "$home/prom/x.prom"
    until [ ${#files[@]} -ge 100 ]; do
        inode=$(stat -c '%i %y' "$home/prom/x.prom")
        [[ ${files[*]: -1} == "$inode" ]] || files+=("$inode")
        scrape
        [ $SECONDS -lt 40 ] || fail "only ${#files[@]} files"
    done
    echo "${#files[@]} files scraped as another user, each without an error"
    kill "$client"
    wait "$client"
    scrape 'wsmon_up{server="web"} 0'
    ! grep -q wsmon_cpu_ratio "$home/metrics" || fail "samples after the end" metrics
    wsmon -q -n 1 -d 10 --textfile "$home/prom/x.prom" "web=127.0.0.1:${port[web]}" >/dev/null
    scrape 'wsmon_up{server="web"} 1'
    expect metrics '^wsmon_cpu_ratio.*server="web".* 0\.1'
}

# As a user who can read only what others may read.
start_node_exporter() {
    mkdir "$home/prom"
    port[exporter]=$(unused_port)
    background exporter setpriv --reuid=nobody --regid=nogroup --clear-groups prometheus-node-exporter \
        --collector.disable-defaults --collector.textfile --collector.textfile.directory="$home/prom" \
        --web.listen-address="127.0.0.1:${port[exporter]}"
    wait_for 10 curl -sf "http://127.0.0.1:${port[exporter]}/metrics"
}

# [LINE]: what node_exporter says; without an error, and with this line.
scrape() {
    curl -sf -m 5 "http://127.0.0.1:${port[exporter]}/metrics" >"$home/metrics" || fail "no answer" exporter.err
    grep -q '^node_textfile_scrape_error 0$' "$home/metrics" || fail "an error" exporter.err metrics
    grep -qF "${1:-wsmon_up}" "$home/metrics" || fail "no ${1:-wsmon_up}" metrics
}

limit[prometheus]=90
declare_check prometheus request prometheus prometheus-node-exporter jq
check_prometheus() {
    fleet
    start_node_exporter
    background wsmon wsmon -q --every 0.5 --textfile "$home/prom/wsmon.prom" "${servers[@]}" down=127.0.0.1:1
    recipe Prometheus /etc/prometheus/wsmon.rules.yml -e 's/for: .*/for: 1s/' >"$home/wsmon.rules.yml"
    # On the page a target is at 10.0.0.2 too.
    recipe Prometheus /etc/prometheus/prometheus.yml -e "s#10\.0\.0\.2:9100#127.0.0.1:${port[exporter]}#" \
        -e "s#/etc/prometheus#$home#" -e 's/scrape_interval: .*/scrape_interval: 1s\n  evaluation_interval: 1s/' \
        >"$home/prometheus.yml"
    promtool check rules "$home/wsmon.rules.yml"
    promtool check config "$home/prometheus.yml"
    start_prometheus prometheus
    query_is 'up' 1
    query_is 'wsmon_up{server="web"}' 1
    query_is 'wsmon_up{server="db"}' 1
    query_is 'wsmon_up{server="down"}' 0
    query_is 'count(wsmon_cpu_ratio)' 2
    query_is 'count(ALERTS{alertname="WsmonDown",alertstate="firing",server="down"})' 1
    query_is 'count(ALERTS{server!="down"}) or vector(0)' 0
    # A Prometheus above this one.
    recipe Federation /etc/prometheus/federation.yml -e "s#10\.0\.0\.3:9090#127.0.0.1:${port[prometheus]}#" \
        -e 's/scrape_interval: .*/scrape_interval: 1s/' >"$home/above.yml"
    promtool check config "$home/above.yml"
    start_prometheus above
    query_is 'count(wsmon_up{job="node",server=~"web|db|down"})' 3 above
    # A server goes: its samples with it, and the alert comes.
    kill "${pids[0]}"
    query_is 'count(wsmon_cpu_ratio{server="web"}) or vector(0)' 0
    query_is 'wsmon_up{server="web"}' 0
    query_is 'count(ALERTS{alertname="WsmonDown",alertstate="firing",server="web"})' 1
    query_is 'count(wsmon_cpu_ratio{server="db"})' 1
}

limit[listen]=90
declare_check listen request prometheus jq
check_listen() {
    fleet
    listen "${servers[@]}" down=127.0.0.1:1 -c up.sum=2:
    wait_for 10 curl -sf "$url/readyz"
    equal /readyz "$(curl -s "$url/readyz")" "2 of 3 servers up"
    curl -sf "$url/metrics" | promtool check metrics >"$home/promtool" 2>&1 || fail "promtool" promtool
    equal "promtool" "$(<"$home/promtool")" ""
    recipe Prometheus /etc/prometheus/wsmon.rules.yml -e 's/for: .*/for: 1s/' >"$home/wsmon.rules.yml"
    # The target is the client instead of node_exporter.
    recipe Prometheus /etc/prometheus/prometheus.yml -e "s#10\.0\.0\.2:9100#${url#http://}#" -e 's/: node/: wsmon/' \
        -e "s#/etc/prometheus#$home#" -e 's/scrape_interval: .*/scrape_interval: 1s\n  evaluation_interval: 1s/' \
        >"$home/scraper.yml"
    start_prometheus scraper
    query_is 'up{job="wsmon"}' 1 scraper
    query_is 'wsmon_up{server="web"}' 1 scraper
    query_is 'wsmon_up{server="db"}' 1 scraper
    query_is 'wsmon_up{server="down"}' 0 scraper
    query_is 'count(wsmon_cpu_ratio)' 2 scraper
    stop_server web
    local gone
    gone=$(date +%s)
    # Stale with the next scrape, not only after the five minutes that Prometheus looks back.
    query_is 'count(wsmon_cpu_ratio{server="web"}) or vector(0)' 0 scraper
    query_is 'wsmon_up{server="web"}' 0 scraper
    query_is "max(max_over_time(timestamp(wsmon_cpu_ratio{server=\"web\"})[1m:1s])) <= bool $gone + 2" 1 scraper
    query_is 'count(ALERTS{alertname="WsmonDown",alertstate="firing",server="web"})' 1 scraper
    query_is 'count(ALERTS{server="db"}) or vector(0)' 0 scraper
    query_is 'up' 1 scraper
    equal /readyz "$(curl -s -o /dev/null -w '%{http_code}' "$url/readyz")" 503
}

# The client with these arguments, at $url.
listen() {
    background wsmon wsmon --listen 0 "$@"
    wait_for 10 grep -q 'listening on' "$home/wsmon.err"
    url=$(grep -o 'http://[0-9.:]*' "$home/wsmon.err")
}

declare_check hostile_clients gate
check_hostile_clients() {
    serve web counted
    listen --ping-interval 0.5 "web=127.0.0.1:${port[web]}"
    local idle=() descriptor host=${url#http://}
    for _ in {1..20}; do
        exec {descriptor}<>"/dev/tcp/${host%:*}/${host#*:}"
        idle+=("$descriptor")
    done
    equal "beside 20 idle connections" "$(curl -s -m 1 "$url/healthz")" ok
    equal GARBAGE "$(raw 'GARBAGE\r\n\r\n' | sed -n 1p)" $'HTTP/1.1 400 Bad Request\r'
    equal "half a request" "$(raw 'GET /metrics HT')" ""
    equal "20 KB" "$(code -H "A: $(printf '%020480d' 0)")" 400
    equal POST "$(code -X POST)" 405
    equal HEAD "$(curl -s -I "$url/healthz" | tail -n 2 | tr -d '\r')" "Connection: close"
    # The server is asked for signs of life throughout, on the same connection.
    wait_for 20 pinged 10
    equal "connections" "$(grep -c ^accept "$home/web.log")" 1
    awk '$1 == "ping" { if (last && $3 - last > most) most = $3 - last; last = $3 }
        END { print "seconds between pings, at most: " most; exit most > 3 }' "$home/web.log" || fail "a ping is late" web.log
    for descriptor in "${idle[@]}"; do exec {descriptor}>&-; done
}

# NUMBER: the server has had so many pings.
pinged() {
    [ "$(grep -c ^ping "$home/web.log")" -ge "$1" ]
}

# TEXT: what comes back for it, when nothing follows.
raw() {
    python3 - "${url#http://}" "$1" <<'PY'
import socket, sys
host, port = sys.argv[1].split(":")
peer = socket.create_connection((host, int(port)), 5)
peer.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
peer.shutdown(socket.SHUT_WR)
while data := peer.recv(4096):
    sys.stdout.write(data.decode())
PY
}

# OPTION…: the status of a request that curl makes.
code() {
    curl -s -m 5 -o /dev/null -w '%{http_code}' "$@" "$url/metrics"
}

# NAME: with the configuration NAME.yml.
start_prometheus() {
    port[$1]=$(unused_port)
    background "$1" prometheus --config.file="$home/$1.yml" --storage.tsdb.path="$home/$1.data" \
        --web.listen-address="127.0.0.1:${port[$1]}"
    wait_for 20 curl -sf "http://127.0.0.1:${port[$1]}/-/ready"
}

# QUERY VALUE [NAME]: waits until the only result has this value.
query_is() {
    local begun=$SECONDS value
    until
        value=$(curl -s -m 5 --data-urlencode "query=$1" "http://127.0.0.1:${port[${3:-prometheus}]}/api/v1/query" |
            jq -r '[.data.result[].value[1]] | join(" ")')
        [ "$value" = "$2" ]
    do
        [ $((SECONDS - begun)) -lt 20 ] || fail "$1: '$value' instead of '$2'" prometheus.err wsmon.err
        sleep 0.2
    done
    echo "$1: $value ($((SECONDS - begun)) s)"
}
