# shellcheck shell=bash
# Many connections through one process.

# hold COUNT: connections, open at once, each echoing a few bytes twice.
hold() {
	start server bash -c "ulimit -n 20000; exec python3 '$LIVE/many.py' server 9000"
	wait_port 9000
	client bash -c "ulimit -n 20000; exec python3 '$LIVE/many.py' client '$SRV' 9000 $1"
}

many_5000() { hold 5000; }
sides "5000 connections at once" many_5000 90

# Each opened and closed before the next.
sequential() {
	start server python3 "$LIVE/many.py" server 9000
	wait_port 9000
	client python3 "$LIVE/many.py" sequence "$SRV" 9000 1000
}
sides "1000 connections one after the other" sequential 60

# More at once than the backlog holds: they are answered by SYN cookies, and whose ACK
# finds no room tries again. None is reset.
short_backlog() {
	start server python3 "$LIVE/burst.py" server 9000 16
	wait_port 9000
	client python3 "$LIVE/burst.py" client "$SRV" 9000 100
}
matrix "100 connections at once to a backlog of 16" short_backlog 60
six "100 connections at once to a backlog of 16" short_backlog 60

# A select() program's fds stay small: the stack's own are not among them.
select_small() {
	client python3 -c '
import os, select, socket
def fds(): return {int(f) for f in os.listdir("/proc/self/fd")}
before = fds()
listener = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(listener.getsockname())
s, _ = listener.accept()
ours = {listener.fileno(), c.fileno(), s.fileno()}
low = {f for f in fds() - before if f < 1000}
assert len(low) == 3, low
assert ours <= low | before, (ours, low)
assert max(ours) < 20, ours
assert select.select([s], [c], [], 0) == ([], [c], [])
c.send(b"x")
assert select.select([s], [], [], 5) == ([s], [], [])'
}
register "select() and small fd numbers" select_small
