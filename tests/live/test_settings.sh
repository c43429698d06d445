# shellcheck shell=bash
# Settings: what they are when nobody has said anything is what the sysctls of
# the program's network namespace say.

# shows LINE ARGS...: --show-config with these options has it, "NAME VALUE FROM".
shows() {
	local line=$1
	shift
	ours a "$@" --show-config | awk '{ print $1, $2, $3 }' >shown
	grep -qxF -- "$line" shown || {
		cat shown
		echo "not shown: $line"
		return 1
	}
}

show_config() {
	needs_ours
	shows "sack on net.ipv4.tcp_sack"
	shows "initcwnd 10 built-in"
	on a sysctl -q -w net.ipv4.tcp_sack=0 net.ipv4.tcp_fin_timeout=7
	shows "sack off net.ipv4.tcp_sack"
	shows "fin_timeout_ms 7000 net.ipv4.tcp_fin_timeout"
	shows "sack on --set" --set sack=on
	shows "trace - --trace" --trace
	MYTCP_SACK=on shows "sack on MYTCP_SACK"
	MYTCP_SACK=on shows "sack off --set" --set=sack=off
	fails 1 env MYTCP_SACK=maybe "$MYTCP" --show-config 2>err
	grep -q 'sack cannot be "maybe"' err
}
register "--show-config" show_config

# The manual knows every setting, and the sysctl that it comes from.
manual() {
	needs_ours
	ours a --show-config >config
	for word in $(awk 'NR > 1 { print $1 }' config) $(grep -o 'net\.ipv[46]\.[a-z0-9_.]*' config | sed 's/.*\.//'); do
		grep -qw -- "$word" "$ROOT/tools/mytcp.1" || {
			echo "not in the manual: $word"
			return 1
		}
	done
}
register "the manual is complete" manual

# syn_options ARGS...: the options in the SYN of a connection made with these
# options of the launcher.
syn_options() {
	capture a pcap
	fails 1 ours a "$@" nc.openbsd -z $ADDR_B 9000
	capture_end
	tshark -r pcap -Y 'tcp.flags.syn == 1' -T fields -e tcp.option_kind 2>/dev/null
}

# SACK permitted is 4, window scale 3, timestamps 8 (RFC 2018, RFC 7323).
sysctls_on_the_wire() {
	needs_ours
	syn_options | grep -q '\<4\>'
	on a sysctl -q -w net.ipv4.tcp_sack=0 net.ipv4.tcp_window_scaling=0
	syn_options >got
	cat got
	grep -q '\<8\>' got
	fails 1 grep -q '\<[34]\>' got
	syn_options --set sack=on >got
	cat got
	grep -q '\<4\>' got
	on a sysctl -q -w net.ipv4.tcp_timestamps=0
	syn_options >got
	cat got
	fails 1 grep -q '\<8\>' got
}
register "sysctls change what we offer" sysctls_on_the_wire

# A socket that is made later has the settings of then, as the kernel's has.
later_sockets() {
	needs_ours
	unset MYTCP_CC # which would go before a sysctl
	on b python3 "$LIVE/later.py" "$B" >kernel
	ours a python3 "$LIVE/later.py" "$A" >ours
	cat ours
	same kernel ours
	expect 2 "$(wc -l <ours)" lines
}
register "sysctls that change while a program runs" later_sockets
