# --servers: wrong files, a thousand servers, reload; and what stands under LARGE FLEETS.

declare_check wrong_servers gate
check_wrong_servers() {
    wrong ':2: --dialect .x.: choose from auto, monitoring,' 'a=h' 'b=h --dialect x'
    wrong ':2: --every is for all servers: it belongs on the command line' 'h' 'h --every 1'
    wrong ':3: unknown option --bogus' '# a comment' '' 'h --bogus'
    wrong ':1: a quote is not closed' "h --header 'A: b"
    wrong ':2: two servers are called a: labels must differ' 'a=h' 'a=i' 'a=j'
    wrong ': no server is named' '# nothing' ''
    wrong ':1: one line names one server' 'h i'
    wrong ':1: --warning .20:10.: ' 'h -w 20:10' 'i --bogus'
    wrong ':2: it is not UTF-8' 'h' $'\xff' 'i'
    wrong ':10001: more than 10000 servers' "$(seq -f h%.0f 10001)"
    expected=3
    wrong ':2: read /no/such: no such file or directory' 'h' 'i --token-file /no/such'
    rm "$home/servers"
    status_is 3 wsmon --servers "$home/servers"
    expect err 'servers: no such file or directory$'
}

# PATTERN LINE…: what a file of these lines ends with, before any connection.
wrong() {
    local pattern=$1
    shift
    printf '%s\n' "$@" >"$home/servers"
    status_is "${expected:-2}" wsmon --servers "$home/servers"
    expect err "^wsmon: $home/servers$pattern"
    [ ! -s "$home/out" ] || fail "something on stdout" out
}

limit[thousand]=120
declare_check thousand gate
check_thousand() {
    serve crowd counted
    seq 1000 | sed "s#.*#s&=127.0.0.1:${port[crowd]}/&#" >"$home/all"
    cp "$home/all" "$home/servers"
    listen --stale-after 0 --servers "$home/servers"
    up 1000
    accepted 1000
    # With another line for one, that one is connected anew.
    reload 's#^s500=.*#&/other#' ': 1 servers added, 1 removed, 999 kept'
    up 1000
    accepted 1001
    equal "the last connection" "$(tail -n 1 <(grep ^accept "$home/crowd.log"))" 'accept /500/other'
    # The same lines in another order, and with a comment.
    reload '1!G;h;$!d' ': 0 servers added, 0 removed, 1000 kept'
    reload 's/^s7=.*/& # seven/' ': 0 servers added, 0 removed, 1000 kept'
    reload '700s/$/ --bogus/' ':700: unknown option --bogus; the servers stay as they are'
    cp "$home/all" "$home/servers"
    reload '$s/^[^=]*/s1/' ':1000: two servers are called s1: labels must differ; the servers stay as they are'
    mv "$home/servers" "$home/gone"
    hang_up ': no such file or directory; the servers stay as they are'
    up 1000
    accepted 1001
    replaced_while_read
    reload 1q ': 0 servers added, 999 removed, 1 kept'
    up 1
    wait_for 30 connected 1
    equal "the series" "$(curl -s "$url/metrics" | grep '^wsmon_up')" 'wsmon_up{server="s1"} 1'
    kill "$pid"
    wait "$pid" || fail "status $?" wsmon.err
}

# Three files take each other's place while the program reads them: it has one of them, and never a part.
replaced_while_read() {
    sed 's#^s[1-9]=.*#&/more#' "$home/all" >"$home/one"
    sed 's#^s[1-9]00=.*#&/more#' "$home/all" >"$home/two"
    local turn file sums
    for turn in {1..10}; do
        for file in one two all; do
            cp "$home/$file" "$home/new"
            mv "$home/new" "$home/servers"
            kill -HUP "$pid"
        done
    done
    wait_for 30 connected 1000
    up 1000
    sums=$(awk '/ servers added, / { print $(NF - 6) + $(NF - 1) }' "$home/wsmon.err" | sort | uniq -c)
    echo "readings, and servers then: $sums"
    equal "sizes" "$(awk '{ print $2 }' <<<"$sums")" 1000
}

