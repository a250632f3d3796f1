# Programs at the other end of a pipe: Zabbix, collectd, MQTT, Graphite, StatsD.

declare_check zabbix gate zabbix-agent
check_zabbix() {
    fleet
    sink values zabbix
    status_is 0 bash -o pipefail -c "$(recipe Zabbix 1 -e 's/--every 10/-d 1.8/' \
        -e "s/-z zabbix.example.com/-z 127.0.0.1 -p ${port[values]}/")"
    expect out 'skipped: 0; total'
    [[ $(<"$home/out") != *"failed: "[1-9]* ]] || fail "some failed" out
    expect values '"host": "web", "key": "wsmon.cpu", "value": "1[234]'
    expect values '"host": "db", "key": "wsmon.cpu", "value": "5[01]'
    # No server has a GPU, and the times are those of the samples.
    equal "values of a GPU" "$(grep -c gpu "$home/values" || true)" 0
    equal "values without a time" "$(grep -vc '"clock": 1[0-9]*' "$home/values" || true)" 0
    # The agent, asked for one value.
    recipe Zabbix /etc/zabbix/zabbix_agentd.d/wsmon.conf >"$home/wsmon.conf"
    printf '%s\n' Server=127.0.0.1 Hostname=consumers AllowRoot=1 "PidFile=$home/pid" "LogFile=$home/agent.log" \
        "Include=$home/wsmon.conf" >"$home/agentd.conf"
    status_is 0 zabbix_agentd -c "$home/agentd.conf" -t "wsmon[127.0.0.1:${port[web]},load1]"
    expect out '\[t\|0.52\]'
    status_is 0 zabbix_agentd -c "$home/agentd.conf" -t "wsmon[127.0.0.1:${port[db]},memory_total]"
    expect out '\[t\|16546185216\]'
}

declare_check collectd gate collectd-core
check_collectd() {
    fleet
    # As a user of this machine that is not root, once a second.
    recipe collectd /etc/collectd/collectd.conf.d/wsmon.conf -e 's/"--every" "10"/"--every" "1"/' \
        -e 's/interval=10/interval=1/g' >"$home/wsmon.conf"
    chmod 755 "$home"
    cat >"$home/collectd.conf" <<COLLECTD
BaseDir "$home"
PIDFile "$home/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "$home/collectd.log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "$home/data"
</Plugin>
Include "$home/wsmon.conf"
COLLECTD
    background collectd collectd -f -C "$home/collectd.conf"
    wait_for 20 bash -c "cat '$home'/data/web/wsmon/load-* | grep -q '0.52'"
    wait_for 10 bash -c "cat '$home'/data/web/wsmon/percent-cpu-* | grep -qE ',1[234]'"
    ls "$home/data/web/wsmon"
    tail -n 1 "$home"/data/web/wsmon/*
    [ -z "$(find "$home/data" -name '*gpu*')" ] || fail "a GPU"
    kill "$pid"
    wait "$pid" || true
    wait_for 5 bash -c "! pgrep -f '[t]emplate PUTVAL.*127.0.0.1:${port[web]}'"
    ! grep -iE 'error|warn' "$home/collectd.log" || fail "complaints" collectd.log
}

declare_check mqtt gate mosquitto mosquitto-clients
check_mqtt() {
    fleet
    port[mqtt]=$(unused_port)
    printf '%s\n' "listener ${port[mqtt]} 127.0.0.1" 'allow_anonymous true' >"$home/mosquitto.conf"
    background mosquitto mosquitto -c "$home/mosquitto.conf"
    wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/${port[mqtt]}"
    background topics mosquitto_sub -h 127.0.0.1 -p "${port[mqtt]}" -t 'wsmon/#' -v
    sleep 0.5
    for number in 1 2; do
        status_is 0 bash -o pipefail -c "$(recipe MQTT $number -e 's/wsmon -q/wsmon -q -n 2 -d 10/' \
            -e "s/-h mqtt.example.com/-h 127.0.0.1 -p ${port[mqtt]}/")"
    done
    expect topics '^wsmon/web/cpu 12.4$'
    expect topics '^wsmon/web \{"received_at":.*"kind":"sample","cpu":12.4,.*\}$'
}

declare_check graphite gate netcat-openbsd collectd-core
check_graphite() {
    fleet
    sink carbon tcp
    # Of StatsD's servers Debian has collectd.
    port[statsd]=$(unused_port)
    cat >"$home/collectd.conf" <<COLLECTD
BaseDir "$home"
PIDFile "$home/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin statsd
<Plugin statsd>
  Host "127.0.0.1"
  Port "${port[statsd]}"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "$home/data"
</Plugin>
COLLECTD
    background collectd collectd -f -C "$home/collectd.conf"
    wait_for 10 bash -c "grep -q :$(printf %04X "${port[statsd]}") /proc/net/udp"
    background one bash -c "$(to_carbon "${port[carbon]}")"
    background two bash -c "$(recipe 'Graphite and StatsD' 2 -e 's/--every 10/-d 4/' \
        -e "s/nc -u statsd.example.com 8125/nc -u -w 1 127.0.0.1 ${port[statsd]}/")"
    expect carbon '^wsmon\.web\.cpu 1[234](\.[0-9]+)? [0-9]{10}$'
    expect carbon '^wsmon\.web\.load 0\.52 [0-9]{10}$'
    equal "other lines" "$(grep -vcE '^wsmon\.web\.(cpu|load) [0-9.]+ [0-9]{10}$' "$home/carbon" || true)" 0
    wait_for 10 bash -c "cat $home/data/*/statsd/gauge-wsmon.web.cpu-* | grep -E ',1[234][.]'"
    tail -qn 1 "$home"/data/*/statsd/gauge-wsmon.web.cpu-*
}

# PORT: the command of the page for Graphite, for two seconds.
to_carbon() {
    recipe 'Graphite and StatsD' 1 -e 's/--every 10/-d 2/' -e "s/nc graphite.example.com 2003/nc -N 127.0.0.1 $1/"
}

declare_check carbon request netcat-openbsd graphite-carbon
check_carbon() {
    fleet
    port[carbon]=$(unused_port) port[pickle]=$(unused_port) port[query]=$(unused_port)
    mkdir "$home/whisper" "$home/log"
    cat >"$home/carbon.conf" <<CARBON
[cache]
STORAGE_DIR = $home
CONF_DIR = $home
LOG_DIR = $home/log
PID_DIR = $home
LOCAL_DATA_DIR = $home/whisper
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = ${port[carbon]}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = ${port[pickle]}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = ${port[query]}
CARBON
    printf '%s\n' '[all]' 'pattern = .*' 'retentions = 1s:1h' >"$home/storage-schemas.conf"
    background carbon-cache carbon-cache --config="$home/carbon.conf" --nodaemon start
    wait_for 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/${port[carbon]}"
    background one bash -c "$(to_carbon "${port[carbon]}")"
    wait_for 20 test -s "$home/whisper/wsmon/web/cpu.wsp"
    wait_for 20 test -s "$home/whisper/wsmon/web/load.wsp"
    local from=$(($(date +%s) - 60))
    wait_for 20 bash -c "whisper-fetch --from=$from '$home/whisper/wsmon/web/cpu.wsp' | grep -E '\s1[234][.]'"
    whisper-fetch --from="$from" "$home/whisper/wsmon/web/cpu.wsp" | grep -v None | tee "$home/points"
    [ $(($(date +%s) - $(tail -n 1 "$home/points" | cut -f 1))) -le 15 ] || fail "another time" points
    ! grep -rqi invalid "$home/log" "$home/carbon-cache" || fail "complaints" carbon-cache
}
