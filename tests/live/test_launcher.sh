# shellcheck shell=bash
# The launcher: what it refuses, in one line each, and what it hands on.

# refuses STATUS WORDS ARGS...: one line on standard error with these words.
refuses() {
	local status=$1 words=$2
	shift 2
	fails "$status" ours a "$@" 2>err
	expect 1 "$(wc -l <err)" "lines on standard error"
	grep -E "^mytcp: .*$words" err
}

launcher_options() {
	needs_ours
	ours a --help >help
	grep -q 'usage: mytcp' help
	grep -q 'msl_ms *30000' help
	grep -q -- '--show-config' help
	ours a --version | grep -E '^mytcp [0-9]+\.[0-9]+\.[0-9]+$'
	refuses 1 'unknown option --nothing; possible: --trace' --nothing true
	refuses 1 'no PROGRAM' --trace
	refuses 1 'NAME=VALUE' --set
	refuses 1 'NAME=VALUE' --set msl_ms true
	refuses 1 'no setting "nothing"; there are: .*msl_ms' --set nothing=1 true
	refuses 1 'sack cannot be "2"; possible: on, off' --set sack=2 true
	refuses 1 'msl_ms cannot be "x"; possible: 1 to' --set=msl_ms=x true
	MYTCP_SACK=2 refuses 1 'sack cannot be "2"' true
	refuses 1 'cannot write the trace' --trace=/nowhere/file true
}
register "options" launcher_options

launcher_programs() {
	needs_ours
	refuses 127 'no such program' no-such-program
	refuses 127 'No such file' ./no-such-program
	refuses 126 'Permission denied' /etc/passwd
	refuses 126 'not a program' /etc
	cp /bin/true plain
	ours a ./plain
	misfits
	refuses 1 'is setuid' ./suid
	refuses 1 'is setgid' ./sgid
	refuses 1 'statically linked' ./static
	printf '#!%s/static\n' "$PWD" >script && chmod +x script
	refuses 1 'statically linked' ./script
	printf '#!/no/interpreter\n' >script2 && chmod +x script2
	refuses 127 'interpreter /no/interpreter' ./script2
	printf '\177ELF' >broken && chmod +x broken
	refuses 126 'truncated' ./broken
	echo 'exit 9' >bare && chmod +x bare
	fails 9 ours a ./bare
	printf '#!/bin/sh\nexit 8\n' >script3 && chmod +x script3
	fails 8 ours a ./script3
}
register "programs it refuses and programs it runs" launcher_programs 120

launcher_exec() {
	needs_ours
	fails 5 ours a sh -c 'exit 5'
	fails 137 ours a sh -c 'kill -9 $$'
	expect "a b" "$(echo 'a b' | ours a cat)"
	start ours a sleep 100
	eventually grep -q sleep "/proc/$STARTED/comm"
	stop "$STARTED"
	[ "$(ours a printenv LD_PRELOAD)" = "$BUILD/libmytcp.so" ]
	gcc -shared -fPIC -x c /dev/null -o "$PWD/other.so"
	LD_PRELOAD=$PWD/other.so ours a printenv LD_PRELOAD >preload
	expect "$BUILD/libmytcp.so:$PWD/other.so" "$(cat preload)"
	cp other.so libtsan.so.2
	cp other.so libclang_rt.asan.so
	LD_PRELOAD=$PWD/libtsan.so.2 ours a printenv LD_PRELOAD >preload
	expect "$PWD/libtsan.so.2:$BUILD/libmytcp.so" "$(cat preload)"
	LD_PRELOAD="$PWD/libtsan.so.2 $PWD/libclang_rt.asan.so:$PWD/other.so" ours a printenv LD_PRELOAD >preload
	expect "$PWD/libtsan.so.2 $PWD/libclang_rt.asan.so:$BUILD/libmytcp.so:$PWD/other.so" "$(cat preload)"
	LD_PRELOAD=$PWD/other.so:$PWD/libtsan.so.2 ours a printenv LD_PRELOAD >preload
	expect "$BUILD/libmytcp.so:$PWD/other.so:$PWD/libtsan.so.2" "$(cat preload)"
	expect 20 "$(ours a --set msl_ms=20 printenv MYTCP_MSL_MS)"
	expect "$PWD/t" "$(ours a --trace=t printenv MYTCP_TRACE)"
	expect - "$(ours a --trace printenv MYTCP_TRACE)"
	fails 1 ours a -- false
}
register "the program is itself: status, signals, streams, environment" launcher_exec

