# What stores samples: InfluxDB, SQLite, spreadsheets, RRDtool.

start_influxd() {
    port[influxd]=$(unused_port) port[influxd_rpc]=$(unused_port)
    cat >"$home/influxd.conf" <<INFLUXD
reporting-disabled = true
bind-address = "127.0.0.1:${port[influxd_rpc]}"
[meta]
  dir = "$home/influx.data/meta"
[data]
  dir = "$home/influx.data/data"
  wal-dir = "$home/influx.data/wal"
[http]
  bind-address = "127.0.0.1:${port[influxd]}"
INFLUXD
    background influxd influxd run -config "$home/influxd.conf"
    wait_for 30 curl -sf "http://127.0.0.1:${port[influxd]}/ping"
    curl -s -m 5 --data-urlencode 'q=CREATE DATABASE consumers' "http://127.0.0.1:${port[influxd]}/query" >/dev/null
}

# QUERY PATTERN: waits until the values of all series, without the times, are like this.
influx_is() {
    local begun=$SECONDS values
    until
        values=$(curl -s -m 5 -G --data-urlencode "q=$1" "http://127.0.0.1:${port[influxd]}/query?db=consumers" |
            jq -r '[.results[].series[]?.values[][1:][]] | join(" ")')
        [[ $values =~ $2 ]] || grep -qE -- "$2" <<<"$values"
    do
        [ $((SECONDS - begun)) -lt 20 ] || fail "$1: '$values' is not like $2" influxd.err
        sleep 0.3
    done
    echo "$1: $values"
}

# FORMAT: files NAME.FORMAT, of each dialect's recording and of hostile servers.
recorded_lines() {
    local format=$1 name clients=()
    local names=(monitoring sysmedic fastpluggy pmdaemon neurograph)
    start_server monitoring replay "$recordings/monitoring/alerts_memory_disk.jsonl"
    start_server sysmedic replay "$recordings/sysmedic/daemon_users_alerts_TZ.jsonl"
    start_server fastpluggy replay "$recordings/fastpluggy/task_messages.jsonl"
    start_server pmdaemon replay "$recordings/pmdaemon/rest_actions.jsonl"
    start_server neurograph replay "$recordings/neurograph/shim_jwt_admin_all_channels.jsonl"
    start_server hostile hostile
    start_server hostile_processes hostile_processes
    start_server odd odd
    for name in "${names[@]}" hostile hostile_processes odd; do wait_for_server "$name"; done
    for name in "${names[@]}"; do
        wsmon -q -f "$format" -d 2 --dialect "$name" "$name=127.0.0.1:${port[$name]}" >"$home/$name.$format" &
        clients+=($!)
    done
    wsmon -q -f "$format" -d 2 -w cpu=1 "127.0.0.1:${port[hostile]}" "p=pmdaemon://127.0.0.1:${port[hostile_processes]}" \
        "odd=127.0.0.1:${port[odd]}" >"$home/hostile.$format" 2>"$home/hostile.err" &
    # Those that send no sample have nothing to write, and the servers go on.
    wait "${clients[@]}" $! || true
    for name in monitoring pmdaemon hostile; do [ -s "$home/$name.$format" ] || fail "nothing of $name"; done
}

