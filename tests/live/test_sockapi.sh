# shellcheck shell=bash
# The socket calls on our TCP say what they say on the kernel's. The cases are in
# tests/sockapi. SOCKAPI=PATTERN: only these cases.
SOCKAPI=${SOCKAPI-*}
PROGRAM=$BUILD/tests/sockapi/sockapi

# log NAME ours|on ours|on client|server HERE THERE: who runs the program, who the peer.
log() {
	local host=a peer
	[ "$5" = "$6" ] || host=b
	start "$3" $host "$PROGRAM" peer "$PWD/$1.control"
	peer=$STARTED
	eventually test -S "$1.control"
	"$2" a "$PROGRAM" run "$PWD/$1.control" "$4" "$5" "$6" "$SOCKAPI" >"$1"
	stop "$peer"
}

# pairs HERE THERE: the logs, in every constellation, and the names of the pairs.
pairs() {
	local role name=${1//:/_} # a colon stands between the logs of a pair
	PAIRS=()
	for role in client server; do
		log "kernel-$role-$name" on on $role "$1" "$2"
		log "ours-$role-$name" ours on $role "$1" "$2"
		PAIRS+=("kernel-$role-$name:ours-$role-$name")
	done
	log "both-$name" ours ours client "$1" "$2"
	PAIRS+=("kernel-client-$name:both-$name")
}

same_answers() { # HERE THERE
	unset MYTCP_CC # both sides say what the namespace's default is
	on a sysctl -q -w net.ipv4.tcp_fastopen=3
	on b sysctl -q -w net.ipv4.tcp_fastopen=3
	# Without an IPv6 address: what that looks like is compared too.
	case $1 in *:*) ;; *) on a sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 ;; esac
	pairs "$1" "$2"
	"$ROOT/tests/sockapi/compare.py" "$ROOT/README.md" "${PAIRS[@]}"
}

over_loopback() {
	same_answers 127.0.0.1 127.0.0.1
}
register "as the kernel's, on loopback" over_loopback 300

# Frames to these go nowhere: connect() waits for as long as it is allowed to.
silent_neighbours() {
	ip -n "$A" neighbour add "${ADDR_B%.*}.99" lladdr 02:00:00:00:00:99 nud permanent dev va
	ip -n "$A" neighbour add "${ADDR6_B%:*}:99" lladdr 02:00:00:00:00:99 nud permanent dev va
}

over_a_link() {
	silent_neighbours
	same_answers "$ADDR_A" "$ADDR_B"
}
register "as the kernel's, across a link" over_a_link 300

over_loopback6() {
	same_answers ::1 ::1
}
register "as the kernel's, on loopback, IPv6" over_loopback6 300

over_a_link6() {
	silent_neighbours
	same_answers "$ADDR6_A" "$ADDR6_B"
}
register "as the kernel's, across a link, IPv6" over_a_link6 300
