# What starts the program: cron, systemd, procd, containers; shells and fleets.

declare_check cron gate moreutils util-linux
check_cron() {
    fleet
    # The words after the times are the user and the command, in which cron has a meaning for percent signs only.
    recipe Cron /etc/cron.d/wsmon | grep '^[*]' | cut -d ' ' -f 7- >"$home/jobs"
    ! grep -q % "$home/jobs" || fail "a percent sign" jobs
    for _ in 1 2; do
        while IFS= read -r job; do
            status_is 0 sh -c "$job"
            [ ! -s "$home/out" ] && [ ! -s "$home/err" ] || fail "mail from: $job" out err
        done <"$home/jobs"
    done
    equal "lines of csv" "$(wc -l <"$home/samples.csv")" 3
    expect wsmon.prom '^wsmon_up\{server="db"\} 1$'
    # A server goes, and each job has something to mail.
    kill "${pids[0]}"
    wait "${pids[0]}" || true
    while IFS= read -r job; do
        # Not for as long as in a crontab.
        sh -c "${job/-d 20/-d 3}" >"$home/out" 2>&1 || true
        expect out 'connect to .*connection refused'
    done <"$home/jobs"
    expect wsmon.prom '^wsmon_up\{server="web"\} 0$'
    # No second run at a time.
    flock "$home/wsmon" sleep 2 &
    sleep 0.3
    status_is 1 sh -c "$(sed -n 2p "$home/jobs")"
}

declare_check systemd gate systemd
check_systemd() {
    fleet
    local unit command
    for unit in wsmon.service wsmon-sample.service wsmon-sample.timer; do
        recipe systemd "/etc/systemd/system/$unit" >"$home/$unit"
    done
    status_is 0 systemd-analyze verify --man=no "$home"/wsmon.service "$home"/wsmon-sample.{service,timer}
    # Units of other packages are read as well.
    ! grep -F wsmon "$home/err" || fail "complaints"
    # Continued lines and variables are like the shell's, here.
    sample=$(command_of wsmon-sample.service)
    status_is 0 sh -c "$sample"
    expect wsmon.prom '^wsmon_up\{server="web"\} 1$'
    # The service is ready while no server is up, and then says how many are; its watchdog hears of it.
    export STATE_DIRECTORY=$home/state NOTIFY_SOCKET=$home/told.sock WATCHDOG_USEC=1000000
    mkdir "$STATE_DIRECTORY"
    background told.log python3 "$helpers/sink.py" "$home/told" notify
    wait_for 10 test -S "$NOTIFY_SOCKET"
    port[listen]=$(unused_port)
    stop_server web
    stop_server db
    sed -i -e "s#/etc/wsmon#$home#" -e "s/127.0.0.1:9109/127.0.0.1:${port[listen]}/" "$home/wsmon.service"
    recipe systemd /etc/wsmon/servers >"$home/servers"
    WSMON_OPTIONS='--reconnect-interval 1' background service sh -c "exec $(command_of wsmon.service)"
    local service=$pid url=http://127.0.0.1:${port[listen]}
    expect told '^STATUS=0 of 2 servers up$'
    equal "before" "$(sed 1q "$home/told")" READY=1
    expect told '^WATCHDOG=1$'
    serve web steady router-01 12.4
    serve db steady db-01 50
    expect told '^STATUS=2 of 2 servers up$'
    wait_for 20 bash -c "curl -s $url/metrics | grep -x 'wsmon_up{server=\"db\"} 1'"
    wait_for 10 test -s "$home/state/samples.jsonl"
    # What ExecReload does, after a rotation by somebody else, and with another server in the file.
    mv "$home/state/samples.jsonl" "$home/state/old"
    echo "more=127.0.0.1:${port[web]}" >>"$home/servers"
    kill -HUP "$service"
    expect told '^RELOADING=1$'
    expect told '^STATUS=3 of 3 servers up$'
    wait_for 15 test -s "$home/state/samples.jsonl"
    kill "$service"
    wait "$service" || fail "status $?" service.err
    expect told '^STOPPING=1$'
    echo "NOT RUN by systemd: its units were verified, and the commands run with a socket in its place"
}

# UNIT: the command of its ExecStart.
command_of() {
    sed -e ':a' -e '/\\$/{N;s/\\\n *//;ta' -e '}' "$home/$1" | sed -n 's/^ExecStart=//p'
}