declare_check line_protocol gate pip:line-protocol-parser
check_line_protocol() {
    recorded_lines influx
    "$venv/bin/python" - "$home"/*.influx <<'PY'
import sys
from line_protocol_parser import parse_line
for path in sys.argv[1:]:
    lines = open(path, newline="\n").read().split("\n")
    assert lines.pop() == "", path
    points = [parse_line(line) for line in lines]
    for point in points:
        assert point["fields"] and point["time"] > 1700000000 * 10**9, point
        assert not any(isinstance(value, int) for value in point["fields"].values()), point
        assert point["tags"] and all(point["tags"].values()), point
    print(path.split("/")[-1], len(points), sorted({point["measurement"] for point in points}))
PY
}

limit[influxdb]=90
declare_check influxdb request influxdb jq
check_influxdb() {
    recorded_lines influx
    start_influxd
    local file answer
    for file in "$home"/*.influx; do
        [ -s "$file" ] || continue
        answer=$(curl -s -m 10 -o "$home/answer" -w '%{http_code}' --data-binary "@$file" \
            "http://127.0.0.1:${port[influxd]}/write?db=consumers")
        equal "${file##*/}, $(wc -l <"$file") lines" "$answer" 204
    done
    influx_is 'SELECT count(cpu) FROM wsmon' '[1-9]'
    influx_is "SELECT last(memory) FROM wsmon WHERE server = 'monitoring'" '^[0-9.]+$'
    influx_is "SELECT count(state) FROM wsmon_process WHERE server = 'pmdaemon'" '[1-9]'
    influx_is "SELECT last(message) FROM wsmon_alert WHERE server = 'monitoring'" '.'
    influx_is "SELECT last(memory_used), disk, load1, load5, load15 FROM wsmon WHERE server = 'odd'" '^1e\+21 -5 1e\+308 0 2.5e-300$'
    influx_is "SELECT last(level) FROM wsmon_alert WHERE component = 'cpu'" '^(WARNING|OK)$'
    # A stream, and the command of the page.
    serve web steady router-01 12.4
    serve db steady db-01 50
    local command
    command=$(recipe InfluxDB 1 -e "s#influxdb.example.com:8086/write?db=wsmon#127.0.0.1:${port[influxd]}/write?db=consumers#")
    status_is 0 bash -o pipefail -c "$command"
    influx_is "SELECT last(cpu) FROM wsmon WHERE server = 'web'" '^12.4$'
    influx_is "SELECT last(cpu) FROM wsmon WHERE server = 'db'" '^50$'
}

declare_check csv gate sqlite3 gnuplot-nox
check_csv() {
    recorded_lines csv
    local file rows
    for file in "$home"/*.csv; do
        rows=$(python3 - "$file" <<'PY'
import csv, datetime, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
for row in rows:
    assert None not in row and None not in row.values(), row
    datetime.datetime.fromisoformat(row["received_at"])
    assert all(value == "" or float(value) == float(value) for name, value in list(row.items())[3:]), row
print(len(rows))
PY
        ) || fail "${file##*/}" "${file##*/}"
        equal "${file##*/}" "$(sqlite3 :memory: ".import --csv $file t" 'SELECT count(*) FROM t' 2>/dev/null || echo 0)" "$rows"
    done
    # Cron's way, and what the page does with the file.
    fleet
    for _ in 1 2; do wsmon -q -f csv -n 2 -d 10 "${servers[@]}" >>"$home/samples.csv"; done
    equal "headers" "$(grep -c '^received_at,' "$home/samples.csv")" 1
    equal "rows" "$(wc -l <"$home/samples.csv")" 9
    equal "types" "$(sqlite3 :memory: 'CREATE TABLE t(cpu REAL)' \
        ".import --csv --skip 1 '|cut -d, -f4 $home/samples.csv' t" 'SELECT DISTINCT typeof(cpu) FROM t')" real
    status_is 0 sh -c "$(recipe SQLite 3)"
    expect out '^db\|4\|50.75\|51.5$'
    expect out '^web\|4\|12.7\|13$'
    status_is 0 sh -c "$(recipe gnuplot 1)"
    expect out '[*][*].*[|]'
    [ ! -s "$home/err" ] || fail "complaints" err
}

