# --check beside the plugins of the Monitoring Plugins, and within Nagios, NRPE and Icinga 2.

declare_check ranges gate libmonitoring-plugin-perl perl
check_ranges() {
    local values=(-6 -1 0 5 10 15 20 25 80 81) range value servers=() ours theirs
    serve asked asked
    for value in "${values[@]}"; do servers+=("v$value=127.0.0.1:${port[asked]}/$value"); done
    for range in 80 10: '~:10' 10:20 @10:20 :20 -10:-5 @-6:-1 1.5:20.5 5:5 '~:' @15: '@~:0'; do
        theirs=$(perl -MMonitoring::Plugin::Range -e '
            my $range = Monitoring::Plugin::Range->parse_range_string(shift) or die;
            print "v$_ ", ($range->check_range($_) ? "WARNING" : "OK"), "\n" for @ARGV;
        ' -- "$range" "${values[@]}" | sort)
        ours=$(wsmon --check -w "load1=$range" "${servers[@]}" | sed -n 's/^\(v[-0-9]* [A-Z]*\) -.*/\1/p' | sort || true)
        equal "$range" "$(grep -c WARNING <<<"$ours")" "$(grep -c WARNING <<<"$theirs")"
        [ "$ours" = "$theirs" ] || fail "$range: $(diff <(echo "$ours") <(echo "$theirs"))"
    done
    for range in 20:10 a -5; do
        status_is 3 wsmon --check -w "load1=$range" "${servers[@]}"
        perl -MMonitoring::Plugin::Range -e 'exit defined Monitoring::Plugin::Range->parse_range_string($ARGV[0])' \
            -- "$range" || [ "$range" = -5 ] || fail "only we refuse $range"
    done
}

declare_check perfdata gate libmonitoring-plugin-perl perl
check_perfdata() {
    serve odd odd
    serve web steady router-01 12.4
    # As the module that plugins and graphers share reads it: label, value, unit, thresholds.
    parsed odd -w load1=80 -c 'disk=~:-10,memory_used=1T:2T' "127.0.0.1:${port[odd]}"
    expect parsed '^cpu 1e-0?7 %'
    expect parsed '^load1 1e\+308 .* warn 80'
    expect parsed '^memory_used 1e\+21 B crit 1099511627776:2199023255552'
    expect parsed '^disk -5 % crit -10'
    equal "values" "$(wc -l <"$home/parsed")" 5
    # Servers without a label of their own.
    parsed two -w up.sum=2:,ping=1 "127.0.0.1:${port[web]}" "127.0.0.1:${port[odd]}"
    expect parsed "^127.0.0.1:${port[web]}::cpu 12.4 %"
    expect parsed '^up.sum 2'
    expect parsed "^127.0.0.1:${port[odd]}::ping 0.[0-9]+ s warn 1"
}

# NAME OPTION…: the performance data of a check, a line each, in the file parsed.
parsed() {
    local name=$1
    shift
    wsmon --check "$@" >"$home/$name" || true
    head -n 1 "$home/$name" | cut -d '|' -f 2- | perl -MMonitoring::Plugin::Performance=use_die,1 -ne '
        my @parsed = Monitoring::Plugin::Performance->parse_perfstring($_);
        my $labels = () = /\x27=/g;
        die "$labels labels, @{[scalar @parsed]} parsed: $_" if $labels != @parsed;
        for my $each (@parsed) {
            print join " ", $each->label, $each->value, $each->uom // "";
            print " warn ", $each->warning if length($each->warning // "");
            print " crit ", $each->critical if length($each->critical // "");
            print "\n";
        }
    ' >"$home/parsed" || fail "$name: not understood" "$name" parsed
}

declare_check statuses gate monitoring-plugins-basic
check_statuses() {
    local plugins=/usr/lib/nagios/plugins closed=127.0.0.1:1
    serve silent silent
    serve close close
    serve web steady router-01 12.4
    both 2 "refused" "--check $closed" "check_tcp -H 127.0.0.1 -p 1" "check_http -H 127.0.0.1 -p 1" \
        "check_ssh -p 1 127.0.0.1"
    both 2 "a name that is not known" "--check nowhere.invalid" "check_tcp -H nowhere.invalid -p 1" \
        "check_http -H nowhere.invalid"
    both 2 "a port that says nothing" "--check -t 2 127.0.0.1:${port[silent]}" \
        "check_tcp -H 127.0.0.1 -p ${port[silent]} -t 2 -e x" "check_http -H 127.0.0.1 -p ${port[silent]} -t 2" \
        "check_ssh -t 2 -p ${port[silent]} 127.0.0.1"
    both 2 "closed at once" "--check 127.0.0.1:${port[close]}" "check_tcp -H 127.0.0.1 -p ${port[close]} -e x" \
        "check_http -H 127.0.0.1 -p ${port[close]}" "check_ssh -p ${port[close]} 127.0.0.1"
    both 3 "a bad option" "--check --nonsense" "check_tcp --nonsense" "check_http --nonsense" "check_ssh --nonsense"
    both 3 "a bad range" "--check -w 20:10 $closed" "check_load -w x -c y"
    # Without a port check_tcp cannot know what to try; there is a default here.
    both 2 "no option" "--check --uri 127.0.0.1:1" "check_tcp -H 127.0.0.1 -p 1"
    both 0 "all is well" "--check 127.0.0.1:${port[web]}" "check_tcp -H 127.0.0.1 -p ${port[web]}"
    both 1 "a warning" "--check -w cpu=1 127.0.0.1:${port[web]}" "check_dummy 1"
    both 2 "a critical value" "--check -c cpu=1 127.0.0.1:${port[web]}" "check_dummy 2"
    both 3 "a value that no sample has" "--check -t 2 -w gpu=1 127.0.0.1:${port[web]}" "check_dummy 3"
}

# STATUS FAULT OURS PLUGIN…: the status of each; ours has one line on stdout and nothing on stderr.
both() {
    local expected=$1 fault=$2 ours=$3 plugin
    shift 3
    # shellcheck disable=SC2086
    status_is "$expected" wsmon $ours
    echo "$fault: $(<"$home/out")"
    equal "lines" "$(wc -l <"$home/out")" 1
    [ ! -s "$home/err" ] || fail "$fault: something on stderr" err
    grep -qE '^WSMON (OK|WARNING|CRITICAL|UNKNOWN) - .' "$home/out" || fail "$fault: not the form of a plugin" out
    for plugin; do
        # shellcheck disable=SC2086
        status_is "$expected" $plugins/$plugin
        echo "  ${plugin%% *}: $(head -n 1 "$home/out" | cut -c 1-100)"
    done
}

declare_check nrpe gate nagios-nrpe-server nagios-nrpe-plugin
check_nrpe() {
    fleet
    port[nrpe]=$(unused_port)
    mkdir "$home/run"
    chown nagios: "$home/run"
    # The mean of a second instead of ten.
    recipe NRPE /etc/nagios/nrpe.d/wsmon.cfg -e 's/--every 10/--every 1/' >"$home/wsmon.cfg"
    cat >"$home/nrpe.cfg" <<NRPE
server_address=127.0.0.1
server_port=${port[nrpe]}
nrpe_user=nagios
nrpe_group=nagios
allowed_hosts=127.0.0.1
pid_file=$home/run/nrpe.pid
include=$home/wsmon.cfg
NRPE
    background nrpe nrpe -n -f -c "$home/nrpe.cfg"
    local ask
    ask=$(recipe NRPE 1 -e "s/-H agent.example.com/-n -H 127.0.0.1 -p ${port[nrpe]}/")
    wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/${port[nrpe]}"
    status_is 0 sh -c "$ask"
    cat "$home/out"
    # One for all, one for each server, and one for the rule over all servers.
    equal "lines" "$(wc -l <"$home/out")" 5
    expect out "^WSMON OK - .* \\| .*'web::cpu'=[0-9.]+%;80;;0;100 .*'db::cpu'=5"
    expect out '^spare [A-Z]* - connect to 127.0.0.1:1: connection refused$'
    status_is 0 sh -c "${ask/fleet/mean}"
    expect out "^WSMON OK - cpu 1[0-9]\.[0-9]%.* \\| 'cpu'=1[0-9.]+%;;90;0;100 "
    status_is 0 sh -c "${ask/fleet/wsmon}"
    expect out "^WSMON OK - cpu .* \\| 'cpu'=[0-9.]+%;80;90;0;100 "
}

declare_check monit gate monit
check_monit() {
    serve web steady router-01 12.4 13
    printf '%s\n' 'set daemon 1' "set log $home/monit.log" "set pidfile $home/monit.pid" "set idfile $home/monit.id" \
        "set statefile $home/monit.state" >"$home/monitrc"
    recipe Monit /etc/monit/conf.d/wsmon >>"$home/monitrc"
    chmod 600 "$home/monitrc"
    status_is 0 monit -t -c "$home/monitrc"
    background monit monit -I -v -c "$home/monitrc"
    expect monit.log "'web' status succeeded \(0\) -- WSMON OK - cpu 1[0-9.]+%, disk 28.5%" 20
    kill "${pids[0]}"
    expect monit.log "'web' status failed \(2\) -- WSMON CRITICAL - connect to .*: connection refused" 20
}

limit[nagios]=90
declare_check nagios request nagios4-core nagios4-common
check_nagios() {
    fleet
    mkdir "$home/objects" "$home/spool" "$home/archives"
    cp /etc/nagios4/objects/{templates,timeperiods,contacts,commands}.cfg "$home/objects"
    # Once each second or two, instead of after minutes.
    recipe Nagios /etc/nagios4/conf.d/wsmon.cfg -e 's/\(use .*generic-service\)/\1\n    check_interval 1/' \
        -e 's/\(use .*generic-host\)/\1\n    check_interval 1\n    check_period 24x7/' >"$home/objects/wsmon.cfg"
    cat >"$home/nagios.cfg" <<NAGIOS
cfg_dir=$home/objects
interval_length=2
check_workers=1
log_file=$home/nagios.log
status_file=$home/status.dat
status_update_interval=1
object_cache_file=$home/objects.cache
precached_object_file=$home/objects.precache
state_retention_file=$home/retention.dat
lock_file=$home/nagios.lock
temp_file=$home/nagios.tmp
temp_path=$home
command_file=$home/nagios.cmd
query_socket=$home/nagios.qh
check_result_path=$home/spool
log_archive_path=$home/archives
nagios_user=nagios
nagios_group=nagios
illegal_macro_output_chars=\`~\$&|'"<>
max_service_check_spread=1
max_host_check_spread=1
NAGIOS
    chown -R nagios: "$home"
    nagios4 -v "$home/nagios.cfg" >"$home/verify" || fail "the configuration" verify
    background nagios setpriv --reuid=nagios --regid=nagios --init-groups nagios4 "$home/nagios.cfg"
    expect status.dat 'plugin_output=WSMON OK - cpu' 40
    wait_for 20 bash -c "grep -A60 '^servicestatus' '$home/status.dat' | grep -q 'plugin_output=WSMON OK'"
    sed -n '/^servicestatus/,/}/p' "$home/status.dat" >"$home/service"
    expect service 'current_state=0'
    expect service "performance_data='cpu'=[0-9.]+%;80;95;0;100 'memory'=38.1%;85;;0;100 'disk'=28.5%;;95;0;100 'load1'=0.52;;;0"
    # And a server that goes down.
    kill "${pids[0]}"
    wait_for 40 bash -c "sed -n '/^servicestatus/,/}/p' '$home/status.dat' | grep -q 'current_state=2'"
    sed -n '/^servicestatus/,/}/p' "$home/status.dat" >"$home/service"
    expect service 'plugin_output=WSMON CRITICAL - .*connection refused'
}

limit[icinga]=120
declare_check icinga request icinga2-bin icinga2-common influxdb jq
check_icinga() {
    fleet
    start_influxd
    mkdir -p "$home"/{conf.d,log,cache,run,spool/perfdata,data,lib}
    recipe "Icinga 2" /etc/icinga2/conf.d/wsmon.conf \
        -e 's/address = "10.0.0.2"/address = "127.0.0.1:'"${port[web]}"'"/' \
        -e 's/check_interval = 1m/check_interval = 2s/' >"$home/conf.d/wsmon.conf"
    cat >"$home/icinga2.conf" <<ICINGA
const NodeName = "consumers"
const ZoneName = NodeName
object Endpoint NodeName { }
object Zone ZoneName { endpoints = [ NodeName ] }
include <itl>
object CheckerComponent "checker" { }
object FileLogger "log" { severity = "information", path = "$home/log/icinga2.log" }
object PerfdataWriter "perfdata" {
  host_perfdata_path = "$home/spool/perfdata/host"
  service_perfdata_path = "$home/spool/perfdata/service"
  host_temp_path = "$home/spool/host"
  service_temp_path = "$home/spool/service"
  rotation_interval = 3s
}
object InfluxdbWriter "influxdb" {
  host = "127.0.0.1"
  port = ${port[influxd]}
  database = "consumers"
  flush_interval = 1s
  enable_send_thresholds = true
  enable_send_metadata = false
  host_template = { measurement = "\$host.check_command\$", tags = { hostname = "\$host.name\$" } }
  service_template = {
    measurement = "\$service.check_command\$", tags = { hostname = "\$host.name\$", service = "\$service.name\$" }
  }
}
include "$home/conf.d/*.conf"
ICINGA
    chown -R nagios: "$home"
    local options=(-c "$home/icinga2.conf" -D "DataDir=$home/data" -D "LogDir=$home/log" -D "CacheDir=$home/cache" \
        -D "SpoolDir=$home/spool" -D "InitRunDir=$home/run" -D "ConfigDir=$home")
    background icinga icinga2 daemon "${options[@]}"
    wait_for 60 bash -c "grep -hq 'SERVICEPERFDATA' '$home'/spool/perfdata/service*"
    cat "$home"/spool/perfdata/service* >"$home/perfdata"
    expect perfdata 'SERVICEPERFDATA::cpu=[0-9.]+%;80;95;0;100 memory=38.1%;85;;0;100 disk=28.5%;;95;0;100 load1=0.52;;;0'
    expect perfdata 'SERVICESTATE::OK'
    wait_for 40 bash -c "grep -hq 'HOSTPERFDATA.*HOSTSTATE::UP' '$home'/spool/perfdata/host*"
    influx_is "SELECT count(value) FROM wsmon WHERE metric = 'cpu' AND service = 'wsmon'" '^[1-9]'
    influx_is "SELECT last(value), unit, min, max, warn, crit FROM wsmon WHERE metric = 'cpu' AND service = 'wsmon'" \
        '^1[234].* percent 0 100 80 95$'
    influx_is "SELECT last(value), min FROM wsmon WHERE metric = 'load1' AND service = 'wsmon'" '^0.52 0$'
    influx_is "SELECT last(value), unit FROM wsmon WHERE metric = 'memory' AND service = 'wsmon'" '^38.1 percent$'
    # Each value of a check is there once.
    influx_is "SELECT count(value) FROM wsmon WHERE service = 'wsmon' GROUP BY metric" '^([0-9]+)( \1){3}$'
    equal "warnings" "$(grep -c -i warning "$home/log/icinga2.log" || true)" 0
}
