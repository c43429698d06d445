# shellcheck shell=bash
# What others see of a port that is bound and not listened on: nothing, as with the
# kernel's TCP; with a filter on the guard, and where that takes a privilege.

guard_is_bound() {
	needs_ours
	local user="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw"
	install -m 755 "$BUILD/mytcp" "$BUILD/libmytcp.so" "$LIVE/guard.py" .
	chmod a+rx .
	on a python3 guard.py >kernel
	expect 15 "$(grep -cE 'Connection refused$' kernel)" "refused by the kernel's TCP"
	ours a python3 guard.py >ours
	same kernel ours
	# shellcheck disable=SC2086 # words
	on a $user ./mytcp python3 guard.py >user
	same kernel user
}
register "a port that is bound: neither ss nor a SYN finds a listener" guard_is_bound
