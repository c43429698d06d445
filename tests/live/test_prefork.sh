# shellcheck shell=bash
# Four workers that accept on a listener that they inherited.

threads_fds() { # PID: of every thread
	local t
	for t in /proc/"$1"/task/*; do
		find "$t/fd" -type l | wc -l
	done
}

rss_kib() {
	awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

fds_are_back() { # PID
	threads_fds "$1" | cmp - before
}

memory_is_back() { # PID KIB
	[ "$(rss_kib "$1")" -lt "$2" ]
}

nobody() {
	[ -z "$(ip netns pids "$B")" ]
}

prefork() {
	local server
	ulimit -n "$(ulimit -Hn)"
	on a sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_max_tw_buckets=1000
	start ours b "$BUILD/tests/live/prefork" serve 9000 4
	server=$STARTED
	wait_port 9000 b
	on a "$BUILD/tests/live/prefork" one-by-one "$ADDR_B" 9000 10
	threads_fds "$server" >before
	on a "$BUILD/tests/live/prefork" one-by-one "$ADDR_B" 9000 20000
	for _ in 1 2 3; do
		on a "$BUILD/tests/live/prefork" at-once "$ADDR_B" 9000 10000
		eventually fds_are_back "$server"
	done
	# Tables that have grown stay as they are; connections took 30 MB.
	eventually memory_is_back "$server" 14000
	kill "$server"
	finish "$server"
	eventually nobody
}
register "20 000 connections and 10 000 at once" prefork 90
