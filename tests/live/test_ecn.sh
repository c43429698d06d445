# shellcheck shell=bash
# Explicit Congestion Notification, RFC 3168 and RFC 9768, between us and the
# kernel: marks on the way are told and answered, and no byte is lost by it.

# ecn OURS KERNELS: tcp_ecn. A kernel without Accurate ECN knows 0 to 2.
ecn() {
	local host
	export MYTCP_ECN=$1
	for host in a b; do
		on $host sysctl -qw net.ipv4.tcp_ecn="$2"
	done
}

# mark PERCENT: CE, on so many of the ECT packets that arrive on both hosts, evenly: of
# some hundred bursts chance may spare all.
mark() {
	local host
	for host in a b; do
		rule $host "ip ecn != not-ect numgen inc mod $((100 / $1)) 0 ip ecn set ce"
	done
}

counter() { # HOST NAME
	on "$1" nstat -azs "$2" | awk -v name="$2" '$1 == name {print $2}'
}

# Both ways at once, with our side's trace in ours.trace.
traced_exchange() {
	local srv
	data file 8M
	data back 8M
	export MYTCP_TRACE=$PWD/ours.trace
	start server socat -t 600 TCP4-LISTEN:9000,reuseaddr 'OPEN:back!!CREATE:got'
	srv=$STARTED
	wait_port 9000
	client socat -t 600 "TCP4:$SRV:9000" 'OPEN:file!!CREATE:got_back'
	finish "$srv"
	same file got
	same back got_back
}

kernel_host() {
	if [ "$CLIENT" = kernel ]; then echo a; else echo b; fi
}

classic() {
	needs_ours
	ecn 1 1
	mark 2
	traced_exchange
	grep -q 'SYN,ECE,CWR' ours.trace
	grep -q 'SYN,ACK,ECE ' ours.trace
	grep -q -- '--> .*ACK,ECE' ours.trace
	grep -q -- '<-- .*ACK,ECE' ours.trace
	grep -q -- '--> .*CWR' ours.trace
	grep -q -- '<-- .*CWR' ours.trace
	if [ "$CLIENT" != "$SERVER" ]; then
		[ "$(counter "$(kernel_host)" TcpExtTCPDeliveredCE)" -gt 0 ]
	fi
	! grep -q retransmission ours.trace
}
sides "ECN, 2 % marked" classic

accurate() {
	needs_ours
	if [ "$CLIENT" != "$SERVER" ]; then
		on "$(kernel_host)" sysctl -qw net.ipv4.tcp_ecn=3 || exit 77
	fi
	export MYTCP_ECN=3
	mark 2
	traced_exchange
	grep -q 'SYN,ECE,CWR,AE' ours.trace
	grep -q 'SYN,ACK,CWR .*accecn e0b 1 ceb 0 e1b 1' ours.trace
	grep -Eq -- '--> .*accecn e0b [0-9]+ ceb [1-9]' ours.trace
	grep -Eq -- '<-- .*accecn e0b [0-9]+ ceb [1-9]' ours.trace
	if [ "$CLIENT" != "$SERVER" ]; then
		[ "$(counter "$(kernel_host)" TcpExtTCPDeliveredCE)" -gt 0 ]
	fi
	! grep -q retransmission ours.trace
}
sides "Accurate ECN, 2 % marked" accurate

# Each asks for what the other may not know.
fallback() {
	local pair
	needs_ours
	data file 1M
	for pair in "3 1" "3 2" "3 0" "4 1" "5 1" "1 2" "0 1"; do
		ecn "${pair% *}" "${pair#* }"
		start server socat -u TCP4-LISTEN:9000,reuseaddr CREATE:got
		local srv=$STARTED
		wait_port 9000
		client socat -u OPEN:file "TCP4:$SRV:9000"
		finish "$srv"
		same file got
	done
}
sides "ECN that the peer does not know" fallback

# A path that marks everything, also what was not sent ECT.
all_marked() {
	local host
	needs_ours
	ecn 3 1
	data file 2M
	for host in a b; do
		rule $host 'tcp dport != 0 ip ecn set ce'
	done
	start server socat -u TCP4-LISTEN:9000,reuseaddr CREATE:got
	local srv=$STARTED
	wait_port 9000
	client socat -u OPEN:file "TCP4:$SRV:9000"
	finish "$srv"
	same file got
}
sides "ECN, all packets marked" all_marked 60
