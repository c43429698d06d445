# shellcheck shell=bash
# Strangers who mean us no good.

# SYNs without end from addresses where nobody answers: the SYN queue is full, and
# those who mean it get their page all the same, on cookies.
syn_flood() {
	needs_ours
	data page 300000
	on b ip route add 198.18.0.0/15 via $ADDR_A
	MYTCP_TRACE=trace start ours b python3 -m http.server 8000 --bind $ADDR_B
	wait_port 8000 b
	start on a python3 "$LIVE/synflood.py" $ADDR_B 8000 60000
	local flood=$STARTED i
	eventually grep -q "SYN cookie" trace
	for i in 1 2 3; do
		on a curl -sS --max-time 5 -o got$i http://$ADDR_B:8000/page
		same page got$i
		ours a curl -sS --max-time 5 -o got$i http://$ADDR_B:8000/page
		same page got$i
	done
	kill -0 "$flood" # it was under way all the time
	stop "$flood"
	on a curl -sS --max-time 5 -o got http://$ADDR_B:8000/page
	same page got
}
register "SYN flood" syn_flood 60
