# shellcheck shell=bash
# The process that takes over a program's connections when that ends.

# files_of PID: what its fds are.
files_of() {
	find "/proc/$1/fd" -type l -printf '%l\n'
}

# Its memory is not the program's: there may be a lock in the way.
own_memory() {
	data file 3M
	start on b sh -c 'nc.openbsd -l 9000 -N <file >got'
	local peer=$STARTED
	wait_port 9000
	expect 0 "$(ours a env MYTCP_TRACE="$PWD/trace" "$BUILD/tests/live/mallocs" "$ADDR_B" 9000 file)"
	finish "$peer"
	same file got
}
register "the driver does not enter the program's malloc()" own_memory

# sink: what the peer gets, until it has seen the end, is in got.
sink() {
	start server nc.openbsd -l 9000 -d >got
	SINK=$STARTED
	wait_port 9000
}

# Ends with its input, without a word to its connection, and shows another title then, as
# daemons do.
send='
import ctypes, socket, sys
s = socket.create_connection((sys.argv[1], 9000))
for line in sys.stdin:
    s.sendall(line.encode())
name = ctypes.c_char_p.in_dll(ctypes.CDLL(None), "program_invocation_short_name")
ctypes.memset(ctypes.cast(name, ctypes.c_void_p), ord("x"), 3)'

# sender: this program with a connection; its standard input is fd 7.
sender() {
	mkfifo in
	sink
	exec 7<>in
	start client python3 -c "$send" "$SRV" <in 7>&-
	SENDER=$STARTED
	echo one >&7
	eventually grep -q one got
}

# Nothing of what it writes last arrives while it is there.
at_once() {
	sender
	rule b "tcp dport 9000 drop"
	echo two >&7
	exec 7>&-
	finish "$SENDER"
	expect one "$(cat got)"
	no_rules b
	finish "$SINK"
	expect "one two" "$(paste -sd' ' got)"
}
register "a program ends at once, its last bytes arrive later" at_once

# The shell waits for all who hold the pipe.
pipeline() {
	mkfifo in
	sink
	exec 7<>in
	echo "$send" >send.py
	start sh -c "ip netns exec $A $MYTCP python3 send.py $ADDR_B <in | cat" 7>&-
	local shell=$STARTED
	echo one >&7
	eventually grep -q one got
	rule b "tcp dport 9000 drop"
	echo two >&7
	exec 7>&-
	finish "$shell"
	eventually has_background a
	no_rules b
	finish "$SINK"
	expect "one two" "$(paste -sd' ' got)"
}
register "a pipeline ends with its programs" pipeline

# What there is to see of it, and how long.
looks() {
	export MYTCP_MSL_MS=1500
	sender
	exec 7>&-
	finish "$SENDER"
	local pid
	pid=$(the_background a)
	expect 1 "$(wc -w <<<"$pid")" "number of processes"
	expect "mytcp: connections of python3[$SENDER]" "$(tr -d '\0' <"/proc/$pid/cmdline")"
	expect mytcp "$(cat "/proc/$pid/comm")"
	[ "/proc/$pid/cwd" -ef "/proc/$pid/root" ]
	expect "$pid" "$(ps -o sid= -p "$pid" | tr -d ' ')" session
	expect "?" "$(ps -o tty= -p "$pid" | tr -d ' ')" terminal
	expect "" "$(files_of "$pid" | grep -E 'pipe:|/dev/|'"$PWD")" files
	# 32 and 33 are libc's own: whoever is started by posix_spawn() ignores them.
	expect 1000 "$(printf %x $((0x$(awk '/^SigIgn/ { print $2 }' "/proc/$pid/status") & ~0x180000000)))" "ignored signals"
	expect 0000000000000000 "$(awk '/^SigBlk/ { print $2 }' "/proc/$pid/status")" "blocked signals"
	expect 0000000000002400 "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")" capabilities
	expect 0000000000002400 "$(awk '/^CapPrm/ { print $2 }' "/proc/$pid/status")" capabilities
	expect 1 "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" "no new privileges"
	expect 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" "a filter of system calls"
	eventually no_background a
	expect "" "$(on a ss -Hltn)" guards
}
register "looks like what it is, and is gone after TIME-WAIT" looks

