# shellcheck shell=bash
# Every way in which libc ends a process, makes another one, or becomes another program.

# ended_by HOW: what the clients see of it is what they see with the kernel's TCP.
ended_by() {
	local tcp status
	for tcp in on ours; do
		start $tcp a "$BUILD/tests/live/ends" ${#tcp}000 "$1"
		on a python3 "$LIVE/ends.py" 127.0.0.1 ${#tcp}000 >"$tcp"
		status=0
		finish "$STARTED" || status=$?
		echo "exit status $status" >>"$tcp"
	done
	expect "$(cat on)" "$(cat ours)"
	grep -E '^(first|all) ' on
}

for way in $("$BUILD/tests/live/ends" list); do
	eval "ends_$way() { ended_by $way; }"
	register "the end of a process: $way" "ends_$way"
done