declare_check saved gate curl
check_saved() {
    local format clients=()
    fleet
    start_server pmdaemon replay "$recordings/pmdaemon/rest_actions.jsonl"
    start_server hostile hostile
    start_server odd odd
    for name in pmdaemon hostile odd; do wait_for_server "$name"; done
    servers+=("pm=pmdaemon://127.0.0.1:${port[pmdaemon]}" "h=127.0.0.1:${port[hostile]}" "odd=127.0.0.1:${port[odd]}")
    # What was printed and what is read back are the same bytes.
    for format in simple compact events jsonl csv influx; do
        wsmon -q -d 3 -f "$format" --save-data "$home/$format.saved" --rotate-size 8K --rotate-keep 99 \
            "${servers[@]}" >"$home/$format.live" 2>"$home/$format.err" &
        clients+=($!)
    done
    wait "${clients[@]}"
    for format in simple compact events jsonl csv influx; do
        local files=()
        while IFS= read -r file; do files+=(--read "$file"); done < <(ls -rv "$home/$format".saved*)
        wsmon -q "${files[@]}" -f "$format" >"$home/$format.read"
        cmp "$home/$format.live" "$home/$format.read" || fail "$format: not what was printed"
        equal "$format, $((${#files[@]} / 2)) files" "$(wc -l <"$home/$format.read")" "$(wc -l <"$home/$format.live")"
    done
    # The commands of the page, with a file that is compressed.
    wsmon -q -d 2 --save-data "$home/samples.jsonl" "${servers[@]}" >/dev/null
    head -n 3 "$home/samples.jsonl" | gzip >"$home/samples.jsonl.2.gz"
    sed -n 4,6p "$home/samples.jsonl" >"$home/samples.jsonl.1"
    sed -i 1,6d "$home/samples.jsonl"
    status_is 0 bash -o pipefail -c "$(recipe 'Saved data' 1)"
    equal "headers" "$(grep -c ^received_at, "$home/samples.csv")" 1
    expect samples.csv '^[^,]*Z,web,router-01,12.4,'
    sink posted http
    status_is 0 bash -o pipefail -c "$(recipe 'Saved data' 2 -e "s#influxdb.example.com:8086#127.0.0.1:${port[posted]}#")"
    expect posted '^wsmon,host=router-01,server=web cpu=1[234].*cpu_max=1[34]'
}

declare_check means gate sqlite3 pip:line-protocol-parser
check_means() {
    serve web fast router-01 0 10 20 30 40 50 60 70 80 90
    wsmon -q -f csv --every 1 --average -n 2 -d 10 "web=127.0.0.1:${port[web]}" >"$home/means.csv"
    sqlite3 :memory: ".import --csv $home/means.csv t" \
        'SELECT cpu + 0 BETWEEN 35 AND 55, samples + 0 BETWEEN 10 AND 22, cpu_min, cpu_max, memory_min FROM t' >"$home/out"
    equal "means in csv" "$(sort -u "$home/out")" "1|1|0|90|38.1"
    wsmon -q -f influx --every 1 --average -n 2 -d 10 "web=127.0.0.1:${port[web]}" >"$home/means.influx"
    "$venv/bin/python" - "$home/means.influx" <<'PY'
import sys
from line_protocol_parser import parse_line
for line in open(sys.argv[1]):
    fields = parse_line(line)["fields"]
    print(fields["cpu"], fields["samples"], fields["cpu_min"], fields["cpu_max"])
    assert 35 < fields["cpu"] < 55 and fields["cpu_min"] == 0 and fields["cpu_max"] == 90
PY
}

declare_check sqlite gate sqlite3
check_sqlite() {
    fleet
    status_is 0 sh -c "$(recipe SQLite 1)"
    # For two seconds; the table is read meanwhile.
    background live bash -o pipefail -c "$(recipe SQLite 2 -e 's/wsmon -q/wsmon -q -d 3/')"
    wait_for 10 bash -c "[ \$(sqlite3 -cmd '.timeout 1000' $home/samples.db 'SELECT count(*) FROM samples') -ge 3 ]"
    wait "$pid"
    equal "values" "$(sqlite3 "$home/samples.db" 'SELECT DISTINCT server, cpu, memory, disk, typeof(cpu) FROM samples ORDER BY cpu LIMIT 1')" \
        "web|12.4|38.1|28.5|real"
    equal "times" "$(sqlite3 "$home/samples.db" "SELECT count(*) FROM samples WHERE datetime(received_at) < datetime('now', '-1 hours')")" 0
}

declare_check rrdtool gate rrdtool
check_rrdtool() {
    fleet
    status_is 0 sh -c "$(recipe RRDtool 1 -e 's/--step 10/--step 1/')"
    status_is 0 bash -o pipefail -c "$(recipe RRDtool 2 -e 's/--every 10/--every 1 -d 4.5/')"
    [ ! -s "$home/err" ] || fail "complaints" err
    rrdtool lastupdate "$home/web.rrd" | tee "$home/last"
    expect last '^[0-9]{10}: 1[234](\.[0-9]+)? 38\.1$'
}
