# shellcheck shell=bash
# Some of the matrix of programs, once; `make apps` runs all of it.

apps_fast() {
	needs_ours
	"$ROOT/tests/apps/run" --fast --runs 1
}
register "servers that fork, and clients, over IPv4 and IPv6" apps_fast 600
