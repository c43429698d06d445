# shellcheck shell=bash
# Another user of the host, at every AF_UNIX name that the victims have: their clients get
# every answer. Also as on a kernel that lets strangers send fds along.

ATTACK_S=2
PATIENCE_S=15 # of the clients; what lingers does so for a minute

stranger() { # ARG...
	start on b setpriv --reuid=65534 --regid=65534 --clear-groups \
		python3 "$LIVE/stranger.py" "$@" >>through
}

# All that our processes on b have open.
fds() {
	local pid
	for pid in $(ip netns pids "$B"); do
		find /proc/"$pid"/task/*/fd -type l 2>/dev/null
	done | wc -l
}

# Beside ports that connections have used meanwhile, 16 as each of three threads has them.
fds_are_back() {
	[ "$(fds)" -lt $((FDS + 3 * 16)) ]
}

# Until N attackers are done, and ten times more. Every request must be answered.
ask_during() { # URL N
	local more=10
	: >answers
	: >asked
	while [ $more -gt 0 ]; do
		[ "$(wc -l <through)" -lt "$2" ] || more=$((more - 1))
		echo >>asked
		$ASK "$1" >>answers
	done
	expect "$(wc -l <asked)" "$(grep -c hello answers)" "answers"
}

ask_page() {
	on a curl -sS -m $PATIENCE_S "http://$1/page"
}

ask_hello() {
	echo hi | on a nc.openbsd -w $PATIENCE_S "${1%:*}" "${1#*:}"
}

# One attack after the other, each by two.
under_siege() { # URL
	local what one
	FDS=$(fds)
	local notes=''
	for what in loop garbage linger hold; do
		: >through
		stranger $what "$ATTACK_S"
		one=$STARTED
		stranger $what "$ATTACK_S"
		ask_during "$1" 2
		stop "$one"
		stop "$STARTED"
		eventually fds_are_back
		notes+=" $(wc -l <asked) during $what"
		echo "$what: $(xargs <through)"
	done
	echo "note:$notes"
}

# Somebody keeps TIME-WAITs, too: root's, in the background.
leave_a_keeper() {
	start on a socat TCP-LISTEN:9100,fork,reuseaddr PIPE
	wait_port 9100 a
	echo x | MYTCP_MSL_MS=20000 ours b nc.openbsd -N -w 10 "$ADDR_A" 9100
	stop "$STARTED"
}

besieged() { # HOW
	needs_ours
	ASK=ask_hello
	leave_a_keeper
	MYTCP_MSL_MS=200 start on b $OLD "$MYTCP" python3 "$LIVE/besieged.py" "$1" "$ADDR_B" 9000
	local server=$STARTED
	wait_port 9000 b
	under_siege "$ADDR_B:9000"
	stop "$server"
}

polls() {
	OLD='' besieged polls
}
register "workers that poll" polls 60

polls_old() {
	OLD=$BUILD/tests/live/oldkernel besieged polls
}
register "workers that poll, before Linux 6.16" polls_old 60

waits_old() {
	OLD=$BUILD/tests/live/oldkernel besieged waits
}
register "workers in accept(), before Linux 6.16" waits_old 60

# Its workers hold the names of spare sets.
proxy() {
	needs_ours
	ASK=ask_page
	mkdir -m 777 web tmp
	echo hello >web/page
	proxy_conf 1 "env MYTCP_MSL_MS;" >nginx.conf
	start on a python3 -m http.server --directory web 8000
	MYTCP_MSL_MS=200 start on b $OLD "$MYTCP" nginx -c "$PWD/nginx.conf"
	local server=$STARTED
	wait_port 8000 a
	wait_port 8080 b
	ask_page "$ADDR_B:8080"
	under_siege "$ADDR_B:8080"
	stop "$server"
}

proxy_new() {
	OLD='' proxy
}
register "nginx as a proxy" proxy_new 60

proxy_old() {
	OLD=$BUILD/tests/live/oldkernel proxy
}
register "nginx as a proxy, before Linux 6.16" proxy_old 60

in_background() {
	local pid
	for pid in $(ip netns pids "$B"); do
		tr '\0' ' ' <"/proc/$pid/cmdline" | grep '^mytcp: ' || true
	done
}

# The door at port 9000 and the keeper of root's are his: the port is had all the same, and
# each program keeps its own TIME-WAITs.
squatter() {
	needs_ours
	local i
	: >through
	stranger squat 0 9000
	eventually grep -q squats through
	start ours b python3 "$LIVE/besieged.py" polls "$ADDR_B" 9000
	wait_port 9000 b
	start on a socat TCP-LISTEN:9100,fork,reuseaddr PIPE
	wait_port 9100 a
	for i in 1 2 3; do
		expect hello "$(ask_hello "$ADDR_B:9000")"
		expect "$i" "$(echo "$i" | MYTCP_MSL_MS=20000 ours b nc.openbsd -N -w 10 "$ADDR_A" 9100)"
	done
	expect 3 "$(in_background | wc -l)"
}
register "who takes names before others do" squatter

# Without the library's own processes, which are named otherwise.
pythons() {
	local pid
	for pid in $(ip netns pids "$B"); do
		grep -q python "/proc/$pid/comm" && echo "$pid"
	done
}

# The server is killed; whoever takes its listener's name has neither its connections nor
# its port.
heir() {
	needs_ours
	local victims
	for _ in 1 2 3; do
		: >through
		start ours b python3 "$LIVE/besieged.py" polls "$ADDR_B" 9000
		wait_port 9000 b
		expect hello "$(ask_hello "$ADDR_B:9000")"
		mapfile -t victims < <(pythons)
		stranger inherit
		eventually grep -q waits through
		kill -9 "${victims[@]}"
		eventually grep -q listens through
		echo hi | on a nc.openbsd -N -w 2 "$ADDR_B" 9000 >got || true
		expect "" "$(cat got)"
		fails 1 grep "stole b'hi" through
		stop "$STARTED"
	done
}
register "who takes a name after others" heir 60