# The peer has closed first and there is nothing left to do.
not_needed() {
	start on b sh -c 'echo hello | nc.openbsd -l -N 9000'
	wait_port 9000
	expect hello "$(ours a sh -c "exec nc.openbsd -d $ADDR_B 9000")"
	no_background a
	ours a sh -c 'true'
	no_background a
}
register "nobody stays when nothing is left" not_needed

# The peer takes the last megabytes after the program has ended.
upload_end() {
	data file 100M
	cat >peer.py <<-END
		import hashlib, os, socket, sys, time
		l = socket.create_server(("", 9000))
		s, _ = l.accept()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
		h, n, size = hashlib.sha256(), 0, os.path.getsize("file")
		while b := s.recv(65536):
		    h.update(b)
		    n += len(b)
		    while n > size - (2 << 20) and not os.path.exists("ended"):
		        time.sleep(0.01)
		print(h.hexdigest())
	END
	start server python3 peer.py >sum
	local peer=$STARTED
	wait_port 9000
	fails 7 client python3 -c '
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
s.connect((sys.argv[1], 9000))
s.sendall(open("file", "rb").read())
sys.exit(7)' "$SRV"
	touch ended
	finish "$peer"
	expect "$(sha256sum <file | cut -d' ' -f1)" "$(cat sum)"
}
sides "100 MB, the last of them unsent when the program ends" upload_end 60

# With bytes that nobody acknowledges.
told_to_end() {
	export MYTCP_LINGER_MS=300
	sender
	rule b "tcp dport 9000 drop"
	echo two >&7
	exec 7>&-
	finish "$SENDER"
	kill -TERM "$(the_background a)"
	eventually no_background a
}
register "SIGTERM ends it, with some patience" told_to_end

# the_stack: of the processes in the background, the one whose child is the watcher.
the_stack() {
	local pid all
	all=$(background b)
	for pid in $all; do
		grep -qxF "$(ps -o ppid= -p "$pid" | tr -d ' ')" <<<"$all" || echo "$pid"
	done
}

is_another_stack() {
	local now
	now=$(the_stack)
	[ "$(wc -w <<<"$now")" = 1 ] && [ "$now" != "$1" ]
}

watched() {
	[ "$(background b | wc -w)" = 2 ]
}

# What a daemon left when it went into the background is told to end, or killed.
daemon_lives_on() {
	needs_ours
	local stack server
	ours b python3 -c '
import os, socket, threading
l = socket.create_server(("", 9000))
os.environ["MOVED"] = "x" * 5000  # the environment, to memory that goes with the program
done, ready = os.pipe()
if os.fork():
    os.read(done, 1)
    os._exit(0)
open("pid", "w").write(str(os.getpid()))
os.setuid(65534)  # not trusted to inherit (test_heir.sh)
os.write(ready, b"x")
def serve(s):
    while b := s.recv(100):
        s.sendall(b)
while True:
    threading.Thread(target=serve, args=(l.accept()[0],)).start()' &
	wait $!
	eventually watched
	stack=$(the_stack)
	start on a python3 -c '
import socket, sys
def echo(s):
    s.sendall(b"hello")
    assert s.recv(5) == b"hello"
old = socket.create_connection((sys.argv[1], 9000))
for line in sys.stdin:
    echo(old)
    echo(socket.create_connection((sys.argv[1], 9000)))
    print(line, flush=True)' "$ADDR_B" < <(
		echo first
		eventually grep -q first said
		kill -TERM "$stack"
		echo TERM
		eventually grep -q TERM said
		kill -KILL "$stack"
		eventually is_another_stack "$stack"
		echo KILL
		eventually grep -q KILL said
	) >said
	finish "$STARTED"
	expect "first TERM KILL" "$(xargs <said)"
	server=$(cat pid)
	kill -9 "$server"
	eventually no_background b
}
register "a daemon outlives its process in the background" daemon_lives_on

