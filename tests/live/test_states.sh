# shellcheck shell=bash
# The eleven states in real exchanges, seen through TCP_INFO and the trace.

# edges FILE EDGE...: the trace has these state changes, in this order.
edges() {
	local file=$1 edge line=0 found
	shift
	for edge in "$@"; do
		found=$(tail -n +$((line + 1)) "$file" | grep -n -m 1 -- " $edge\( \|\$\)" | cut -d: -f1) || {
			echo "no '$edge' after line $line of the trace:"
			cat "$file"
			return 1
		}
		line=$((line + found))
	done
}

tcp_info() {
	start on b python3 "$LIVE/states.py" peer
	wait_port 9000 b
	ours a python3 "$LIVE/states.py" $ADDR_B
	ours a python3 "$LIVE/states.py" $ADDR6_B
}
register "nine states through TCP_INFO" tcp_info 60

# Client closes first; the server answers when it has read the end.
four_way_close() {
	needs_ours
	start ours b --trace=server.trace nc.openbsd -l 9000
	local srv=$STARTED
	wait_port 9000 b
	echo hello | ours a --set msl_ms=100 --trace=client.trace nc.openbsd -N $ADDR_B 9000
	finish "$srv"
	cat client.trace server.trace
	edges client.trace "CLOSED -> SYN-SENT" "SYN-SENT -> ESTABLISHED" \
		"ESTABLISHED -> FIN-WAIT-1"
	edges client.trace "\(FIN-WAIT-1\|FIN-WAIT-2\) -> TIME-WAIT"
	edges server.trace "CLOSED -> LISTEN" "\(CLOSED\|LISTEN\) -> SYN-RECEIVED" \
		"SYN-RECEIVED -> ESTABLISHED" "ESTABLISHED -> CLOSE-WAIT" \
		"CLOSE-WAIT -> LAST-ACK" "LAST-ACK -> CLOSED"
	head -n 1 client.trace | grep -q 'time .*state .*seq .*ack .*len .*win'
	grep -qE 'SYN-SENT +--> SYN .* mss 1460, sackOK, ts [0-9]+ 0, wscale [0-9]+$' client.trace
}
register "handshake and four-way close in the trace" four_way_close

# twins HOST: a socket that closes at the time given, whatever the other does.
close_both='
import socket, sys, time
me, other, passive = sys.argv[1:4]
s = socket.socket()
s.bind((me, 9000))
if passive == "listen":
    s.listen()
    s = s.accept()[0]
else:
    time.sleep(0.5)
    s.connect((other, 9000))
s.sendall(b"x")
s.recv(1)
time.sleep(0.5)
s.shutdown(socket.SHUT_WR)
assert s.recv(1) == b""
s.close()
'

# Both first FINs get lost, so each side has sent one before it sees the other's.
simultaneous_close() {
	needs_ours
	for host in a b; do
		rule $host "tcp flags & fin == fin limit rate 1/day burst 1 packets drop"
	done
	start ours b --trace=b.trace python3 -c "$close_both" $ADDR_B $ADDR_A listen
	local srv=$STARTED
	ours a --trace=a.trace python3 -c "$close_both" $ADDR_A $ADDR_B connect
	finish "$srv"
	cat a.trace b.trace
	cat a.trace b.trace >both
	grep -q 'ESTABLISHED -> FIN-WAIT-1' a.trace
	grep -q 'ESTABLISHED -> FIN-WAIT-1' b.trace
	grep -q 'FIN-WAIT-1 -> CLOSING' both
	grep -q 'CLOSING -> TIME-WAIT' both
}
register "simultaneous close" simultaneous_close

# The first SYN of each side gets lost; whose second is first meets SYN-SENT.
simultaneous_open() {
	needs_ours
	local twin='
import socket, sys
s = socket.socket()
s.bind((sys.argv[1], 9000))
s.connect((sys.argv[2], 9000))
s.sendall(b"hello from either side")
s.shutdown(socket.SHUT_WR)
got = b""
while piece := s.recv(100): got += piece
assert got == b"hello from either side", got
'
	rule b "tcp flags & (syn | ack) == syn limit rate 1/day burst 1 packets drop"
	rule a "tcp flags & (syn | ack) == syn limit rate 1/day burst 1 packets drop"
	start ours b --trace=b.trace python3 -c "$twin" $ADDR_B $ADDR_A
	local srv=$STARTED
	ours a --trace=a.trace python3 -c "$twin" $ADDR_A $ADDR_B
	finish "$srv"
	cat a.trace b.trace >both
	cat both
	grep -q 'SYN-SENT -> SYN-RECEIVED' both
	grep -q 'SYN-RECEIVED -> ESTABLISHED' both
}
register "simultaneous open" simultaneous_open

# TIME-WAIT ends after two MSL, seen by a process that stays.
time_wait_ends() {
	needs_ours
	start on b nc.openbsd -l -k 9000
	wait_port 9000 b
	ours a --set msl_ms=200 --trace=trace python3 -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9000))
s.sendall(b"x")
s.shutdown(socket.SHUT_WR)
s.recv(1)
s.close()
time.sleep(1)' $ADDR_B
	cat trace
	edges trace "ESTABLISHED -> FIN-WAIT-1" "TIME-WAIT -> CLOSED"
	local from to
	from=$(awk '/-> TIME-WAIT/ { print $1 }' trace)
	to=$(awk '/TIME-WAIT -> CLOSED/ { print $1 }' trace)
	awk -v d="$from $to" 'BEGIN { split(d, t, " "); exit !(t[2] - t[1] > 0.39 && t[2] - t[1] < 0.6) }'
}
register "TIME-WAIT lasts two MSL" time_wait_ends

# A dropped segment has its reason.
trace_drops() {
	needs_ours
	start ours b --trace=trace nc.openbsd -l -k 9000
	wait_port 9000 b
	ours a nc.openbsd -z $ADDR_B 9000
	on b python3 -c '
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
s.sendto(struct.pack("!HHIIBBHHH", 1, 9000, 0, 0, 0x50, 2, 0, 0x1234, 0), ("10.77.0.2", 0))'
	eventually grep -q 'DROP: ' trace
	grep 'DROP: ' trace | grep -qi checksum
}
register "a dropped segment in the trace" trace_drops
