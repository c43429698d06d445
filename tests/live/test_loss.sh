# shellcheck shell=bash
# Bytes in both directions at once, without loss and with random loss of packets
# each way. FULL=1 takes 100 MB everywhere.

# size SMALL: what is enough to see that it works, where the kernel sends too. At 20 %
# loss its timeouts grow to minutes now and then, to a kernel as well as to us.
size() {
	if [ -n "$FULL" ] || [ "$CLIENT$SERVER" = oursours ]; then echo 100M; else echo "$1"; fi
}
limit() { if [ -n "$FULL" ]; then echo 36000; else echo "$1"; fi; }

# exchange BYTES [LOSS_PERCENT]: as many bytes each way at once.
exchange() {
	data file "$1"
	data back "$1"
	[ -z "${2-}" ] || loss "$2"
	start server socat -t 600 TCP4-LISTEN:9000,reuseaddr 'OPEN:back!!CREATE:got'
	local srv=$STARTED
	wait_port 9000
	client socat -t 600 "TCP4:$SRV:9000" 'OPEN:file!!CREATE:got_back'
	finish "$srv"
	same file got
	same back got_back
}

both_100M() { exchange 100M; }
matrix "100 MB each way at once" both_100M 120

loss_1() { exchange "$(size 20M)" 1; }
loss_5() { exchange "$(size 4M)" 5; }
loss_20() { exchange "$(size 20K)" 20; }
sides "1 % loss" loss_1 "$(limit 120)"
sides "5 % loss" loss_5 "$(limit 120)"
sides "20 % loss" loss_20 "$(limit 300)"

# Connections come up and go down in spite of loss.
loss_short() {
	mkdir -p www
	data www/file 20K
	loss 10
	start server python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000
	for i in 1 2 3 4 5; do
		client curl -sS -f -o "got$i" "http://$SRV:8000/file"
		same www/file "got$i"
	done
}
sides "10 % loss, short connections" loss_short 180
