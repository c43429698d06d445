# shellcheck shell=bash
# Servers that follow each other on a port.

generations() { # COUNT FIRST
	local last
	export MYTCP_MSL_MS=3000
	capture a cap
	# shellcheck disable=SC2086 # words, or none
	on a python3 "$LIVE/restart.py" "$ADDR_B" 9000 "$1" \
		ip netns exec "$B" "$MYTCP" python3 "$LIVE/generation.py" 9000 -- $2
	capture_end
	# Nobody was reset, and each SYN had one answer, but for the last, which is refused. (A
	# stack that looks at a segment when the one that it was for is gone may send RST.)
	last=$(fields cap "tcp.len > 0 && !tcp.analysis.retransmission" frame.number | tail -1)
	expect "" "$(fields cap "tcp.flags.reset == 1 && frame.number < $last" frame.number)"
	fields cap "tcp.flags.syn == 1 && tcp.flags.ack == 0" tcp.srcport tcp.seq_raw | sort -u >syns
	fields cap "tcp.flags.syn == 1 && tcp.flags.ack == 1" tcp.dstport tcp.ack_raw tcp.seq_raw |
		sort -u >answers
	expect $((2 * $1 + 1)) "$(wc -l <syns)" "SYNs"
	expect $((2 * $1)) "$(wc -l <answers)" "answers"
}

nobody() {
	[ -z "$(ip netns pids "$B")" ]
}

gone() {
	[ -z "$(on b ss -Hltn "sport = :$1")" ]
}

restarts() {
	needs_ours
	generations 20 ""
	# When the last connection is over, nothing is left.
	eventually gone 9000
	eventually nobody
}
register "20 servers, one after the other" restarts 120

after_kernel() {
	needs_ours
	generations 3 "ip netns exec $B python3 $LIVE/generation.py 9000"
}
register "a server on our TCP after one on the kernel's" after_kernel 60

# FTP: several sockets bound to one port, in one process and in two, connected to
# different remotes.
one_port() {
	local port
	for port in 9001 9002 9003; do
		start on b socat TCP-LISTEN:$port,fork,reuseaddr EXEC:cat
		wait_port $port b
	done
	mkfifo go
	exec 7<>go
	start ours a python3 "$LIVE/from_port.py" 2020 "$ADDR_B" 9001 9002 <&7 >first
	eventually grep -q connected first
	echo go | ours a python3 "$LIVE/from_port.py" 2020 "$ADDR_B" 9003 >second
	grep -qx 'done' second
	echo go >&7
	finish "$STARTED"
	grep -qx 'done' first
}
register "two processes, three connections, one port" one_port

unknown='
import socket, struct, sys
src, dst = (socket.inet_aton(a) for a in sys.argv[1:3])
def checksum(b):
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    n = (n >> 16) + (n & 0xffff)
    return 0xffff & ~(n + (n >> 16))
tcp = struct.pack("!HHIIBBHHH", 4321, 9000, 1, 77777, 5 << 4, 0x10, 1000, 0, 0)
sum = checksum(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
tcp = tcp[:16] + struct.pack("!H", sum) + tcp[18:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
s.sendto(tcp, (sys.argv[2], 0))
'

# A segment of no connection is refused, once it can be nobody else's.
stray() {
	needs_ours
	start ours b socat TCP-LISTEN:9000,fork,reuseaddr EXEC:cat
	wait_port 9000 b
	capture a cap
	on a python3 -c "$unknown" "$ADDR_A" "$ADDR_B"
	sleep 0.3
	capture_end
	expect 77777 "$(fields cap "tcp.flags.reset == 1 && tcp.srcport == 9000" tcp.seq_raw)"
}
register "a stray segment is refused" stray