# misfits: programs that the library cannot be in, one of each kind, each of which
# exits with status 0; and two for which root keeps its rights.
MISFITS='static static-pie go go-stripped musl suid sgid script'
misfits() {
	echo 'int main(void) { return 0; }' >main.c
	gcc -static main.c -o static
	gcc -static-pie main.c -o static-pie
	musl-gcc main.c -o musl
	go_program go 'package main; import _ "net"; func main() {}'
	objcopy --remove-section .note.go.buildid go go-stripped
	cp /bin/true suid && chown 65534 suid && chmod u+s suid
	cp /bin/true sgid && chgrp 65534 sgid && chmod g+s sgid
	printf '#!%s/static\n' "$PWD" >script && chmod +x script
	cp /bin/true own && chmod u+s,g+s own
	# of another word size, and unreadable: not to be run here
	cp /bin/true alien && printf '\1' | dd of=alien bs=1 seek=4 conv=notrunc status=none
}

# go_program FILE TEXT: linked with libc, as Go does by itself for package net. Its
# library is compiled once.
go_program() {
	echo "$2" >"$1.go"
	GOCACHE=$BUILD/go-cache GO111MODULE=off CGO_ENABLED=1 go build -o "$1" "$1.go"
	readelf -l "$1" | grep -q 'program interpreter'
}

launcher_allows() {
	needs_ours
	misfits
	for i in $MISFITS; do
		refuses 1 "(libc|setuid|setgid|glibc|linked).*, or --allow-kernel" "./$i"
		ours a --allow-kernel "./$i" 2>err
		expect 1 "$(wc -l <err)" "lines of $i"
		grep -E "^mytcp: .*; it uses the kernel's TCP" err
	done
	ours a ./own 2>err
	ours a /lib64/ld-linux-x86-64.so.2 /bin/true 2>>err
	expect "" "$(cat err)"
	refuses 1 'word size' ./alien
	# only the bits that count: no_new_privs takes them away
	ours a setpriv --no-new-privs sh -c ./suid 2>err
	expect "" "$(cat err)"
}
register "--allow-kernel: programs that the library cannot be in" launcher_allows 120

# A shell under the library is asked for each of them; and for none, if it takes the
# library out of the environment.
launcher_children() {
	needs_ours
	misfits
	for i in $MISFITS alien; do
		fails 126 ours a sh -c "./$i" 2>err
		expect 1 "$(grep -cE '^mytcp: .*, or --allow-kernel \(MYTCP_ALLOW_KERNEL=on\)$' err)" "$i"
	done
	for i in $MISFITS; do
		ours a --allow-kernel sh -c "./$i" 2>err
		expect "mytcp 1" "$(cut -d : -f 1 err) $(wc -l <err)"
		ours a sh -c "MYTCP_ALLOW_KERNEL=on ./$i" 2>err
		grep -q "it uses the kernel's TCP" err
		ours a env -u LD_PRELOAD "./$i" 2>err
		expect "" "$(cat err)"
		MYTCP_ALLOW_KERNEL=on fails 126 ours a sh -c "MYTCP_ALLOW_KERNEL=off ./$i" 2>err
	done
	ours a sh -c './own && ldd /bin/true' 2>err
	expect "" "$(cat err)"
}
register "children: programs that the library cannot be in" launcher_children 120

ways='
import ctypes, os, subprocess, sys
path, want = os.path.abspath(sys.argv[1]), int(sys.argv[2])
os.environ["PATH"] = "/nowhere:" + os.path.dirname(path)
os.environb[b"A"] = b"b"
name, libc = os.path.basename(path), ctypes.CDLL(None, use_errno=True)
argv = (ctypes.c_char_p * 2)(b"x", None)

