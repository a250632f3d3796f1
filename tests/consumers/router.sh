# A router: busybox and nothing else, ten jobs.

declare_check router gate busybox-static
check_router() {
    fleet
    mkdir "$home/router"
    busybox --install -s "$home/router"
    ln -s "$wsmon" "$home/router/wsmon"
    sink posted http
    port[nc]=$(unused_port)
    cat >"$home/jobs" <<JOBS
set -eu
cd $home
job() { echo "job \$1"; }
wait_for_line() { for turn in 1 2 3 4 5 6 7 8 9; do [ -s "\$1" ] && return; sleep 1; done; }
fleet="web=127.0.0.1:${port[web]} db=127.0.0.1:${port[db]}"

job "1 a check, and its status decides"
if wsmon --check -c cpu=1 \$fleet >check; then exit 1; else [ \$? -eq 2 ]; fi
head -n 1 check

job "2 one value of one server into a variable"
load=\$(wsmon -q -n 1 -d 10 --template '{load1}' 127.0.0.1:${port[web]})
[ "\$load" = 0.52 ]

job "3 a row per run, with one header"
for run in 1 2 3; do wsmon -q -f csv -n 1 -d 10 \$fleet >>rows.csv; done
[ \$(wc -l <rows.csv) -eq 7 ]

job "4 the mean of a column"
awk -F, '\$2 == "db" { sum += \$4; n++ } END { exit !(n == 3 && sum / n == 50) }' rows.csv

job "5 a file for the web server of the router"
wsmon -q -n 1 -d 10 --textfile router.prom \$fleet >/dev/null
grep -q '^wsmon_up{server="web"} 1' router.prom

job "6 a post by wget when an alert begins"
wsmon -q -d 3 -n 1 --only alert -c cpu=20 \$fleet | while IFS= read -r line; do
    wget -q -O /dev/null --post-data "\$line" http://127.0.0.1:${port[posted]}/
done
grep -q 'db: .*CRITICAL cpu 50.0% (20)' posted

job "7 a line to syslog's format, through nc"
sleep 30 | nc -l -p ${port[nc]} >syslog & nc=\$!
sleep 1
wsmon -q -n 2 -d 10 --template '<14>wsmon: {server} cpu {cpu} memory {memory}' 127.0.0.1:${port[web]} |
    nc 127.0.0.1 ${port[nc]} & client=\$!
wait_for_line syslog
kill \$nc \$client 2>/dev/null || true
grep -q '^<14>wsmon: 127.0.0.1:${port[web]} cpu 12.4 memory 38.1' syslog

job "8 a service in the background that is told to end"
wsmon -q --save-data saved.jsonl --flush-every 1h --rotate-size 4K --rotate-keep 2 \$fleet >/dev/null & client=\$!
sleep 3
kill -HUP \$client; sleep 1
grep -q '"server":"web"' saved.jsonl
kill \$client; wait \$client

job "9 wait for a server to be gone, then act"
( sleep 1; kill ${pids[0]} ) &
wsmon -q -d 20 -n 1 --only alert -c up=1: web=127.0.0.1:${port[web]} >gone
grep -q 'CRITICAL up 0' gone

job "10 one member of a line of JSON, by sed"
wsmon -q -f events --only sample -n 1 -d 10 db=127.0.0.1:${port[db]} | sed -n 's/.*"disk":\([0-9.]*\).*/\1/p' >disk
[ "\$(cat disk)" = 28.5 ]
JOBS
    status_is 0 env -i PATH="$home/router" HOME="$home" busybox sh "$home/jobs"
    cat "$home/out"
    equal "jobs" "$(grep -c '^job ' "$home/out")" 10
}
