# shellcheck shell=bash
# Goodput against the kernel's over the same links: a small part of `make compare`
# with bounds so wide that a busy machine keeps them. Every byte is compared too.

# compare CC CELLS
compare() {
	needs_ours
	BUILD=$BUILD "$LIVE/compare.py" --cc "$1" --cells "$2" --seeds 1 --jobs 1 --seconds 4 \
		--minimum 0.5 --mean 0.5 --json compare.json
}

compare_reno() { compare reno '10M 50ms 0.1%'; }
compare_cubic() { compare cubic '(10M 50ms 1%|100M 10ms 0%)'; }
compare_bbr() { compare bbr '(10M 50ms 0.1%|100M 10ms 0%)'; }
register "reno" compare_reno 90
register "cubic" compare_cubic 90
register "bbr" compare_bbr 90
