# shellcheck shell=bash
# What socket options do over time, the same on our TCP as on the kernel's.

# with_options CASE CMD...: options.py by this command, cut from the network when it
# says so; its last line.
with_options() {
	local case=$1 line
	shift
	coproc APP { exec "$@" python3 "$LIVE/options.py" "$ADDR_B" 9000 "$case"; }
	# shellcheck disable=SC2153 # APP and APP_PID are coproc's
	while read -r line <&"${APP[0]}"; do
		[ "$line" = drop ] || break
		rule a "ip saddr $ADDR_B drop"
		echo >&"${APP[1]}"
	done
	no_rules a 2>/dev/null || true
	echo "$line"
}

same_outcome() { # CASE WANT
	needs_ours
	on a sysctl -q -w net.ipv4.tcp_keepalive_time=2 net.ipv4.tcp_keepalive_intvl=1 \
		net.ipv4.tcp_keepalive_probes=2 net.ipv4.tcp_syn_linear_timeouts=0
	start on b socat -u TCP4-LISTEN:9000,reuseaddr,fork OPEN:/dev/null
	wait_port 9000 b
	export MYTCP_LINGER_MS=100
	with_options "$1" ip netns exec "$A" >by_kernel
	with_options "$1" ip netns exec "$A" "$MYTCP" >by_us
	cat by_kernel by_us
	expect "$1 $2" "$(cat by_kernel)" "the kernel's TCP"
	expect "$1 $2" "$(cat by_us)" "our TCP"
}

keepalive() { same_outcome keepalive "ETIMEDOUT after 4 s"; }
user_timeout() { same_outcome user_timeout "ETIMEDOUT after 2 s"; }
syncnt() { same_outcome syncnt "ETIMEDOUT after 3 s"; }
pacing() { same_outcome pacing "success after 3 s"; }
register "SO_KEEPALIVE with the times of the sysctls" keepalive
register "TCP_USER_TIMEOUT" user_timeout
register "TCP_SYNCNT" syncnt
register "SO_MAX_PACING_RATE" pacing
