# shellcheck shell=bash
# Congestion control: chosen by option, environment and setsockopt, and loaded from
# a file.

# refuses_cc WORDS ARGS...: one line on standard error with these words.
refuses_cc() {
	local words=$1
	shift
	fails 1 ours a "$@" true 2>err
	expect 1 "$(wc -l <err)" "lines on standard error"
	grep -E "^mytcp: $words" err
}

# uses NAME ARGS...: what a new socket says of itself.
uses() {
	local name=$1
	shift
	expect "$name" "$(ours a "$@" python3 "$LIVE/cc.py")" "algorithm of ${*:-no option}"
}

cc_choice() {
	needs_ours
	uses bbr --cc bbr
	uses reno --set cc=reno
	MYTCP_CC=cubic uses cubic
	refuses_cc 'cc cannot be "nosuch"; possible: cubic reno bbr' --cc nosuch
}
register "congestion control by name" cc_choice

# Bytes in both directions under each, changed on the way too.
cc_transfer() {
	data file 3M
	start server python3 "$LIVE/cc.py" serve 9000 file
	wait_port 9000
	for name in cubic reno bbr; do
		client python3 "$LIVE/cc.py" fetch "$SRV" 9000 "$name" >got
		same file got
	done
}
sides "congestion control of a connection" cc_transfer

cc_file() {
	needs_ours
	cp "$BUILD/examples/mycc.so" .
	uses mycc --cc ./mycc.so
	uses mycc --set=cc=./mycc.so
	MYTCP_CC=./mycc.so uses mycc
	data file 20M
	start on b python3 "$LIVE/upload.py" 8000 got 2>http.log
	wait_port 8000
	ours a --cc ./mycc.so curl -sS -f -T file "http://$ADDR_B:8000/"
	same file got
	refuses_cc 'cc cannot be loaded: .*none.so: .*No such file' --cc ./none.so
	echo 'int x;' | gcc -shared -x c - -o empty.so
	refuses_cc 'cc cannot be ".*empty.so": it exports no mytcp_cc' --cc ./empty.so
	sed 's/\.abi = CC_ABI/.abi = CC_ABI + 1/' "$ROOT/examples/mycc.c" |
		gcc -shared -fPIC -I"$ROOT/engine" -x c - -o newer.so
	refuses_cc 'cc cannot be ".*newer.so": it was made for another version' --cc ./newer.so
	sed 's/"mycc"/"reno"/' "$ROOT/examples/mycc.c" |
		gcc -shared -fPIC -I"$ROOT/engine" -x c - -o twin.so
	refuses_cc 'cc cannot be ".*twin.so": there is a "reno" already' --cc ./twin.so
}
register "congestion control from a file" cc_file 60
