# shellcheck shell=bash
# The process that goes on running owns its listener's stack.

PORT=9000

# ask TEXT: the server's answer.
ask() {
	echo "$1" | on a nc.openbsd -N -w 5 $ADDR_B "$PORT"
}

# answered TEXT [PID]: by the server, or that process of it, on a connection that is ESTABLISHED
# or has seen the FIN.
answered() {
	[[ $(ask "$1") =~ ^"$1"\ [18]\ ${2-$(cat pid)}$ ]]
}

# Somebody has to accept before it is seen that the parent is gone.
alone() {
	answered "anybody there" "$@" && no_background b
}

# goes HOW: a server of heir.py goes into the background in that way.
goes() {
	needs_ours
	ours b python3 "$LIVE/heir.py" "$1"
	eventually test -s pid
}

ends() {
	kill -9 "$(cat pid)"
	eventually no_background b
}

# Some are taken over from before they are killed, too.
no_background_any_more() {
	local pids
	pids=$(background b | sort -rn)
	# shellcheck disable=SC2086 # pids
	[ -z "$pids" ] || ! kill -9 $pids
}

# serves HOW: it has its stack after that, and nobody is reset meanwhile.
serves() {
	local i
	capture a cap
	goes "$1"
	eventually no_background b
	for i in 1 2 3 4 5 6 7 8 9 10; do
		answered "number $i"
	done
	no_background b
	capture_end
	expect "" "$(fields cap "tcp.flags.reset == 1" frame.number)" "resets"
	ends
}

by_setsid() { serves setsid; }
register "fork and setsid()" by_setsid
by_daemon() { serves daemon; }
register "daemon() after listen()" by_daemon
by_late() { serves late; }
register "daemon() before listen()" by_late
by_epoll() { serves polls; }
register "who waits in epoll_wait()" by_epoll

# Those see only when they accept that their parent is gone.
by_fork() {
	goes orphan
	eventually alone
	answered again
	ends
}
register "fork alone" by_fork
by_two_forks() {
	goes double
	eventually alone
	answered again
	ends
}
register "fork, setsid(), fork" by_two_forks

drops_root() {
	goes drops
	eventually no_background b
	answered one
	expect 65534 "$(stat -c %u "/proc/$(cat pid)")"
	ends
}
register "a daemon that gives up root" drops_root

# The workers ask their master, who answers for the stack that it has inherited.
workers() {
	goes prefork
	eventually alone '[0-9]+'
	for i in 1 2 3 4 5 6 7 8 9 10; do
		answered "number $i" '[0-9]+'
	done
	pkill -9 -s "$(cat pid)"
	eventually no_background b
}
register "workers of another user" workers

# What is left behind for a connection may be killed.
connections_stay() {
	needs_ours
	start ours b python3 "$LIVE/heir.py" shared
	local server=$STARTED
	wait_port 9000
	mkfifo in
	exec 7<>in
	start on a nc.openbsd $ADDR_B 9000 <in >out 7>&-
	finish "$server"
	echo one >&7
	eventually grep -q 'one 1' out
	eventually answered one
	has_background b
	echo two >&7
	eventually grep -q 'two 1' out
	eventually no_background_any_more
	eventually no_background b
	answered three
	exec 7>&-
	stop "$STARTED"
	ends
}
register "connections stay where they are" connections_stay

# The first process ends, and the second inherits, while many connect.
under_load() {
	needs_ours
	mkfifo in load
	exec 7<>in 8<>load
	start ours b python3 "$LIVE/heir.py" waits <in 7>&- 8>&-
	local server=$STARTED
	wait_port 9000
	eventually test -s pid
	start on a python3 "$LIVE/heir_load.py" $ADDR_B <load >n 7>&- 8>&-
	local load=$STARTED
	sleep 0.5
	exec 7>&-
	finish "$server"
	sleep 0.5
	eventually answered one
	exec 8>&-
	finish "$load"
	echo "note: $(cat n) connections"
	eventually no_background b
	answered two
	ends
}
register "under load" under_load

# stack_of PID: the processes that have its stack: itself, and its watcher.
stack_of() {
	echo "$1"
	ps -o pid= --ppid "$1" | while read -r pid; do
		[ "$(cat "/proc/$pid/comm")" != mytcp ] || echo "$pid"
	done
}

# An heir is there, and not asked.
all_killed() {
	needs_ours
	mkfifo in
	exec 7<>in
	start ours b python3 "$LIVE/heir.py" waits <in 7>&-
	eventually test -s pid
	eventually answered one
	# shellcheck disable=SC2046 # pids
	kill -9 $(stack_of "$STARTED")
	eventually answered two
	answered three
	no_background b
	ends
}
register "the stack is killed, an heir makes the listener anew" all_killed

has_driver() {
	cat "/proc/$1/task/"*/comm | grep -qx mytcp
}

# Of another user: what is in the background stays there, until it is killed.
not_trusted() { # PORT
	needs_ours
	PORT=$1
	ours b python3 "$LIVE/heir.py" other "$1"
	eventually test -s pid
	eventually answered one
	answered two
	has_background b
	! has_driver "$(cat pid)"
	eventually no_background_any_more
}

another_user() {
	not_trusted 9000
	eventually answered three
	no_background b
	has_driver "$(cat pid)"
	ends
}
register "another user does not inherit, but goes on" another_user

may_not_bind() {
	not_trusted 80
	eventually test -s said
	expect "Invalid argument" "$(cat said)"
}
register "who waits in accept() is told" may_not_bind

nginx_reload() {
	needs_ours
	local i
	mkdir www
	echo hello >www/index.html
	cat >nginx.conf <<-END
		user nobody nogroup;
		worker_processes 2;
		pid $PWD/pid;
		error_log $PWD/errors;
		events {}
		http { access_log off; server { listen 9000; listen [::]:9000; root $PWD/www; } }
	END
	ours b nginx -p "$PWD" -c "$PWD/nginx.conf"
	eventually test -s pid
	eventually no_background b
	capture a cap
	for i in 1 2; do
		expect 100 "$(on a curl -sS -H 'Connection: close' "http://$ADDR_B:9000/?[1-100]" | grep -cx hello)"
		ours b nginx -p "$PWD" -c "$PWD/nginx.conf" -s reload
	done
	expect hello "$(on a curl -sS "http://[$ADDR6_B]:9000/")"
	capture_end
	expect "" "$(fields cap "tcp.flags.reset == 1" frame.number)" "resets"
	eventually no_background b
	kill -QUIT "$(cat pid)"
}
register "nginx with workers, and reloaded" nginx_reload 60

dropbear_daemon() {
	needs_ours
	dropbearkey -t ed25519 -f key >/dev/null
	ours b dropbear -r key -p 9000 -P "$PWD/pid"
	eventually no_background b
	[[ $(ask hello) == SSH-2.0-dropbear* ]]
	eventually no_background b
}
register "dropbear" dropbear_daemon
