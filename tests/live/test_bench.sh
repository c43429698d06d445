# shellcheck shell=bash
# The benchmark runs through, in its shortest form. Its figures are nobody's concern here.

benchmark() {
	needs_ours
	BUILD=$BUILD "$ROOT/tools/bench" --seconds 1 --rounds 1 --out bench.json >table
	expect 11 "$(grep -cE ' [0-9.e+]+ +[0-9.e+]+ +(Gbit/s|s/GB|us|1/s) ' table)" "lines of the table"
	python3 -c 'import json; assert len(json.load(open("bench.json"))["metrics"]) == 11'
}
register "the benchmark runs through" benchmark 180
