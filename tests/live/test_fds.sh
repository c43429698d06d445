# shellcheck shell=bash
# A hard limit of fds: nearly each is a connection, also to one server, and they are so to
# their end, whoever brings them there.

whole() { # NUMBER
	expect "$1" "$(grep -c '^whole$' served)" "connections that were whole"
}

as_many_as_fds() { # exit|kill
	local n
	start server python3 "$LIVE/fds.py" server 9000 >served
	wait_port 9000
	n=$( (ulimit -n 256 && client python3 "$LIVE/fds.py" client "$SRV" 9000 "$1") || [ "$1" = kill ])
	echo "note: $n connections with 256 fds"
	[ "$n" -ge 220 ]
	eventually whole "$n"
	expect "$n" "$(wc -l <served)" "all connections"
}

# Many more than fds, one after the other, by a user who may have no more fds on their way
# (SCM_RIGHTS) either: his oldest TIME-WAITs end.
one_after_the_other() {
	local user=$((200000 + $$))
	start server python3 "$LIVE/fds.py" server 9000 >served
	wait_port 9000
	cp "$BUILD/libmytcp.so" "$MYTCP" "$LIVE/fds.py" . # where any user may read them
	(ulimit -n 256 && on a setpriv --reuid=$user --regid=$user --clear-groups --inh-caps=+net_raw \
		--ambient-caps=+net_raw ./mytcp python3 fds.py client "$SRV" 9000 1000)
	eventually whole 1000
}

and_exits() { as_many_as_fds exit; }
and_is_killed() { as_many_as_fds kill; }
for place in veth veth6; do
	CASES+=("as many connections as fds, $place|60|and_exits|ours|kernel|$place")
	CASES+=("more connections than fds, one after the other, $place|60|one_after_the_other|ours|kernel|$place")
	CASES+=("as many connections as fds, of one that is killed, $place|60|and_is_killed|ours|kernel|$place")
done
