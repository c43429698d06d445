# shellcheck shell=bash
# The process that takes over a program's connections when that ends.

# Its memory is not the program's: there may be a lock in the way.
own_memory() {
	data file 3M
	start on b sh -c 'nc.openbsd -l 9000 -N <file >got'
	local peer=$STARTED
	wait_port 9000
	expect 0 "$(ours a env MYTCP_TRACE="$PWD/trace" "$BUILD/tests/live/mallocs" "$ADDR_B" 9000 file)"
	finish "$peer"
	same file got
}
register "the driver does not enter the program's malloc()" own_memory
