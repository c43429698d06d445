# shellcheck shell=bash
# Programs that give up their privileges, before or after their first TCP socket.

ORDERS="uid socket,uid euid,socket caps chroot chroot,uid uid,loop uid,range uid,fork
	fork,uid,fork socket,uid,fork uid,daemon chroot,caps,daemon,loop socket,range,uid,range
	listen,exec,fork,uid,nproc socket,uid,nproc"

echo_server() {
	start "$1" socat TCP-LISTEN:9000,fork,reuseaddr EXEC:cat
}

clients() {
	local order
	echo_server server
	wait_port 9000
	for order in $ORDERS; do
		client python3 "$LIVE/drop.py" "$order" client "$SRV" 9000
	done
}
register "clients that drop privileges" clients 120

servers() {
	local order port=9000
	data file 1M
	for order in $ORDERS; do
		port=$((port + 1))
		start ours b python3 "$LIVE/drop.py" "$order" server "$ADDR_B" $port
		wait_port $port b
		on a nc.openbsd -N -w 10 "$ADDR_B" $port <file >got
		same file got
	done
}
register "servers that drop privileges" servers 120

# Whose users are at the moment does not decide who is let in.
jail() {
	local who
	data file 100K
	for who in p c b; do
		start server "$BUILD/tests/live/jail" $who "$SRV" 9000 5
		wait_port 9000
		for _ in 1 2 3 4 5; do
			client nc.openbsd -N -w 10 "$SRV" 9000 <file >got
			same file got
		done
		finish "$STARTED"
	done
}
sides "a worker and its manager are other users" jail 60

# Children that may call read, write, close and _exit, or else die.
sandboxed() {
	local how
	data file 300K
	for how in filter number strict; do
		start server "$BUILD/tests/live/sandboxed" 9000 2 $how
		wait_port 9000
		for _ in 1 2; do
			client nc.openbsd -N -w 10 "$SRV" 9000 <file >got
			same file got
		done
		finish "$STARTED"
	done
}
sides "children under seccomp" sandboxed

# Workers of www-data's, that have connections of their own to the server behind them.
proxy() {
	needs_ours
	mkdir -m 777 web tmp
	data web/file 3M
	proxy_conf 2 >nginx.conf
	start on a python3 -m http.server --directory web 8000
	start ours b nginx -c "$PWD/nginx.conf"
	wait_port 8000 a
	wait_port 8080 b
	for _ in 1 2 3 4; do
		on a curl -sSf -m 10 -o got "http://$ADDR_B:8080/file"
		same got web/file
	done
	stop "$STARTED"
}
register "workers that proxy" proxy

# The trace's file is opened before it is out of reach.
trace_from_chroot() {
	needs_ours
	echo_server server
	wait_port 9000
	mkdir jail
	chmod 700 .
	(
		cd jail || exit
		$EXEC ip netns exec "$A" "$MYTCP" --trace="$OLDPWD/ladder" \
			python3 "$LIVE/drop.py" chroot,uid client "$SRV" 9000
	)
	chmod 755 .
	grep -q 'SYN-SENT -> ESTABLISHED' ladder
}
register "trace from a chroot" trace_from_chroot

# Nothing to lose: each process opens its own.
ambient() {
	needs_ours
	cp "$LIVE/drop.py" "$BUILD/libmytcp.so" "$MYTCP" .
	chmod 755 ./*
	echo_server server
	wait_port 9000
	on a setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_raw \
		--ambient-caps=-all,+net_raw ./mytcp python3 drop.py fork,fork,caps client "$SRV" 9000
}
register "an unprivileged user with CAP_NET_RAW" ambient
