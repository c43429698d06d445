# shellcheck shell=bash
# Errors that programs must get to see as from the kernel's TCP. Every case is
# run on the kernel's TCP too, which shows that the expectation is right.

# errno_is WANT CASE [ARGS]: on the kernel's TCP and on ours.
errno_is() {
	local want=$1
	shift
	expect "$want" "$(on a python3 "$LIVE/errno_case.py" "$@")" "kernel"
	expect "$want" "$(ours a python3 "$LIVE/errno_case.py" "$@")" "ours"
}

port_taken() {
	start on a nc.openbsd -k -l 9000
	wait_port 9000 a
	errno_is EADDRINUSE bind 0.0.0.0 9000
	errno_is EADDRINUSE bind 127.0.0.1 9000
	errno_is EADDRINUSE bind :: 9000
	errno_is "no error" bind ::1 9000
	errno_is EADDRINUSE listen_twice 9002
}
register "port taken" port_taken

port_taken_by_us() {
	start ours a nc.openbsd -k -l 9000
	wait_port 9000 a
	expect EADDRINUSE "$(on a python3 "$LIVE/errno_case.py" bind 0.0.0.0 9000)"
	expect EADDRINUSE "$(ours a python3 "$LIVE/errno_case.py" bind 0.0.0.0 9000)"
}
register "port taken by us, for the kernel's and for ours" port_taken_by_us

# What an unprivileged user runs: the tree may be where that user cannot read.
for_everybody() {
	cp "$LIVE/errno_case.py" "$BUILD/libmytcp.so" ${MYTCP:+"$MYTCP"} .
	chmod 755 ./*
}

# Without rights but the one to open raw sockets.
port_privileged() {
	for_everybody
	# shellcheck disable=SC2209 # the program's name
	local user="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw"
	for m in "" ${MYTCP:+./mytcp}; do
		# shellcheck disable=SC2086
		expect EACCES "$(on a $user $m python3 errno_case.py bind 0.0.0.0 81)"
		# shellcheck disable=SC2086
		expect "no error" "$(on a $user $m python3 errno_case.py bind 0.0.0.0 8081)"
	done
}
register "port privileged" port_privileged

not_local() {
	errno_is EADDRNOTAVAIL bind 192.0.2.1 9000
	errno_is EADDRNOTAVAIL bind 2001:db8::1 9000
}
register "address not local" not_local

unreachable() {
	errno_is ENETUNREACH connect 203.0.113.1 9000
	errno_is ENETUNREACH connect 2001:db8::1 9000
}
register "network unreachable" unreachable

no_such_host() {
	errno_is EHOSTUNREACH connect 10.77.0.99 9000
	errno_is EHOSTUNREACH connect fd77::99 9000
}
register "no such host on the link" no_such_host

refused() {
	errno_is ECONNREFUSED connect $ADDR_B 9000
	errno_is ECONNREFUSED connect 127.0.0.1 9000
	errno_is ECONNREFUSED nonblocking_connect $ADDR_B 9000
	errno_is ECONNREFUSED connect $ADDR6_B 9000
	errno_is ECONNREFUSED connect ::1 9000
	errno_is ECONNREFUSED nonblocking_connect $ADDR6_B 9000
}
register "connection refused" refused

silent() {
	rule b "meta l4proto tcp drop"
	on a sysctl -q net.ipv4.tcp_syn_retries=1
	export MYTCP_SYN_RETRIES=1
	errno_is ETIMEDOUT connect $ADDR_B 9000
	errno_is ETIMEDOUT connect $ADDR6_B 9000
}
register "host silent" silent

fd_limit() {
	expect "$(on a python3 "$LIVE/errno_case.py" fd_limit)" \
		"$(ours a python3 "$LIVE/errno_case.py" fd_limit)"
	errno_is EMFILE fd_limit_accept 9000
}
register "fd limit reached" fd_limit

unconnected() {
	errno_is ENOTCONN not_connected
	errno_is EPIPE send_unconnected
}
register "not connected" unconnected

reset_then_pipe() {
	cat >reset.py <<-END
		import socket, struct
		l = socket.create_server(("", 9000))
		while True:
		    s, _ = l.accept()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    s.sendall(b"x")
		    import time
		    time.sleep(0.2)
		    s.close()
	END
	start on b python3 reset.py
	wait_port 9000
	errno_is "ECONNRESET EPIPE" broken_pipe $ADDR_B 9000
}
register "reset by the peer: ECONNRESET, then EPIPE" reset_then_pipe

# The bare library: socket() fails, with one line on standard error.
no_capability() {
	needs_ours
	local nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all"
	for_everybody
	# shellcheck disable=SC2086
	expect EPERM "$(on a $nobody env LD_PRELOAD="$PWD/libmytcp.so" \
		python3 errno_case.py connect $ADDR_B 9000 2>err)"
	expect 1 "$(wc -l <err)" "lines on standard error"
	grep CAP_NET_RAW err
	# shellcheck disable=SC2086
	fails 1 on a $nobody ./mytcp true 2>err
	expect 1 "$(wc -l <err)" "lines on standard error"
	grep 'CAP_NET_RAW.*root.*setcap' err
}
register "no CAP_NET_RAW" no_capability

# A connect() that is closed before it is answered, and another one to the same peer:
# that is in SYN-RECEIVED for the first, which must not cost the second.
given_up() {
	local pause
	start server nc.openbsd -k -l 7000
	wait_port 7000
	for pause in 0 200 700 2000; do
		expect 0 "$(client "$BUILD/tests/live/abandon" "$SRV" 7000 200 $pause)" "refused, $pause us later"
	done
}
matrix "connect() given up and tried again" given_up 60
