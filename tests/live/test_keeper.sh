# shellcheck shell=bash
# One process in the background keeps the TIME-WAITs of many programs.

background() {
	local pid
	for pid in $(ip netns pids "$A"); do
		tr '\0' ' ' <"/proc/$pid/cmdline" | grep '^mytcp: ' || true
	done
}

# Each client closes first.
clients='
import socket, sys
for _ in range(int(sys.argv[2])):
    s = socket.create_connection((sys.argv[1], 9000))
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()
'

one_for_many() {
	local ports
	start server socat "TCP$V-LISTEN:9000,fork,reuseaddr" PIPE
	local server=$STARTED
	wait_port 9000
	for _ in $(seq 12); do
		client env MYTCP_MSL_MS=4000 python3 -c "$clients" "$SRV" 1
	done
	background >before
	expect 1 "$(wc -l <before)"
	# Every guard is there; the peers' segments are answered by its keeper.
	ports=$(on a ss -ltnH | wc -l)
	expect 12 "$ports"
	# What is too much for it goes on by itself.
	client env MYTCP_MSL_MS=4000 python3 -c "$clients" "$SRV" 40
	expect 2 "$(background | wc -l)"
	stop "$server"
	until [ -z "$(background)" ] && [ -z "$(on a ss -ltnH)" ]; do
		sleep 0.1
	done
}
register "twelve clients leave one process" one_for_many 40

# They end together, when there is no keeper yet.
at_once='
import os, socket, sys
start, begin = os.pipe()
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        os.close(begin)
        s = socket.create_connection((sys.argv[1], 9000))
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        os.read(start, 1)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
        os._exit(0)
os.close(start)
os.close(begin)
for _ in range(int(sys.argv[2])):
    assert os.wait()[1] == 0
'

is_one() {
	[ "$(background | wc -l)" = 1 ]
}

many_at_once() {
	start server socat -T 20 "TCP$V-LISTEN:9000,fork,reuseaddr,backlog=50" PIPE
	local server=$STARTED
	wait_port 9000
	capture b pcap
	client env MYTCP_MSL_MS=20000 python3 -c "$at_once" "$SRV" 40
	eventually is_one
	expect 40 "$(on a ss -ltnH | wc -l)" guards
	capture_end
	expect "" "$(fields pcap "tcp.flags.reset == 1 && tcp.dstport == 9000" tcp.stream)"
	stop "$server"
}
register "forty that end at once leave one process" many_at_once 60

nobody_in_last_ack() {
	[ -z "$(on b ss -tnH state last-ack)" ]
}

# The peer's FIN comes again, when the program and its own process have gone: the
# keeper answers as they would have.
fin_again() {
	start server socat "TCP$V-LISTEN:9000,fork,reuseaddr" PIPE
	local server=$STARTED
	wait_port 9000
	client python3 -c "$clients" "$SRV" 1
	expect 1 "$(background | wc -l)"
	capture b pcap
	rule b "tcp flags & (fin | syn | rst | psh | ack) == ack counter drop"
	client python3 -c "$clients" "$SRV" 1
	expect 1 "$(background | wc -l)"
	expect 1 "$(on b ss -tnH state last-ack | wc -l)"
	no_rules b
	eventually nobody_in_last_ack
	capture_end
	expect "" "$(fields pcap "tcp.flags.reset == 1" tcp.stream)"
	stop "$server"
}
register "a FIN that comes again" fin_again

# Of another user the keeper takes no fds, from Linux 6.16 on, and does not wait for him.
stranger='
import array, os, socket, sys
names = [line.rstrip(b"\n").split(b" ", 7)[-1] for line in open("/proc/net/unix", "rb")
         if b"@mytcpk" in line]
assert len(names) == 1, names
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(names[0].replace(b"@", b"\0"))
try:
    s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
    print("sent")
except OSError as e:
    print(os.strerror(e.errno))
try:
    print("heard", s.recv(1))
except ConnectionResetError:
    print("heard nothing")
'

no_fds_of_strangers() {
	needs_ours
	start server socat "TCP$V-LISTEN:9000,fork,reuseaddr" PIPE
	wait_port 9000
	client env MYTCP_MSL_MS=4000 python3 -c "$clients" "$SRV" 1
	eventually is_one
	on a setpriv --reuid 65534 --clear-groups python3 -c "$stranger" >said
	cat said
	grep -q -x -e "heard b''" -e "heard nothing" said
	printf '6.16\n%s\n' "$(uname -r)" | sort -V -C || return 0
	grep -q -x -e "Operation not permitted" -e "Broken pipe" said
}
register "a keeper takes nothing from strangers" no_fds_of_strangers
