# shellcheck shell=bash
# plan.sh - which fuzz targets there are, how much of the time each has, and which words
# libFuzzer is given for its inputs. For tests/run and coverage, in the project's folder.

TARGETS=()
for file in tests/fuzz/fuzz_*.c; do
	file=${file##*/}
	TARGETS+=("${file%.c}")
done

# The machines, where one thing leads to another, need more of it than what reads a text.
share() { # TARGET
	case $1 in
	fuzz_input) echo 8 ;;
	fuzz_sim) echo 6 ;;
	fuzz_control) echo 5 ;;
	*) echo 1 ;;
	esac
}

# seconds TARGET ALL: of ALL for all of them, rounded up; 0 is for ever.
seconds() {
	local t sum=0
	for t in "${TARGETS[@]}"; do sum=$((sum + $(share "$t"))); done
	echo $((($2 * $(share "$1") + sum - 1) / sum))
}

# dictionary TARGET FILE: libFuzzer's option, with words in FILE; nothing if there are none.
dictionary() {
	case $1 in
	fuzz_segment | fuzz_input | fuzz_recv | fuzz_icmp) cat tests/fuzz/packet.dict >"$2" ;;
	fuzz_program) cat tests/fuzz/program.dict >"$2" ;;
	fuzz_config)
		cat tests/fuzz/config.dict >"$2"
		sed -nE 's/^\t\{("[a-z0-9_]+"), KNOB_.*/\1/p' shim/knobs.c >>"$2"
		;;
	*) return 0 ;;
	esac
	echo "-dict=$2"
}