# It shares the program's memory: it may not do more than that.
watcher_user() {
	needs_ours
	start ours b python3 -c '
import os, socket, time
l = socket.create_server(("", 9000))
with open("ready", "w") as f:
    os.setgid(65534)
    os.setuid(65534)
    f.write("x")
time.sleep(20)'
	eventually test -s ready
	expect "65534 65534 mytcp" "$(ps -o uid=,gid=,comm= --ppid "$STARTED" | xargs)"
	stop "$STARTED"
}
register "the watcher is of the program's user" watcher_user

# A large program leaves a small process.
small() {
	sink
	ours a python3 -c "
import os, socket
keep = b'x' * (500 << 20)
s = socket.create_connection(('$ADDR_B', 9000))
s.sendall(b'hello')
os._exit(0)"
	finish "$SINK"
	local pss
	pss=$(awk '/^Pss:/ { print $2 }' "/proc/$(the_background a)/smaps_rollup")
	echo "$pss kB"
	[ "$pss" -lt 4096 ]
}
register "500 MB of Python leave some MB" small

# The ladder is complete before the program ends; the rest goes on without it.
trace_on_stderr() {
	export MYTCP_MSL_MS=1500
	sink
	echo hello | ours a env MYTCP_TRACE=- nc.openbsd -N "$ADDR_B" 9000 2>ladder
	finish "$SINK"
	grep -q 'FIN-WAIT-[12] -> TIME-WAIT' ladder
	expect "" "$(files_of "$(the_background a)" | grep ladder)"
	eventually no_background a
	fails 1 grep -q CLOSED$ ladder
}
register "a trace on standard error ends with the program" trace_on_stderr

trace_in_file() {
	export MYTCP_MSL_MS=500 MYTCP_TRACE=$PWD/ladder
	sink
	echo hello | ours a nc.openbsd -N "$ADDR_B" 9000
	finish "$SINK"
	eventually grep -q 'TIME-WAIT -> CLOSED' ladder
}
register "a trace in a file goes on" trace_in_file

# The files that it looks at are those of before.
chrooted() {
	sink
	mkdir root
	ours a python3 -c "
import os, socket
s = socket.create_connection(('$ADDR_B', 9000))
os.chroot('root')
s.sendall(b'hello')
os._exit(0)"
	finish "$SINK"
	expect hello "$(cat got)"
	[ "$(awk '/^Pss:/ { print $2 }' "/proc/$(the_background a)/smaps_rollup")" -lt 4096 ]
}
register "from a chroot" chrooted

# ---- where there can be nobody ------------------------------------------------

# alone CMD...: sends a file and exits; what it wrote arrives all the same.
alone() {
	data file 3M
	sink
	on a "$@" "$MYTCP" python3 -c "
import socket, sys
s = socket.create_connection(('$ADDR_B', 9000))
s.sendall(open('file', 'rb').read())"
	finish "$SINK"
	same file got
	no_background a
}

first_process() {
	needs_ours
	alone unshare --pid --fork
}
register "process 1 of a container waits for itself" first_process

no_processes() {
	needs_ours
	local user=$((100000 + $$))
	cp "$BUILD/libmytcp.so" "$MYTCP" . # where any user may read them
	MYTCP=$PWD/mytcp alone setpriv --reuid=$user --regid=$user --clear-groups --inh-caps=+net_raw \
		--ambient-caps=+net_raw prlimit --nproc=3
}
register "who may not fork waits for itself" no_processes

# ---- exec ---------------------------------------------------------------------

