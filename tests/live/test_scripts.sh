# shellcheck shell=bash
# The scripts of tests/engine/scripts once more, in real time, over a TUN device,
# against the library: all that do not need virtual time.

scripts() {
	local script wanted settings played=0
	needs_ours
	for script in "$ROOT"/tests/engine/scripts/*.script; do
		wanted=$(python3 "$LIVE/play.py" --settings "$script") || continue
		mapfile -t settings < <(printf 'linger_ms=0\nquickacks=0\nsyn_linear_timeouts=0\nsack=off\ntimestamps=off\nwindow_scaling=off\n%s\n' "$wanted" | grep .)
		ours a "${settings[@]/#/--set=}" python3 "$LIVE/play.py" "$script"
		played=$((played + 1))
	done
	echo "$played played"
	[ $played -ge 15 ]
}
register "scripts over a TUN device" scripts 120
