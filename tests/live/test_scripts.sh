# shellcheck shell=bash
# The scripts of tests/engine/scripts once more, in real time, over a TUN device,
# against the library: all that do not need virtual time, a few at a time.

AT_ONCE=4

# The NUMBERth lane plays every AT_ONCEth script, on a host of its own; prints how
# many.
lane() {
	local host=$A-$1 script wanted settings played=0 i=0
	ip netns add "$host"
	# shellcheck disable=SC2064 # now: the variable is gone at the exit
	trap "ip netns delete $host" EXIT
	ip -n "$host" link set lo up
	for script in "$ROOT"/tests/engine/scripts/*.script; do
		[ $((i++ % AT_ONCE)) = "$1" ] || continue
		wanted=$(python3 "$LIVE/play.py" --settings "$script") || continue
		mapfile -t settings < <(printf 'handover=off\nlinger_ms=0\nquickacks=0\nsyn_linear_timeouts=0\nsack=off\ntimestamps=off\nwindow_scaling=off\n%s\n' "$wanted" | grep .)
		# shellcheck disable=SC2086 # no word when empty
		$EXEC ip netns exec "$host" $MYTCP "${settings[@]/#/--set=}" \
			python3 "$LIVE/play.py" "$script" >&2
		played=$((played + 1))
	done
	echo $played
}

scripts() {
	local i lane pids=() played=0 failed=0
	needs_ours
	for ((i = 0; i < AT_ONCE; i++)); do
		(lane $i >lane$i) &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || failed=1 # but the others come to their end
		lane=$(cat lane"$i") # nothing, where it failed
		played=$((played + ${lane:-0}))
	done
	echo "$played played"
	[ $failed = 0 ]
	[ $played -ge 45 ]
}
register "scripts over a TUN device" scripts 75

# In the byte, what Linux gives. MYTCP set but empty shows that.
overlap() {
	client python3 "$LIVE/overlap.py"
}
register "text that overlaps, with other bytes" overlap
