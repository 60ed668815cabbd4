#!/bin/sh
# Records first-light.pcap: two hosts on a veth pair, each in a network namespace of its own, doing what hosts do:
# neighbour discovery, ARP, ping and ping -6, DNS questions, HTTP over both protocols. Takes four seconds.
#
# Needs root and: iproute2 iputils-ping ethtool tcpdump dnsmasq-base curl python3. Leaves nothing but the file.
set -eu
cd "$(dirname "$0")"

alice=first-light-a-$$
bob=first-light-b-$$
work=$(mktemp -d)
pids=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for name in "$alice" "$bob"; do
        ip netns del "$name" 2>/dev/null || true
        rm -rf "/etc/netns/$name"
    done
    rmdir /etc/netns 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

in_alice() { ip netns exec "$alice" "$@"; }
in_bob() { ip netns exec "$bob" "$@"; }

ip netns add "$alice"
ip netns add "$bob"
mkdir -p "/etc/netns/$alice"
echo "nameserver 192.0.2.2" >"/etc/netns/$alice/resolv.conf"
in_alice ip link add eth0 address 02:00:00:00:00:0a type veth peer name eth0 address 02:00:00:00:00:0b netns "$bob"

# Whole frames with whole checksums, as on a cable: nothing is left for a card to do.
for host in in_alice in_bob; do
    $host ip link set lo up
    $host ethtool -K eth0 tx off tso off gso off gro off >/dev/null
done

# The link carries nothing until its second end is up, so that the first frame is caught too.
in_alice ip link set eth0 up
in_alice tcpdump -i eth0 -s 0 -Z root -w "$work/out.pcap" --immediate-mode -U 2>"$work/tcpdump.log" &
tcpdump=$!
pids=$tcpdump
until grep -q "listening on" "$work/tcpdump.log"; do
    kill -0 $tcpdump 2>/dev/null || { cat "$work/tcpdump.log"; exit 1; }
    sleep 0.05
done
in_alice ip addr add 192.0.2.1/24 dev eth0
in_bob ip addr add 192.0.2.2/24 dev eth0
in_bob ip link set eth0 up
in_alice ip addr add 2001:db8::1/64 dev eth0 nodad
in_bob ip addr add 2001:db8::2/64 dev eth0 nodad

mkdir "$work/www"
i=0
while [ $i -lt 60 ]; do
    i=$((i + 1))
    echo "$i. The quick brown fox jumps over the lazy dog, and lands on port b of switch vale0."
done >"$work/www/fox.txt"
in_bob python3 -m http.server --bind :: --directory "$work/www" 80 >/dev/null 2>&1 &
pids="$pids $!"
in_bob dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --local-ttl=60 --user=root \
    --address=/server.example/192.0.2.2 --address=/server.example/2001:db8::2 &
pids="$pids $!"
# Duplicate address detection takes a second or two; until it is over, link-local addresses answer nobody.
sleep 2.2

in_alice ping -q -c 5 -i 0.2 192.0.2.2
in_alice ping -q -6 -c 5 -i 0.2 2001:db8::2
in_alice curl -sS -4 --max-time 5 http://server.example/fox.txt | cmp - "$work/www/fox.txt"
in_alice curl -sS -6 --max-time 5 http://server.example/fox.txt | cmp - "$work/www/fox.txt"
in_bob ping -q -c 2 -i 0.2 192.0.2.1
sleep 0.3

kill "$tcpdump"
wait "$tcpdump" || true
cat "$work/tcpdump.log"
cp "$work/out.pcap" first-light.pcap
