# Alerts through a pipe: mail, ntfy, Alertmanager.

# A server whose processor use rises and falls, and one that is down.
alerting() {
    serve web steady router-01 12.4 12.4 12.4 98.5 98.5 98.5
    # What the page waits minutes for is here at once.
    alert_edits=(-e 's#/[25]m##g' -e 's/wsmon -q/wsmon -q -d 6/')
}

declare_check mail gate bsd-mailx
check_mail() {
    alerting
    # In place of the mail transport: appends what it is given.
    printf '#!/bin/sh\ncat >>%s\n' "$home/sent" >"$home/bin/sendmail"
    chmod +x "$home/bin/sendmail"
    echo "set sendmail=$home/bin/sendmail" >"$home/mailrc"
    MAILRC=$home/mailrc status_is 0 bash -c "$(recipe Mail 1 "${alert_edits[@]}")"
    expect sent '^Subject: wsmon on '
    expect sent '^To: root'
    expect sent '^web: +\[ALERT\] [^ ]+ CRITICAL cpu 98.5% \(95\)$'
    expect sent '^web: +\[ALERT\] [^ ]+ cpu: back to normal$'
    expect sent '^db: +\[ALERT\] [^ ]+ CRITICAL up 0 \(1:\)$'
}

declare_check ntfy gate
check_ntfy() {
    serve web steady @/etc/passwd 12.4
    sink posted http
    status_is 0 bash -c "$(recipe ntfy 1 -e 's#/2m##' -e 's/disk=95/disk=20/' -e 's/wsmon -q/wsmon -q -d 3/' \
        -e "s#https://ntfy.example.com#http://127.0.0.1:${port[posted]}#")"
    expect posted '^web: +\[ALERT\] [^ ]+ CRITICAL disk 28.5% \(20\)$'
    expect posted '^db: +\[ALERT\] [^ ]+ CRITICAL up 0 \(1:\)$'
}

# Starts an Alertmanager that notifies nobody, on ${port[alertmanager]}, and waits until it is ready.
run_alertmanager() {
    port[alertmanager]=$(unused_port)
    printf '%s\n' 'route: {receiver: none}' 'receivers: [{name: none}]' >"$home/alertmanager.yml"
    background alertmanager prometheus-alertmanager --config.file="$home/alertmanager.yml" \
        --storage.path="$home/alertmanager.data" --cluster.listen-address= \
        --web.listen-address="127.0.0.1:${port[alertmanager]}"
    wait_for 20 curl -sf "http://127.0.0.1:${port[alertmanager]}/-/ready"
}

declare_check alertmanager request prometheus-alertmanager jq
check_alertmanager() {
    alerting
    run_alertmanager
    local url=http://127.0.0.1:${port[alertmanager]}
    background pipe bash -c "$(recipe Alertmanager 1 "${alert_edits[@]}" \
        -e "s#http://alertmanager.example.com:9093#$url#")"
    alert_is db '["up","up 0 (1:)","CRITICAL"]'
    alert_is web '["cpu","cpu 98.5% (95)","CRITICAL"]'
    # When it ends, it goes; that of the server that is down stays.
    alert_is web ''
    alert_is db '["up","up 0 (1:)","CRITICAL"]'
    wait "$pid"
    [ ! -s "$home/pipe" ] || fail "curl printed something" pipe
}

declare_check on_alert request bsd-mailx prometheus-alertmanager jq
check_on_alert() {
    alerting
    local edits=("${alert_edits[@]}" -e 's#--on-alert#-c up=1: &#')
    printf '#!/bin/sh\ncat >>%s\n' "$home/sent" >"$home/bin/sendmail"
    chmod +x "$home/bin/sendmail"
    echo "set sendmail=$home/bin/sendmail" >"$home/mailrc"
    MAILRC=$home/mailrc status_is 0 bash -c "$(recipe Commands 1 "${edits[@]}")"
    expect sent '^Subject: CRITICAL web cpu$'
    expect sent '^web: CRITICAL cpu 98.5% \(95\)$'
    expect sent '^Subject: CRITICAL db up$'
    says_nothing err

    sink posted http
    status_is 0 bash -c "$(recipe Commands 2 "${edits[@]}" -e 's/disk=95/disk=20/' \
        -e "s#https://ntfy.example.com#http://127.0.0.1:${port[posted]}#")"
    expect posted '^db: CRITICAL up 0 \(1:\)$'
    says_nothing err

    run_alertmanager
    local url=http://127.0.0.1:${port[alertmanager]}
    recipe Commands /usr/local/bin/to-alertmanager -e "s#http://alertmanager.example.com:9093#$url#" >"$home/bin/to-alertmanager"
    chmod +x "$home/bin/to-alertmanager"
    background pipe bash -c "$(recipe Commands 3 "${edits[@]}" -e "s#/usr/local/bin#$home/bin#")"
    alert_is db '[null,"db: CRITICAL up 0 (1:)","CRITICAL"]'
    alert_is web '[null,"web: CRITICAL cpu 98.5% (95)","CRITICAL"]'
    wait "$pid"
    says_nothing pipe.err
    # The end comes a minute after the beginning: here by the script alone.
    env WSMON_SERVER=web WSMON_METRIC=cpu WSMON_PHASE=ends WSMON_LEVEL=OK \
        WSMON_TEXT='web: cpu: back to normal' "$home/bin/to-alertmanager"
    alert_is web ''
}

# FILE: its lines are those of the log, and no command has written one or failed.
says_nothing() {
    grep -vE '^[0-9-]+T[0-9:.]+Z WARN db: (connect|never)' "$home/$1" || return 0
    fail "a command printed something" "$1"
}

# SERVER ALERT: waits until this is the active alert of the server.
alert_is() {
    local begun=$SECONDS alerts
    until
        alerts=$(amtool --alertmanager.url="$url" -o json alert query "server=$1" |
            jq -c '.[] | [.labels.component, .annotations.summary, .annotations.level]')
        [ "$alerts" = "$2" ]
    do
        [ $((SECONDS - begun)) -lt 20 ] || fail "$1: '$alerts' instead of '$2'" pipe.err alertmanager.err
        sleep 0.2
    done
    echo "$1: ${alerts:-no alert}"
}
