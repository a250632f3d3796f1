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

declare_check alertmanager request prometheus-alertmanager jq
check_alertmanager() {
    alerting
    port[alertmanager]=$(unused_port)
    printf '%s\n' 'route: {receiver: none}' 'receivers: [{name: none}]' >"$home/alertmanager.yml"
    background alertmanager prometheus-alertmanager --config.file="$home/alertmanager.yml" \
        --storage.path="$home/alertmanager.data" --cluster.listen-address= \
        --web.listen-address="127.0.0.1:${port[alertmanager]}"
    local url=http://127.0.0.1:${port[alertmanager]}
    wait_for 20 curl -sf "$url/-/ready"
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
