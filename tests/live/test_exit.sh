# shellcheck shell=bash
# What a program wrote before it exited arrives.

# sink: what the peer gets, until it has seen the end, is in got.
sink() {
	start server nc.openbsd -$V -l 9000 -d >got
	SINK=$STARTED
	wait_port 9000
}

exit_nc() {
	sink
	echo hello | client nc.openbsd -N "$SRV" 9000
	finish "$SINK"
	expect hello "$(cat got)"
}
sides "echo to nc -N" exit_nc
six "echo to nc -N" exit_nc

# The interpreter ends with everything still in the socket's buffers.
send_and_exit='
import os, socket, sys
s = socket.create_connection((sys.argv[1], 9000))
s.sendall(open("file", "rb").read())
if sys.argv[2] == "exit": sys.exit(7)
if sys.argv[2] == "_exit": os._exit(7)
os.dup2(os.open("/dev/null", os.O_RDONLY), s.fileno())
sys.exit(7)
'

exit_python() {
	data file 2M
	for how in exit _exit dup2; do
		sink
		fails 7 client python3 -c "$send_and_exit" "$SRV" $how
		finish "$SINK"
		same file got
	done
}
sides "python: sendall, then exit, _exit, dup2" exit_python
six "python: sendall, then exit, _exit, dup2" exit_python

exit_loss() {
	data file 200K
	loss 15
	sink
	fails 7 client python3 -c "$send_and_exit" "$SRV" exit
	finish "$SINK"
	same file got
}
sides "python: sendall, exit, with 15 % loss" exit_loss 180

# The last segments get lost: three data segments and the FIN with its first
# retransmission.
exit_last_lost() {
	sink
	rule "$SRV_HOST" "tcp flags & fin == fin limit rate 1/day burst 2 packets drop"
	rule "$SRV_HOST" "tcp flags & psh == psh limit rate 1/day burst 3 packets drop"
	echo hello | client nc.openbsd -N "$SRV" 9000
	finish "$SINK"
	expect hello "$(cat got)"
}
sides "echo to nc -N, the last segments lost" exit_last_lost 60

# Nobody answers any more: the program ends all the same, after linger_ms.
exit_dead_peer() {
	needs_ours
	cat >send.py <<-END
		import socket, sys, time
		s = socket.create_connection((sys.argv[1], 9000))
		open("connected", "w")
		time.sleep(1)
		s.sendall(b"into the void")
	END
	sink
	start client env MYTCP_HANDOVER=off MYTCP_LINGER_MS=1500 "$MYTCP" python3 send.py "$SRV"
	local begin
	eventually test -e connected
	rule b drop
	begin=$SECONDS
	finish "$STARTED"
	[ $((SECONDS - begin)) -lt 8 ]
}
register "linger_ms ends the wait for a dead peer" exit_dead_peer

# A program killed by a signal: the peer learns that it was no orderly end.
exit_killed() {
	cat >read.py <<-END
		import socket
		l = socket.create_server(("", 9000))
		s, _ = l.accept()
		try:
		    while True:
		        s.sendall(b"x" * 1000)
		except ConnectionError as e:
		    print(type(e).__name__)
	END
	start on b python3 read.py >result
	local srv=$STARTED
	wait_port 9000
	start ours a python3 -c "
import socket, time
s = socket.create_connection(('$ADDR_B', 9000))
open('connected', 'w')
while True: s.recv(65536)"
	eventually test -e connected
	kill -9 "$STARTED"
	finish "$srv"
	grep -q 'ConnectionResetError\|BrokenPipeError' result
	[ -z "$(ip netns pids "$A")" ]
}
register "killed: the peer gets a RST, nothing is left behind" exit_killed