def libc_exec(call, *args):
    pid = os.fork()
    if pid == 0:
        getattr(libc, call)(*args)
        os._exit(ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def tries(call, *args, **kw):
    try:
        return call(*args, **kw)
    except OSError as e:
        return e.errno

def spawned(call, *args):
    return os.waitstatus_to_exitcode(os.waitpid(call(*args, ["x"], os.environ), 0)[1])

environ = ctypes.c_void_p.in_dll(libc, "environ")
fd, o_path = os.open(path, os.O_RDONLY), os.open(path, os.O_PATH)
b, n = path.encode(), name.encode()
got = {
    "execve": libc_exec("execve", b, argv, environ),
    "execv": libc_exec("execv", b, argv),
    "execvp": libc_exec("execvp", n, argv),
    "execvpe": libc_exec("execvpe", n, argv, environ),
    "execl": libc_exec("execl", b, b"x", None),
    "execlp": libc_exec("execlp", n, b"x", None),
    "execle": libc_exec("execle", b, b"x", None, environ),
    "fexecve": libc_exec("fexecve", fd, argv, environ),
    "fexecve O_PATH": libc_exec("fexecve", o_path, argv, environ),
    "execveat": libc_exec("execveat", -100, b, argv, environ, 0),
    "execveat fd": libc_exec("execveat", fd, b"", argv, environ, 0x1000),
    "syscall": libc_exec("syscall", 59, b, argv, environ),
    "posix_spawn": tries(spawned, os.posix_spawn, path),
    "posix_spawnp": tries(spawned, os.posix_spawnp, name),
    "vfork": tries(subprocess.call, [path]),
}
bad = {k: v for k, v in got.items() if v != want}
sys.exit(f"{bad}" if bad else 0)
'

# Whichever call executes it: EPERM (1) and a line, or the program and a line.
launcher_ways() {
	needs_ours
	misfits
	for i in static musl; do
		ours a python3 -c "$ways" ./$i 1 2>err
		expect 15 "$(grep -c '^mytcp: .*, or --allow-kernel' err)" "lines"
		ours a --allow-kernel python3 -c "$ways" ./$i 0 2>err
		expect 15 "$(grep -c "^mytcp: .* it uses the kernel's TCP\$" err)" "lines"
	done
}
register "children: every call that executes a program" launcher_ways 120

shell='
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.popen.restype = ctypes.c_void_p
subprocess.check_call(["mount", "--bind", sys.argv[1], "/bin/sh"])
print(os.system("x"), libc.system(None), libc.popen(b"x", b"r"), ctypes.get_errno())
'

# A shell that is linked statically, in a mount namespace that has nothing else.
launcher_shell() {
	needs_ours
	misfits
	expect "32512 0 None 1" "$(ours a unshare -m python3 -c "$shell" "$PWD/static" 2>err)"
	expect 3 "$(grep -c '^mytcp: /bin/sh is statically linked' err)" "lines"
	ours a --allow-kernel unshare -m python3 -c "$shell" "$PWD/static" >out 2>err
	grep -qE '^0 1 [0-9]+ 0$' out
}
register "children: system() and popen()" launcher_shell 120

# A real one: on the kernel's TCP if that is allowed, else not at all.
launcher_go() {
	needs_ours
	start on b python3 -m http.server 8000 2>http.log
	wait_port 8000 b
	go_program get 'package main
		import ("net/http"; "os")
		func main() { r, err := http.Get(os.Args[1]); if err != nil { os.Exit(9) }; os.Stdout.WriteString(r.Status) }'
	refuses 1 'get is written in Go' ./get "http://$ADDR_B:8000/"
	expect "200 OK" "$(ours a --allow-kernel ./get "http://$ADDR_B:8000/" 2>err)"
	grep -q "^mytcp: ./get is written in Go: .*; it uses the kernel's TCP" err
}
register "a Go program" launcher_go 120

# The rights of a user who is not root, and of processes between two users.
launcher_rights() {
	needs_ours
	local as="setpriv --reuid 65534 --regid 65534 --clear-groups"
	install -m 755 "$BUILD/mytcp" "$BUILD/libmytcp.so" .
	cp /bin/true capable && setcap cap_net_bind_service+ep capable
	cp /bin/true unreadable && chmod 4711 unreadable
	cp /bin/true rootsuid && chmod 4755 rootsuid
	chmod a+rx .
	export MYTCP=$PWD/mytcp
	for i in capable:capabilities unreadable:setuid rootsuid:setuid; do
		# shellcheck disable=SC2086 # words
		fails 126 ours a $as sh -c "./${i%:*}" 2>err
		grep -q "^mytcp: ./${i%:*} .*${i#*:}" err
		# shellcheck disable=SC2086
		ours a --allow-kernel $as sh -c "./${i%:*}" 2>err
		expect 1 "$(wc -l <err)" "lines"
		ours a sh -c "./${i%:*}" # root has all of that already
	done
	between='import os, subprocess, sys
os.seteuid(65534)
try:
    subprocess.call(["/bin/true"])
except PermissionError:
    sys.exit(7)'
	fails 7 ours a python3 -c "$between" 2>err
	grep -q '^mytcp: /bin/true would run with the rights of another user' err
}
register "children: setuid, file capabilities, other users" launcher_rights

# gcc's sanitizers want to be first, and find what they are there for.
launcher_sanitizers() {
	needs_ours
	local asan
	asan=$(gcc -print-file-name=libasan.so)
	gcc -g -fsanitize=address "$LIVE/sanitized.c" -o sanitized
	fails 1 ours a ./sanitized 2>err
	grep -q 'runtime does not come first' err
	expect 1048576 "$(LD_PRELOAD=$asan ours a --trace=t ./sanitized)"
	grep -q ESTABLISHED t
	LD_PRELOAD=$asan fails 1 ours a ./sanitized bug 2>err
	grep -q 'heap-use-after-free' err
	gcc -fsanitize=undefined "$LIVE/sanitized.c" -o sanitized
	expect 1048576 "$(ours a ./sanitized)"
}
register "programs built with sanitizers" launcher_sanitizers 60

# Installed elsewhere, for a user who has nothing but the launcher's capability.
launcher_installed() {
	needs_ours
	make -s -C "$ROOT" BUILD="$BUILD" install DESTDIR="$PWD/root" PREFIX=/usr
	chmod -R a+rX root
	mkdir www
	data www/file 100K
	start on b python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000 b
	root/usr/bin/mytcp --version
	MYTCP=$PWD/root/usr/bin/mytcp ours a curl -sS -o got "http://$ADDR_B:8000/file"
	same www/file got
	test -s root/usr/share/man/man1/mytcp.1
	test -s root/usr/share/man/man1/mytcp-link.1
	root/usr/bin/mytcp-link --version
	# an algorithm of one's own, as the example says to build it
	[ "$(wc -l <"$ROOT/examples/mycc.c")" -lt 100 ]
	gcc -shared -fPIC -Iroot/usr/include/mytcp -o mycc.so "$ROOT/examples/mycc.c"
	root/usr/bin/mytcp --cc ./mycc.so --show-config >config
	grep -q '^cc  *mycc ' config
	setcap cap_net_raw+ep root/usr/bin/mytcp
	on a setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$PWD/root/usr/bin/mytcp" curl -sS "http://$ADDR_B:8000/file" >got2
	same www/file got2
	make -s -C "$ROOT" BUILD="$BUILD" uninstall DESTDIR="$PWD/root" PREFIX=/usr
	[ -z "$(find root -type f)" ]
}
register "installed, unprivileged user with setcap" launcher_installed

preload_alone() {
	needs_ours
	mkdir www
	data www/file 100K
	start on b python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000 b
	LD_PRELOAD=$BUILD/libmytcp.so MYTCP_TRACE=trace \
		on a curl -sS -o got "http://$ADDR_B:8000/file"
	same www/file got
	grep -q 'SYN-SENT -> ESTABLISHED' trace
}
register "LD_PRELOAD without the launcher" preload_alone

# Nobody reads the FIFO, or somebody has opened it before. (With a writer beside, that
# takes no waiting for one.)
trace_to_a_fifo() {
	needs_ours
	mkdir www
	data www/file 100K
	start on b python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000 b
	mkfifo fifo
	timeout 20 ip netns exec "$A" "$BUILD/mytcp" --trace=fifo \
		curl -sS -o got "http://$ADDR_B:8000/file"
	same www/file got
	exec 7<>fifo 8<fifo 7>&-
	ours a --trace=fifo curl -sS -o got2 "http://$ADDR_B:8000/file"
	same www/file got2
	timeout 10 grep -q 'SYN-SENT -> ESTABLISHED' <&8
}
register "the trace goes to a FIFO" trace_to_a_fifo