# SED TEXT: changes the file and has it read.
reload() {
    sed "$1" "$home/servers" >"$home/new"
    mv "$home/new" "$home/servers"
    hang_up "$2"
}

# TEXT: has the file read, until a new line of the log ends like this.
hang_up() {
    local before
    before=$(wc -l <"$home/wsmon.err")
    kill -HUP "$pid"
    wait_for 20 logged "$((before + 1))" "$1"
    echo "${1#: }"
}

logged() {
    awk -v from="$1" -v text="$2" 'NR >= from && substr($0, length - length(text) + 1) == text { found = 1 } END { exit !found }' \
        "$home/wsmon.err"
}

# NUMBER: waits until so many servers are up, and there are no others.
up() {
    wait_for 60 is_up "$1"
    echo "up: $1"
}

is_up() {
    [ "$(curl -s -m 10 "$url/readyz")" = "$1 of $1 servers up" ]
}

# NUMBER: so many connections were made.
accepted() {
    equal "connections" "$(grep -c ^accept "$home/crowd.log")" "$1"
}

# NUMBER: as the server sees it, the first so many lines of the file have a connection each, and nothing else has.
connected() {
    local open
    open=$(awk '$1 == "accept" { open[$2]++ } $1 == "end" { open[$2]-- } END { for (path in open) if (open[path]) print path, open[path] }' \
        "$home/crowd.log" | sort)
    [ "$open" = "$(sed -e 's#^[^/]*\(/.*\)#\1 1#' -e "$1q" "$home/all" | sort)" ]
}

declare_check fleets gate findutils
check_fleets() {
    fleet
    local host part watch
    part=$(recipe 'Several hosts' 1 -e "s#/etc/wsmon#$home#g")
    watch=$(recipe 'Several hosts' 2 -e "s#/etc/wsmon#$home#" -e 's/wsmon -q/exec wsmon/' -e 's/0.0.0.0:9109/127.0.0.1:0/')
    recipe 'Several hosts' /etc/wsmon/fleet >"$home/fleet"
    # One after the other: here all of them have the same file.
    for host in 0 1 2; do
        status_is 0 bash -c "${part/host=0/host=$host}"
        background "host$host" bash -c "$watch"
        expect "host$host.err" 'listening on'
        url=$(grep -o 'http://[0-9.:]*' "$home/host$host.err")
        curl -s "$url/metrics" | sed -n 's/^wsmon_up{server="\(.*\)"} .*/\1/p' >"$home/labels$host"
    done
    equal "the servers of each host" "$(xargs <<<"$(cat "$home"/labels[012])")" "db spare web"
    # A server more on the last one, where one goes.
    sed -i 's/^web/# &/' "$home/fleet"
    echo "late=127.0.0.1:${port[web]}" >>"$home/fleet"
    echo "later=127.0.0.1:${port[web]}" >>"$home/fleet"
    status_is 0 bash -c "${part/host=0/host=2}"
    kill -HUP "$pid"
    expect host2.err ': 1 servers added, 1 removed, 0 kept$'
}

declare_check kafka gate kcat
check_kafka() {
    fleet
    # The library of kcat has a broker for tests; here it is that of a consumer.
    background topic kcat -C -u -E -o beginning -t wsmon -b unused -d mock -X test.mock.num.brokers=1 \
        -X allow.auto.create.topics=true -X topic.metadata.refresh.interval.ms=200
    expect topic.err 'bootstrap.servers='
    local broker
    broker=$(sed -n 's/.* bootstrap.servers=\([0-9.:]*\).*/\1/p' "$home/topic.err")
    status_is 0 bash -o pipefail -c "$(recipe Kafka 1 -e 's/wsmon -q/wsmon -q -d 2/' \
        -e "s/kafka.example.com:9092/$broker/" -e "s#| kcat#| tee $home/sent | kcat#")"
    expect sent '^\{"received_at":.*"server":"db","kind":"sample",.*\}$'
    # Each line is a message; partitions have no order among them.
    wait_for 20 bash -c "cmp <(sort $home/sent) <(sort $home/topic)"
    wc -l "$home/topic"
}
