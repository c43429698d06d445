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
