# shellcheck shell=bash
# Four workers that accept on a listener that they inherited. FULL=1: as many connections as
# the promise is.

threads_fds() { # PID: of every thread
	local t
	for t in /proc/"$1"/task/*; do
		find "$t/fd" -type l | wc -l
	done
}

rss_kib() {
	awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

prefork() {
	local server before after one=${FULL:+20000} many=${FULL:+10000}
	ulimit -n "$(ulimit -Hn)"
	on a sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_max_tw_buckets=1000
	start ours b "$BUILD/tests/live/prefork" serve 9000 4
	server=$STARTED
	wait_port 9000 b
	on a "$BUILD/tests/live/prefork" one-by-one "$ADDR_B" 9000 10
	threads_fds "$server" >before
	on a "$BUILD/tests/live/prefork" one-by-one "$ADDR_B" 9000 "${one:-4000}"
	on a "$BUILD/tests/live/prefork" at-once "$ADDR_B" 9000 "${many:-3000}"
	fds_are_back() {
		threads_fds "$server" | cmp - before
	}
	eventually fds_are_back
	# What tables have grown by stays; connections do not.
	before=$(rss_kib "$server")
	for _ in 1 2; do
		on a "$BUILD/tests/live/prefork" at-once "$ADDR_B" 9000 "${many:-3000}"
	done
	eventually fds_are_back
	after=$(rss_kib "$server")
	[ "$after" -lt $((before + 1000)) ] && [ "$after" -lt 16000 ]
	kill "$server"
	finish "$server"
	[ -z "$(ip netns pids "$B")" ]
}
register "20 000 connections and 10 000 at once" prefork 90
