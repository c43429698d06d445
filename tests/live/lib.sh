# shellcheck shell=bash disable=SC2034 # variables for the tests
# lib.sh - what the live tests share: two hosts, sides, programs, checks.
#
# A test is a function. `both NAME FUNCTION` and `matrix NAME FUNCTION` register
# it: alone, or for every combination of who runs on our TCP and where. For each
# run there are two hosts, the network namespaces a and b, joined by a veth pair;
# server and client live on b and a, or both on a (loopback), and talk IPv4 or, in
# what `six` registers, IPv6. In the function
#
#     server CMD...   client CMD...   run it there, on our TCP or the kernel's
#     start CMD...    runs one of these in the background, pid in $STARTED
#     $SRV            the server's address as the client sees it; $URL_SRV in a URL
#     $V              4 or 6; $ANY, $URL_ANY: its "any" address
#
# It fails when a command fails (set -e). What it started is ended by pid, and
# the hosts are removed, whatever happens. The current directory is a new one.
#
# MYTCP: the launcher; set but empty, everything runs on the kernel's TCP, which
# shows whether a test itself is right.

# Debian's own programs, which other users may run too.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(cd "$ROOT" && realpath "${BUILD:-build}")
LIVE=$ROOT/tests/live
MYTCP=${MYTCP-$BUILD/mytcp}
FULL=${FULL-} # not empty: sizes as large as the promises are
CONGESTION=${CONGESTION:-cubic} # the hosts' congestion control
SYSCTLS=${SYSCTLS-} # more of their settings: "NAME=VALUE;NAME=VALUE"
A=mytcp-$$-a
B=mytcp-$$-b
R=mytcp-$$-r
ADDR_A=10.77.0.1
ADDR_B=10.77.0.2
ADDR6_A=fd77::1
ADDR6_B=fd77::2

CASES=() # "name|seconds|function|client|server|place"

# register NAME FUNCTION [SECONDS]: one run, our client and a kernel server.
register() {
	CASES+=("$1|${3:-30}|$2|ours|kernel|veth")
}

# matrix NAME FUNCTION [SECONDS]: every combination that has us in it.
matrix() {
	local pair place
	for place in veth lo; do
		for pair in "ours|kernel" "kernel|ours" "ours|ours"; do
			CASES+=("$1: client ${pair%|*}, server ${pair#*|}, $place|${3:-30}|$2|$pair|$place")
		done
	done
}

# six NAME FUNCTION [SECONDS]: over IPv6, with global and link-local addresses.
six() {
	local run
	for run in "ours|kernel|ll6" "kernel|ours|ll6" "ours|ours|veth6" "ours|kernel|lo6" "kernel|ours|lo6"; do
		set -- "$1" "$2" "${3:-30}" "${run%%|*}" "${run#*|}"
		CASES+=("$1: client $4, server ${5%|*}, ${run##*|}|$3|$2|$run")
	done
}

# sides NAME FUNCTION [SECONDS]: as matrix, across the veth pair only.
sides() {
	local pair
	for pair in "ours|kernel" "kernel|ours" "ours|ours"; do
		CASES+=("$1: client ${pair%|*}, server ${pair#*|}|${3:-30}|$2|$pair|veth")
	done
}

# ---- hosts ------------------------------------------------------------------

# What a new namespace takes from this host, or from how its kernel was built: the tests
# depend on these and on nothing that somebody has set here.
SETTINGS=(
	net.ipv6.conf.default.accept_dad=0 net.ipv6.bindv6only=0
	net.core.somaxconn=4096 net.ipv4.ip_default_ttl=64
	net.ipv4.ip_local_port_range="32768 60999" net.ipv4.ip_no_pmtu_disc=0
	net.ipv4.tcp_rmem="4096 131072 6291456" net.ipv4.tcp_wmem="4096 16384 4194304"
	net.ipv4.tcp_moderate_rcvbuf=1 net.ipv4.tcp_notsent_lowat=4294967295
	net.ipv4.tcp_timestamps=1 net.ipv4.tcp_window_scaling=1 net.ipv4.tcp_sack=1
	net.ipv4.tcp_dsack=1 net.ipv4.tcp_recovery=1 net.ipv4.tcp_frto=2 net.ipv4.tcp_ecn=2
	net.ipv4.tcp_fastopen=1 net.ipv4.tcp_mtu_probing=0 net.ipv4.tcp_base_mss=1024
	net.ipv4.tcp_slow_start_after_idle=1 net.ipv4.tcp_syncookies=1
	net.ipv4.tcp_max_syn_backlog=1024 net.ipv4.tcp_abort_on_overflow=0
	net.ipv4.tcp_syn_retries=6 net.ipv4.tcp_synack_retries=5
	net.ipv4.tcp_retries1=3 net.ipv4.tcp_retries2=15 net.ipv4.tcp_orphan_retries=0
	net.ipv4.tcp_fin_timeout=60 net.ipv4.tcp_tw_reuse=2 net.ipv4.tcp_rfc1337=0
	net.ipv4.tcp_keepalive_time=7200 net.ipv4.tcp_keepalive_intvl=75
	net.ipv4.tcp_keepalive_probes=9 net.ipv4.tcp_rto_min_us=200000
	net.ipv4.tcp_rto_max_ms=120000
)

