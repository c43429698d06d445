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
	cp /bin/true suid && chmod u+s suid
	refuses 1 'is setuid' ./suid
	cp /bin/true sgid && chmod g+s sgid
	refuses 1 'is setgid' ./sgid
	echo 'int main(void) { return 0; }' | gcc -static -x c - -o static
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
register "programs it refuses and programs it runs" launcher_programs

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
	expect 20 "$(ours a --set msl_ms=20 printenv MYTCP_MSL_MS)"
	expect "$PWD/t" "$(ours a --trace=t printenv MYTCP_TRACE)"
	expect - "$(ours a --trace printenv MYTCP_TRACE)"
	fails 1 ours a -- false
}
register "the program is itself: status, signals, streams, environment" launcher_exec

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

# Nobody reads the FIFO, or somebody did before it began.
trace_to_a_fifo() {
	needs_ours
	local reader
	mkdir www
	data www/file 100K
	start on b python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000 b
	mkfifo fifo
	timeout 20 ip netns exec "$A" "$BUILD/mytcp" --trace=fifo \
		curl -sS -o got "http://$ADDR_B:8000/file"
	same www/file got
	cat fifo >trace &
	reader=$!
	ours a --trace=fifo curl -sS -o got2 "http://$ADDR_B:8000/file"
	wait "$reader"
	same www/file got2
	grep -q 'SYN-SENT -> ESTABLISHED' trace
}
register "the trace goes to a FIFO" trace_to_a_fifo
