# shellcheck shell=bash
# Paths narrower than the links at both ends, with and without the ICMP messages
# that tell of it; bytes both ways at once.

SILENT=

narrow_exchange() { # MTU
	local srv
	router "$1"
	if [ -n "$SILENT" ]; then
		ip netns exec "$R" nft "add table inet live"
		ip netns exec "$R" nft "add chain inet live output { type filter hook output priority 0; }"
		ip netns exec "$R" nft "add rule inet live output meta l4proto icmp drop"
	fi
	export MYTCP_TRACE=$PWD/ours.trace MYTCP_MTU_PROBING=1
	on a sysctl -qw net.ipv4.tcp_mtu_probing=1
	on b sysctl -qw net.ipv4.tcp_mtu_probing=1
	data file 20M
	data back 20M
	start server socat -t 600 TCP4-LISTEN:9000,reuseaddr 'OPEN:back!!CREATE:got'
	srv=$STARTED
	wait_port 9000
	client socat -t 600 "TCP4:$SRV:9000" 'OPEN:file!!CREATE:got_back'
	finish "$srv"
	same file got
	same back got_back
}

# RFC 1191: told at once, nobody has to time out.
told() {
	needs_ours
	narrow_exchange 1300
	! grep -q '(RTO)' ours.trace
	grep -q retransmission ours.trace
	! grep -q 'black hole' ours.trace
}
sides "a narrow path that tells" told 60

# RFC 4821: nobody tells; probes find the way.
silent() {
	needs_ours
	SILENT=1
	narrow_exchange 1300
	grep -q '(path MTU black hole)' ours.trace
	grep -q '(path MTU raised)' ours.trace
}

sides "a narrow path that is silent" silent 60