# host NAMESPACE: whose IPv6 addresses are there as soon as they are given. An algorithm
# that this host keeps from its namespaces is at least ours.
host() {
	local more
	ip netns add "$1"
	ip netns exec "$1" sysctl -qew "${SETTINGS[@]}"
	ip netns exec "$1" sysctl -qw net.ipv4.tcp_congestion_control="$CONGESTION" 2>/dev/null ||
		export MYTCP_CC=$CONGESTION
	IFS=';' read -ra more <<<"$SYSCTLS"
	[ ${#more[@]} = 0 ] || ip netns exec "$1" sysctl -qw "${more[@]}"
}

net_up() {
	host "$A"
	host "$B"
	ip -n "$A" link add va type veth peer name vb netns "$B"
	ip -n "$A" address add $ADDR_A/24 dev va
	ip -n "$B" address add $ADDR_B/24 dev vb
	ip -n "$A" address add $ADDR6_A/64 dev va
	ip -n "$B" address add $ADDR6_B/64 dev vb
	for i in "$A lo" "$A va" "$B lo" "$B vb"; do
		ip -n "${i% *}" link set "${i#* }" up
	done
}

# router MTU: between the hosts, with a path so narrow behind it either way.
router() {
	local host
	host "$R"
	ip -n "$A" link delete va
	ip -n "$A" link add va type veth peer name ra netns "$R"
	ip -n "$B" link add vb type veth peer name rb netns "$R"
	for host in "$A a $ADDR_A" "$B b $ADDR_B"; do
		# shellcheck disable=SC2086 # three words
		set -- "$1" $host
		ip -n "$2" address add "$4/32" dev "v$3"
		ip -n "$R" address add "10.77.0.25$((${4##*.} + 2))/32" dev "r$3"
		ip -n "$2" link set "v$3" up
		ip -n "$R" link set "r$3" up
		ip -n "$2" route add default via "10.77.0.25$((${4##*.} + 2))" dev "v$3" onlink
		ip -n "$R" route add "$4/32" dev "r$3" mtu lock "$1"
	done
	ip netns exec "$R" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
}

net_down() {
	local ns pids
	for ns in "$A" "$B" "$R"; do
		# Again, while one of them forks faster than it is found.
		while pids=$(ip netns pids "$ns" 2>/dev/null) && [ -n "$pids" ]; do
			# shellcheck disable=SC2086 # a list of pids
			kill -9 $pids 2>/dev/null || true
		done
		ip netns delete "$ns" 2>/dev/null || true
	done
}

# on a|b CMD...: on that host, on the kernel's TCP.
EXEC=
on() {
	local ns=$A
	[ "$1" = a ] || ns=$B
	shift
	$EXEC ip netns exec "$ns" "$@"
}

# ours a|b CMD...: on that host, on our TCP.
ours() {
	local host=$1
	shift
	# shellcheck disable=SC2086 # no word when empty
	on "$host" $MYTCP "$@"
}

needs_ours() {
	[ -n "$MYTCP" ] || exit 77
}

# loss PERCENT: of all packets that arrive, on both hosts, at random. Before raw
# sockets and the kernel's TCP get to see them.
loss() {
	local host
	export MYTCP_LINGER_MS=60000 # so many losses in a row do happen
	for host in a b; do
		rule $host "numgen random mod 1000 < $(($1 * 10)) drop"
	done
}

# rule a|b RULE: an nftables rule for the packets that arrive there.
rule() {
	on "$1" nft "add table inet live"
	on "$1" nft "add chain inet live input { type filter hook input priority 0; }"
	on "$1" nft "add rule inet live input $2"
}

no_rules() {
	on "$1" nft "delete table inet live"
}

# ---- sides ------------------------------------------------------------------

# link_local HOST DEVICE: its address.
link_local() {
	on "$1" ip -6 -o address show dev "$2" scope link | awk '{ sub("/.*", "", $4); print $4 }'
}

side_setup() { # client server place
	CLIENT=$1 SERVER=$2 SRV_HOST=b SRV=$ADDR_B URL_SRV='' V=4 ANY=0.0.0.0 URL_ANY=0.0.0.0
	case $3 in lo*) SRV_HOST=a SRV=127.0.0.1 ;; esac
	case $3 in *6) V=6 ANY=:: URL_ANY='[::]' ;; esac
	case $3 in
	veth6) SRV=$ADDR6_B ;;
	lo6) SRV=::1 ;;
	ll6) SRV=$(link_local b vb)%va ;;
	esac
	if [ $V = 6 ]; then
		URL_SRV="[${SRV/\%/%25}]" # RFC 6874
	else
		URL_SRV=$SRV
	fi
}

