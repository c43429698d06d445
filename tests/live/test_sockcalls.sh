# shellcheck shell=bash
# The socket calls on our TCP say what they say on the kernel's. The cases are in
# sockcalls.c.

# The host has no IPv6 address: that is what a program sees on our TCP.
same_answers() { # the address of the peer
	on a sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
	on a sysctl -q -w net.ipv4.tcp_fastopen=3
	on b sysctl -q -w net.ipv4.tcp_fastopen=3
	on a "$BUILD/tests/live/sockcalls" run "$1" 9000 >by_kernel
	ours a "$BUILD/tests/live/sockcalls" run "$1" 9000 >by_us
	diff -U 1000 by_kernel by_us
}

across() {
	start on b "$BUILD/tests/live/sockcalls" peer 9000
	wait_port 9000 b
	same_answers "$ADDR_B"
}
register "as the kernel's, across a link" across 60

loopback() {
	start on a "$BUILD/tests/live/sockcalls" peer 9000
	wait_port 9000 a
	same_answers 127.0.0.1
}
register "as the kernel's, on loopback" loopback 60
