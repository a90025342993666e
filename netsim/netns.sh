#!/bin/sh
# Three hosts on one machine, as network namespaces: sender -- netsim -- receiver. Needs root and iproute2.
# Sender and receiver have no route to each other: whatever gets through went through netsim.
#
#   netns.sh up                       make them (sender 10.77.1.2, netsim 10.77.1.1 and 10.77.2.1, receiver 10.77.2.2)
#   netns.sh exec HOST COMMAND...     run something on one of them
#   netns.sh down                     end what runs there, and remove them
#   netns.sh call [NETSIM OPTIONS]    all of it: a call of 20 s, its record and logs in $OUT (default: runs/netns)
#
# GRACE_NETNS_PREFIX (default: grace) names them, up to 8 letters; GRACE_NETNS_NET (10.77) is their network.
set -eu

prefix=${GRACE_NETNS_PREFIX:-grace}
net=${GRACE_NETNS_NET:-10.77}

die() { echo "netns.sh: $*" >&2; exit 2; }

host() { # the namespace of a host
    case $1 in
    sender | netsim | receiver) echo "$prefix-$1" ;;
    *) die "no host is called $1; there are sender, netsim and receiver" ;;
    esac
}

wire() { # wire NUMBER HOST: a cable from netsim to HOST, in a network of its own
    ip link add "$prefix-n$1" netns "$prefix-netsim" type veth peer name "$prefix-e$1" netns "$prefix-$2"
    ip -n "$prefix-netsim" address add "$net.$1.1/24" dev "$prefix-n$1"
    ip -n "$prefix-$2" address add "$net.$1.2/24" dev "$prefix-e$1"
    ip -n "$prefix-netsim" link set "$prefix-n$1" up
    ip -n "$prefix-$2" link set "$prefix-e$1" up
}

up() {
    [ "$(id -u)" = 0 ] || die "needs root: sudo $0 up"
    command -v ip >/dev/null || die "needs ip; install iproute2"
    [ ${#prefix} -le 8 ] || die "the prefix $prefix has more than 8 letters"
    for name in sender netsim receiver; do
        ip netns add "$(host $name)" || { down; die "this system makes no network namespace"; }
        ip -n "$(host $name)" link set lo up
    done
    wire 1 sender && wire 2 receiver || { down; die "this system makes no veth pair"; }
}

down() {
    for name in sender netsim receiver; do
        space=$(host $name)
        [ -e "/run/netns/$space" ] || continue
        for process in $(ip netns pids "$space"); do kill "$process" 2>/dev/null || true; done
        ip netns delete "$space"
    done
}

on() { # on HOST COMMAND...
    space=$(host "$1")
    shift
    ip netns exec "$space" "$@"
}

await() { # until an address answers, at most two minutes
    for _ in $(seq 240); do
        on "$1" python3 -c "import urllib.request as r; r.urlopen('$2/health', timeout=3)" 2>/dev/null && return
        sleep 0.5
    done
    die "$2 does not answer"
}

call() {
    out=${OUT:-runs/netns}
    GRACE_TOKEN=${GRACE_TOKEN:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
    export GRACE_TOKEN
    mkdir -p "$out"
    trap down EXIT
    trap 'exit 130' INT TERM
    up
    on receiver grace-rtc receive --listen "$net.2.2:8081" --record "$out/received.mp4" --json "$out/receiver.jsonl" &
    on netsim grace-rtc netsim --listen "$net.1.1:8080" --forward "http://$net.2.2:8081" \
        --json "$out/netsim.jsonl" "$@" &
    await netsim "http://$net.2.2:8081"
    await sender "http://$net.1.1:8080"
    on sender grace-rtc send --input builtin:talk --loop --seconds 20 --to "http://$net.1.1:8080" \
        --json "$out/sender.jsonl"
    for process in $(ip netns pids "$(host netsim)") $(ip netns pids "$(host receiver)"); do kill "$process"; done
    wait
}

[ $# -gt 0 ] || die "say up, exec HOST COMMAND..., down or call"
command=$1 && shift
case $command in
up) up ;;
down) down ;;
exec) on "$@" ;;
call) call "$@" ;;
*) die "no such command: $command; say up, exec, down or call" ;;
esac
