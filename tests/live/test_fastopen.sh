# shellcheck shell=bash
# TCP Fast Open (RFC 7413) between us and the kernel, both ways.

# The first connection brings the cookie home, the others bring their request with
# the SYN, and the SYN,ACK acknowledges it.
open_fast() { # msg|connect
	local host
	for host in a b; do on $host sysctl -qw net.ipv4.tcp_fastopen=3; done
	start server python3 "$LIVE/fastopen.py" server 9000
	wait_port 9000
	capture a cap
	client python3 "$LIVE/fastopen.py" client "$SRV" 9000 "$1"
	capture_end
	expect "0 400 400" "$(fields cap 'tcp.flags.syn == 1 && tcp.flags.ack == 0' tcp.len | xargs)" "data in the SYNs"
	expect "1 401 401" "$(fields cap 'tcp.flags.syn == 1 && tcp.flags.ack == 1' tcp.ack | xargs)" "the SYN,ACKs"
}

by_msg() { open_fast msg; }
sides "MSG_FASTOPEN" by_msg

by_connect() { open_fast connect; }
sides "TCP_FASTOPEN_CONNECT" by_connect

# A cookie is good at every server that has the same key, on whose TCP it is: what the one
# gives a client, at either address, the other takes.
shared_key() { # [KEY of the listeners]
	local host to ports port
	for host in a b; do on $host sysctl -qw net.ipv4.tcp_fastopen=3; done
	start on b python3 "$LIVE/fastopen.py" server 9000 "$@"
	start ours b python3 "$LIVE/fastopen.py" server 9001 "$@"
	wait_port 9000 b
	wait_port 9001 b
	capture a cap
	for to in "$ADDR_B" "$ADDR6_B"; do
		for ports in "9000 9001" "9001 9000"; do
			on a ip tcp_metrics flush
			for port in $ports; do
				on a python3 "$LIVE/fastopen.py" client "$to" "$port" msg 1
			done
		done
	done
	capture_end
	expect "0 400 0 400 0 400 0 400" "$(fields cap 'tcp.flags.syn == 1 && tcp.flags.ack == 0' tcp.len | xargs)" "data in the SYNs"
	expect "1 401 1 401 1 401 1 401" "$(fields cap 'tcp.flags.syn == 1 && tcp.flags.ack == 1' tcp.ack | xargs)" "the SYN,ACKs"
}

key_of_the_host() {
	on b sysctl -qw net.ipv4.tcp_fastopen_key=00112233-44556677-8899aabb-ccddeeff
	shared_key
}
key_of_the_listener() { shared_key 000102030405060708090a0b0c0d0e0f; }
for place in host listener; do
	CASES+=("Fast Open: servers of one key, the $place's|30|key_of_the_$place|kernel|ours|veth")
done