declare_check openwrt gate busybox-static
check_openwrt() {
    fleet
    local files=(-e "s#/var/prometheus#$home/prometheus#g" -e "s#/tmp/wsmon#$home/data#g" -e "s#/etc/wsmon#$home#g")
    recipe OpenWrt /etc/init.d/wsmon "${files[@]}" >"$home/wsmon.init"
    recipe OpenWrt /etc/wsmon/servers "${files[@]}" >"$home/servers"
    echo secret >"$home/db.token"
    # Stand-ins for procd's functions: they print what they are given, and the command is run.
    cat >"$home/rc.common" <<'RC'
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() { echo "$*"; [ "$1" != command ] || { shift; start="$*"; }; }
. "$1"
start_service
echo "$START $USE_PROCD"
exec $start -d 1 >/dev/null
RC
    status_is 0 busybox sh "$home/rc.common" "$home/wsmon.init"
    expect out '^respawn 3600 5 0$'
    expect out '^95 1$'
    expect prometheus/wsmon.prom '^wsmon_up\{server="db"\} 1$'
    expect data/data.jsonl '"server":"db"'
    echo "NOT RUN by OpenWrt: procd has stand-ins"
}

declare_check containers gate pip:pyyaml
check_containers() {
    serve web steady router-01 12.4
    recipe Docker Dockerfile -e "s/app:8765/127.0.0.1:${port[web]}/g" >"$home/Dockerfile"
    # An alert comes for a disk that is less full.
    recipe Docker compose.yaml -e 's/0.0.0.0:9109/127.0.0.1:0/' -e 's/disk=95/disk=20/' >"$home/compose.yaml"
    recipe Kubernetes deployment.yaml -e "s/127.0.0.1:8765/127.0.0.1:${port[web]}/g" \
        -e "s/0.0.0.0:9109/127.0.0.1:0/" >"$home/deployment.yaml"
    recipe Telegraf /etc/telegraf/telegraf.d/wsmon.conf >"$home/telegraf.conf"
    recipe Kafka /etc/telegraf/telegraf.d/kafka.conf >>"$home/telegraf.conf"
    recipe Kafka /etc/vector/wsmon.yaml >"$home/vector.yaml"
    # An image that holds the program and nothing else, as a user without rights.
    local image=()
    if ldd "$wsmon" >/dev/null 2>&1; then
        echo "NOT RUN in an empty root directory: $wsmon is not static"
    else
        mkdir "$home/image"
        cp "$wsmon" "$home/image/wsmon"
        image=(chroot --userspec=65534:65534 "$home/image" /wsmon)
    fi
    "$venv/bin/python" - "$home" "${image[@]:-$wsmon}" <<'PY'
import json, os, subprocess, sys, tomllib, yaml
home, *wsmon = sys.argv[1:]
def run(command, expected, timed=True):
    assert command[0].split("/")[-1] == "wsmon", command
    more = ["-d", "2"] if timed else []
    done = subprocess.run([*wsmon, *command[1:], *more], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(expected), (command, done)
    print(command, "->", done.stdout[:60].strip())
docker = dict(line.split(" ", 1) for line in open(home + "/Dockerfile"))
assert docker["FROM"] == "scratch\n" and docker["COPY"] == "wsmon /wsmon\n"
run(json.loads(docker["HEALTHCHECK"].split("CMD ")[1]), "WSMON OK - cpu 12.4%", False)
run(json.loads(docker["ENTRYPOINT"]), '{"received_at":')
compose = yaml.safe_load(open(home + "/compose.yaml"))["services"]["wsmon"]
os.environ.update(compose["environment"])
alerts = ["--only", "alert", "-n", "1"]
run(json.loads(docker["ENTRYPOINT"]) + alerts, '{"received_at":')
del os.environ["WSMON_OPTIONS"]
sidecar = yaml.safe_load(open(home + "/deployment.yaml"))["spec"]["template"]["spec"]["containers"][1]
run(sidecar["command"] + sidecar["args"], '{"received_at":')
run(sidecar["readinessProbe"]["exec"]["command"], "WSMON OK - disk 28.5%", False)
telegraf = tomllib.load(open(home + "/telegraf.conf", "rb"))
run(telegraf["inputs"]["execd"][0]["command"], "wsmon,host=router-01,server=web ")
assert telegraf["outputs"]["kafka"][0]["topic"] == "wsmon"
vector = yaml.safe_load(open(home + "/vector.yaml"))
run(vector["sources"]["wsmon"]["command"], '{"received_at":')
assert vector["sinks"]["kafka"]["inputs"] == ["wsmon"]
PY
    echo "NOT RUN by Docker, a cluster of Kubernetes, Telegraf and Vector: only their files were read, and the commands in them run"
}

# The whole file, as a server of Kubernetes reads it.
declare_check kubernetes request pip:kubernetes-validate
check_kubernetes() {
    recipe Kubernetes deployment.yaml >"$home/deployment.yaml"
    status_is 0 "$venv/bin/kubernetes-validate" --strict "$home/deployment.yaml"
    cat "$home/err"
    sed -i s/livenessProbe/livelinessProbe/ "$home/deployment.yaml"
    status_is 1 "$venv/bin/kubernetes-validate" --strict "$home/deployment.yaml"
}

declare_check logrotate gate logrotate
check_logrotate() {
    fleet
    background wsmon wsmon -q -f jsonl --save-data "$home/samples.jsonl" --rotate-size 0 "${servers[@]}"
    local client=$pid before after
    wait_for 10 test -s "$home/samples.jsonl"
    recipe logrotate /etc/logrotate.d/wsmon -e "s/systemctl kill --signal=HUP wsmon.service/kill -HUP $client/" \
        >"$home/rotate"
    grep -q "kill -HUP $client" "$home/rotate" || fail "the command has changed" rotate
    for _ in 1 2; do
        status_is 0 logrotate --force --state "$home/state" "$home/rotate"
        [ ! -s "$home/err" ] || fail "complaints" err
        wait_for 10 test -s "$home/samples.jsonl"
    done
    kill "$client"
    wait "$client" || fail "status $?"
    # Nothing is lost, and no line is torn.
    zcat "$home/samples.jsonl.2.gz" >"$home/all"
    cat "$home/samples.jsonl.1" "$home/samples.jsonl" >>"$home/all"
    equal "lines that differ from what was printed" "$(diff "$home/all" "$home/wsmon" | grep -c '^[<>]' || true)" 0
    wc -l "$home"/samples.jsonl*
}

declare_check completion gate bash-completion zsh fish man-db
check_completion() {
    local script
    script=$(recipe Completion 1)
    bash -c "source /usr/share/bash-completion/bash_completion
        $script
        COMP_WORDS=(wsmon --sa) COMP_CWORD=1 COMP_LINE='wsmon --sa' COMP_POINT=10
        _longopt wsmon --sa wsmon
        printf '%s\n' \"\${COMPREPLY[@]}\"" >"$home/bash" 2>"$home/bash.err"
    expect bash '^--save-data'
    expect bash '^--save-format'
    cat >"$home/complete.zsh" <<ZSH
zmodload zsh/zpty
zpty shell zsh -f -i
feed() { zpty -w shell "\$1"; sleep 0.3 }
feed 'PS1="> "; autoload -U compinit; compinit -u -D; setopt nolistbeep listrowsfirst'
feed '$(recipe Completion 2)'
sleep 1
zpty -w -n shell \$'wsmon --save-\t\t'
sleep 2
zpty -r -t shell text '*'
while zpty -r -t shell more; do text+=\$more; done
print -r -- "\$text"
zpty -d shell
ZSH
    timeout 20 zsh -f "$home/complete.zsh" >"$home/zsh" 2>"$home/zsh.err" </dev/null || true
    expect zsh '^--save-format +-- NAME'
    equal "fish" "$(recipe Completion 3)" fish_update_completions
    mkdir -p "$home/man/man1" "$home/conf.d"
    cp man/wsmon.1 "$home/man/man1"
    recipe Completion '~/.config/fish/conf.d/wsmon.fish' >"$home/conf.d/wsmon.fish"
    HOME=$home python3 /usr/share/fish/tools/create_manpage_completions.py --stdout "$home/man/man1/wsmon.1" \
        >"$home/manual.fish"
    HOME=$home fish -c "source $home/manual.fish; source $home/conf.d/wsmon.fish
        complete -C 'wsmon --save-'; complete -C 'wsmon --for'" >"$home/fish.out"
    expect fish.out '^--save-data.Append every message'
    expect fish.out '^--save-format'
    expect fish.out '^--format'
}

declare_check screen gate pip:pyte
check_screen() {
    views table,resized,log,live
    # In a pipe.
    status_is 0 wsmon -q -f table -n 2 --every 1 "${servers[@]}"
    cat "$home/out"
    equal "blocks" "$(grep -c '^SERVER ' "$home/out") $(grep -c '^$' "$home/out") $(wc -l <"$home/out")" "2 1 11"
    equal "the last line" "$(tail -n 1 "$home/out" | cut -c 1-19)" "2 of 3 up, cpu mean"
    ! grep -q "$(printf '\033')" "$home/out" || fail "escapes" out
}

# VIEW,…: see tests/consumers/screen.py.
views() {
    start_server web steady router-01 95 95
    start_server db steady db-01 5 12
    wait_for_server web
    wait_for_server db
    servers=("web=127.0.0.1:${port[web]}" "db=127.0.0.1:${port[db]}" "down=127.0.0.1:1")
    status_is 0 "$venv/bin/python" "$helpers/screen.py" "$1" wsmon "${servers[@]}"
    cat "$home/out"
}

declare_check terminals gate tmux pip:pyte
check_terminals() {
    views killed,tmux
}
