# shellcheck shell=bash
# Sockets that several processes share: forked, exec'ed, passed on.

fork_case() {
	CASE=${1#fork_}
	ours a python3 "$LIVE/fork.py" "$CASE"
}
for c in listens connects finishes_connect options shuts_down per_connection prefork \
	cloned daemon shared freed without_privileges executed passed received \
	without_fds killed; do
	eval "fork_$c() { fork_case $c; }"
	register "sockets of another process: $c" fork_$c 60
done


# echoes SERVER...: each of two connections gets back what it sent.
NC=(nc.openbsd -N)
echoes() {
	local i
	start server "$@"
	wait_port 9000
	for i in 1 2; do
		expect "hello $i" "$(echo "hello $i" | client "${NC[@]}" "$SRV" 9000)"
	done
	stop "$STARTED"
}

inetd() {
	echoes socat TCP-LISTEN:9000,fork,reuseaddr EXEC:cat,nofork
}
sides "inetd style: socat runs cat on the socket" inetd

inetd_static() {
	echoes socat TCP-LISTEN:9000,fork,reuseaddr EXEC:"$BUILD/tests/live/inetd",nofork
}
sides "inetd style: a static handler" inetd_static

# It takes the client's FIN for the end of all, so there is none.
ncat_e() {
	NC=(nc.openbsd)
	echoes ncat -l 9000 -k -c 'head -n 1'
}
sides "ncat -k -c" ncat_e

socat_fork() {
	echoes socat TCP-LISTEN:9000,fork,reuseaddr SYSTEM:cat
}
sides "socat: fork for each connection" socat_fork

from_inside() {
	start server python3 "$LIVE/pidns.py" "$SRV" 9000 2
	wait_port 9000
	for _ in 1 2; do
		expect hello "$(echo hello | client nc.openbsd -N -w 10 "$SRV" 9000)"
	done
	finish "$STARTED"
}
sides "a listener that comes out of a PID namespace" from_inside