client() {
	if [ "$CLIENT" = ours ]; then ours a "$@"; else on a "$@"; fi
}

server() {
	if [ "$SERVER" = ours ]; then ours $SRV_HOST "$@"; else on $SRV_HOST "$@"; fi
}

# start server|client|on|ours ARGS...: in the background. The subshell becomes
# the program, so that its pid is the program's.
start() {
	(
		EXEC="exec"
		"$@"
	) <&0 &
	STARTED=$!
}

# finish PID: waits for it; its exit status.
finish() {
	wait "$1"
}

# stop PID: ends it and waits.
stop() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# wait_port PORT [HOST]: until something listens there, not only the guard of
# connections that are left of another program, whose backlog is 0.
wait_port() {
	local i
	for ((i = 0; i < 200; i++)); do
		if on "${2:-$SRV_HOST}" ss -Hltn "sport = :$1" | awk '$3 > 0 { n++ } END { exit !n }'; then
			return 0
		fi
		sleep 0.05
	done
	echo "nothing listens on port $1"
	return 1
}

# eventually CMD...: retries for ten seconds.
eventually() {
	local i
	for ((i = 0; i < 100; i++)); do
		if "$@"; then
			return 0
		fi
		sleep 0.1
	done
	echo "never happened: $*"
	return 1
}

# proxy_conf WORKERS [LINE]: an nginx of www-data's at port 8080, before a server at port 8000
# of the other host.
proxy_conf() {
	cat <<-END
		user www-data;
		${2-}
		worker_processes $1;
		daemon off;
		pid $PWD/pid;
		error_log $PWD/error.log;
		events {}
		http {
			access_log off;
			client_body_temp_path $PWD/tmp;
			proxy_temp_path $PWD/tmp;
			fastcgi_temp_path $PWD/tmp;
			uwsgi_temp_path $PWD/tmp;
			scgi_temp_path $PWD/tmp;
			server { listen 8080; location / { proxy_pass http://$ADDR_A:8000/; } }
		}
	END
}

# ---- what goes on in the background ----------------------------------------------

# background HOST: the pids of those that are there.
background() {
	local ns=$A pid
	[ "$1" = a ] || ns=$B
	for pid in $(ip netns pids "$ns"); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '^mytcp: connections of ' || echo "$pid"
	done
}

has_background() {
	[ -n "$(background "$1")" ]
}

# the_background HOST: the pid of one that comes about now.
the_background() {
	eventually has_background "$1" && background "$1"
}

no_background() {
	! has_background "$1"
}

# ---- data and checks --------------------------------------------------------

# data FILE SIZE: random bytes.
data() {
	head -c "$2" /dev/urandom >"$1"
}

same() {
	cmp "$1" "$2"
}

fails() { # STATUS CMD...
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ $got = "$want" ] || {
		echo "exit status $got instead of $want: $*"
		return 1
	}
}

# expect WANT GOT [WHAT]
expect() {
	[ "$1" = "$2" ] || {
		echo "${3:-value}: expected '$1', got '$2'"
		return 1
	}
}

# ---- captures ---------------------------------------------------------------

# capture HOST FILE [FILTER]: from now on; CAPTURE is its pid.
capture() {
	local dev=va
	[ "$1" = a ] || dev=vb
	start on "$1" tcpdump -Z root -i $dev -B 16384 -s 128 -U --immediate-mode -w "$2" "${3:-tcp}" 2>"$2.log"
	CAPTURE=$STARTED
	eventually grep -q 'listening on' "$2.log"
}

capture_end() {
	sleep 0.3
	stop "$CAPTURE"
}

# fields FILE FILTER FIELD...: one line per matching packet, blank separated.
fields() {
	local file=$1 filter=$2 f args=()
	shift 2
	for f in "$@"; do args+=(-e "$f"); done
	tshark -r "$file" -o tcp.desegment_tcp_streams:FALSE -o tcp.relative_sequence_numbers:TRUE \
		-Y "$filter" -T fields -E separator=' ' "${args[@]}" 2>/dev/null
}