# The connection becomes the standard streams of another program.
exec_stdio() {
	start server python3 -c '
import socket
l = socket.create_server(("", 9000))
s, _ = l.accept()
s.sendall(b"question\n")
print(s.makefile().read(), end="")' >got
	local peer=$STARTED
	wait_port 9000
	client python3 -c '
import os, socket, sys
s = socket.create_connection((sys.argv[1], 9000))
s.sendall(b"python\n")
for fd in 0, 1:
    os.dup2(s.fileno(), fd)
try:
    os.execv("/bin/nothing", ["nothing"])
except FileNotFoundError:
    pass
try:
    os.execv("/etc/hostname", ["nothing"])
except OSError:
    s.sendall(b"still python\n")
os.execv("/bin/sh", ["sh", "-c", "read line; echo sh got $line"])' "$SRV"
	finish "$peer"
	expect "python still python sh got question" "$(paste -sd' ' got)"
}
sides "exec with a connection as standard streams, after one that failed" exec_stdio

# What closes on exec ends as by close(); where an open one ends, its bytes do not.
exec_cloexec() {
	sink
	client python3 -c '
import os, socket, sys
s = socket.create_connection((sys.argv[1], 9000))
s.sendall(b"x" * 1000000)
os.execlp("sleep", "sleep", "0.2")' "$SRV"
	finish "$SINK"
	expect 1000000 "$(stat -c %s got)"
}
sides "exec closes a connection" exec_cloexec

# fds_of WAY: what a program sees that was executed with a connection.
fds_of() {
	start on b nc.openbsd -l 9000 -d
	local peer=$STARTED
	wait_port 9000
	"$1" a python3 -c "
import os, socket
l = socket.create_server(('127.0.0.1', 9001))
s = socket.create_connection(('$ADDR_B', 9000))
os.set_inheritable(s.fileno(), True)
os.execvp('sh', ['sh', '-c', 'ls /proc/self/fd; ls /proc/\$\$/task | wc -w; wait; ps -o comm= --ppid \$\$'])" >"fds.$1"
	stop "$peer"
}

exec_fds() {
	needs_ours
	fds_of on
	fds_of ours
	same fds.on fds.ours
}
register "an executed program has the fds it would have" exec_fds

exec_wait() {
	sink
	ours a python3 -c "
import os, signal, socket
signal.signal(signal.SIGCHLD, signal.default_int_handler)
s = socket.create_connection(('$ADDR_B', 9000))
s.sendall(b'hello')
try:
    os.execv('/etc/hostname', ['nothing'])
except OSError:
    pass
for look in 1, 2:
    try:
        os.wait()
        raise SystemExit('a child')
    except ChildProcessError:
        pass
    if look == 1:
        s.close()
"
	finish "$SINK"
	expect hello "$(cat got)"
}
register "the program has no child, and no signal of one" exec_wait

# ---- other ends ---------------------------------------------------------------

last_thread() {
	sink
	expect atexit "$(client "$BUILD/tests/live/threads" "$SRV" 9000)"
	finish "$SINK"
	expect hello "$(cat got)"
}
sides "the last thread ends the process" last_thread

# A new user namespace wants one thread, a new network another stack.
namespaces() {
	unshare --user true || exit 77 # nobody may in a chroot
	for flag in 0x10000000 0x40000000; do
		sink
		client python3 -c '
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
s = socket.create_connection((sys.argv[1], 9000))
s.sendall(b"before ")
if libc.unshare(int(sys.argv[2], 0)) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
s.sendall(b"after")' "$SRV" $flag
		finish "$SINK"
		expect "before after" "$(cat got)"
	done
}
sides "unshare() of users and of the network" namespaces

# ---- killed -------------------------------------------------------------------

killed() {
	needs_ours
	MYTCP=$MYTCP on a python3 "$LIVE/kills.py" "${SEED:-1}" 200 127.0.0.1
}
register "killed 200 times under load, nothing is left" killed 200
