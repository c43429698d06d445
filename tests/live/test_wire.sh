# shellcheck shell=bash
# What is seen on the wire, by a capture beside our end.

# segments FILE: "direction flags seq ack len" per segment; > is towards b.
segments() {
	fields "$1" tcp ip.src tcp.flags.str tcp.seq tcp.ack tcp.len |
		sed "s/^$ADDR_A/>/; s/^$ADDR_B/</; s/·//g"
}

no_rst() {
	expect "" "$(fields "$1" 'tcp.flags.reset == 1' frame.number tcp.seq)" "RST in $1"
}

# One small request and answer; the client closes first.
small_exchange() {
	cat >one.py <<-END
		import socket, sys
		if sys.argv[1] == "server":
		    l = socket.create_server(("", 9000))
		    s, _ = l.accept()
		    assert s.recv(100) == b"request"
		    s.sendall(b"response")
		    assert s.recv(100) == b""
		else:
		    s = socket.create_connection((sys.argv[1], 9000))
		    s.sendall(b"request")
		    assert s.recv(100) == b"response"
		s.close()
	END
	start server python3 one.py server
	local srv=$STARTED
	wait_port 9000
	client python3 one.py "$SRV"
	finish "$srv"
}

# Handshake, data and four-way close (perhaps FIN,ACK in one), RFC 9293 figures
# 6 and 12. The ACK of the handshake may carry the data; an ACK of data alone is
# free to come or not.
ladder_on_the_wire() {
	for _ in 1 2 3; do # a busy machine makes the FIN's ACK late, and it is probed for
		capture a pcap
		small_exchange
		capture_end
		segments pcap >got
		cat got
		[ "$(grep -c 'F' got)" != 2 ] || break
	done
	no_rst pcap
	expect "> S 0 0 0" "$(sed -n 1p got)"
	expect "< AS 0 1 0" "$(sed -n 2p got)"
	sed -n 3p got | grep -Eqx '> (A 1 1 0|AP 1 1 7)'
	grep -qx '> AP 1 1 7' got
	grep -qx '< AP 1 8 8' got
	grep -Eqx '> AP?F 8 9 0' got
	grep -Eqx '< AP?F 9 9 0' got
	expect "> A 9 10 0" "$(tail -n 1 got)"
	expect 1 "$(grep -c '^> .*F' got)" "FINs of the client"
	expect 1 "$(grep -c '^< .*F' got)" "FINs of the server"
	fields pcap 'tcp.flags.syn == 1' tcp.options.mss_val tcp.options.wscale.shift \
		tcp.options.sack_perm tcp.options.timestamp.tsval >options
	expect 2 "$(grep -cE '^1460 [0-9]+ [0-9a-f]+ [0-9]+$|^1460 [0-9]+ [^ ]+ [0-9]+$' options)" "SYNs with all options"
}
sides "handshake and close, segment by segment" ladder_on_the_wire

# All that we send has a right checksum (where no offload is left to fill it in).
checksums() {
	needs_ours
	data file 300K
	export MYTCP_GSO=off
	start on b nc.openbsd -d -l 9000 >got
	local srv=$STARTED
	wait_port 9000 b
	start on b tcpdump -Z root -i vb -U --immediate-mode -w pcap tcp 2>pcap.log
	# shellcheck disable=SC2034 # used by capture_end
	CAPTURE=$STARTED
	eventually grep -q 'listening on' pcap.log
	ours a nc.openbsd -N $ADDR_B 9000 <file
	finish "$srv"
	capture_end
	same file got
	tshark -r pcap -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
		-Y "ip.src == $ADDR_A && (tcp.checksum.status != 1 || ip.checksum.status != 1)" 2>/dev/null >bad
	expect 0 "$(wc -l <bad)" "segments with a wrong checksum"
	[ "$(fields pcap "ip.src == $ADDR_A" tcp.seq | wc -l)" -gt 20 ]
}
register checksums checksums

# The peer's window is small and its reader slow: never beyond, and every byte.
window_respected() {
	cat >slow.py <<-END
		import socket, time
		l = socket.socket()
		l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
		l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		l.bind(("", 9000))
		l.listen()
		s, _ = l.accept()
		out = open("got", "wb")
		reads = 0
		while piece := s.recv(4096):
		    out.write(piece)
		    reads += 1
		    time.sleep(1 if reads == 3 else 0.005)
	END
	data file 600K
	capture a pcap
	start server python3 slow.py
	local srv=$STARTED
	wait_port 9000
	client nc.openbsd -N "$SRV" 9000 <file
	finish "$srv"
	capture_end
	same file got
	no_rst pcap
	tshark -r pcap -o tcp.relative_sequence_numbers:TRUE -Y tcp -T fields -E separator=' ' \
		-e ip.src -e tcp.seq -e tcp.len -e tcp.ack -e tcp.window_size -e tcp.flags.syn 2>/dev/null |
		python3 "$LIVE/window.py" $ADDR_A
}
sides "no segment beyond the peer's window" window_respected 60

# While bytes flow there is no connection of the kernel's for them, no RST, and
# the port shows up as in use.
no_kernel_connection() {
	needs_ours
	mkdir www
	data www/file 4M
	start server python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000
	capture a pcap
	start client curl -sS --limit-rate 2M -o got "http://$SRV:8000/file"
	local curl=$STARTED
	eventually test -s got
	[ "$CLIENT" = kernel ] || expect "" "$(on a ss -Htan state connected)" "on the client's host"
	[ "$SERVER" = kernel ] || expect "" "$(on b ss -Htan state connected)" "on the server's host"
	[ "$SERVER" = kernel ] || on b ss -Hltn | grep -q ':8000 '
	finish "$curl"
	same www/file got
	capture_end
	no_rst pcap
}
sides "no connection of the kernel's, no RST" no_kernel_connection

# The kernel's own connections and ours live side by side on one host; a RST for
# one of the kernel's would break it.
kernel_undisturbed() {
	data file 20M
	start on b socat -t 60 TCP4-LISTEN:9000,reuseaddr 'OPEN:file!!CREATE:got'
	local srv=$STARTED
	wait_port 9000 b
	start on a socat -t 60 "TCP4:$ADDR_B:9000" 'OPEN:file!!CREATE:got_back'
	local cli=$STARTED
	start ours b nc.openbsd -l 9001
	wait_port 9001 b
	for _ in 1 2 3; do
		fails 1 ours a nc.openbsd -z $ADDR_B 9002
	done
	ours a nc.openbsd -z $ADDR_B 9001
	finish "$srv"
	finish "$cli"
	same file got
	same file got_back
}
register "connections of the kernel's beside ours" kernel_undisturbed

# A listener with nobody behind it refuses; its host's kernel says nothing else.
refused_on_the_wire() {
	capture a pcap
	fails 1 ours a nc.openbsd -z $ADDR_B 9000
	capture_end
	segments pcap >got
	cat got
	expect "> S 0 0 0" "$(sed -n 1p got)"
	expect "< AR 1 1 0" "$(sed -n 2p got)"
	expect 2 "$(wc -l <got)"
}
register "a SYN to a closed port" refused_on_the_wire

# The link's MTU becomes smaller under a connection: the kernel refuses our
# segments, and we make smaller ones.
mtu_shrinks() {
	mkdir -p www
	data www/file 100M
	start server python3 -m http.server --directory www 8000 2>http.log
	wait_port 8000
	start client curl -sS -f --limit-rate 40M -o got "http://$SRV:8000/file"
	local cl=$STARTED
	sleep 0.5
	on a ip link set va mtu 1000
	on b ip link set vb mtu 1000
	finish "$cl"
	same www/file got
}
sides "the MTU shrinks" mtu_shrinks 60

# What a listener has been told holds from the SYN,ACK on.
marks_of_a_listener() {
	cat >marks.py <<-END
		import socket
		l = socket.create_server(("", 9000))
		l.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x28)
		l.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
		s, _ = l.accept()
		s.sendall(b"as the listener")
		s.recv(100)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 44)
		s.sendall(b"as told since")
	END
	start ours b python3 marks.py
	wait_port 9000 b
	capture a pcap
	on a python3 -c "
import socket
s = socket.create_connection(('$ADDR_B', 9000))
assert s.recv(100) == b'as the listener'
s.sendall(b'go on')
assert s.recv(100) == b'as told since'"
	capture_end
	fields pcap "ip.src == $ADDR_B && tcp.flags.syn == 1" ip.dsfield ip.ttl >syn
	expect "0x28 33" "$(cat syn)" "SYN,ACK"
	expect "0x28 33" "$(fields pcap "ip.src == $ADDR_B && tcp.len == 15" ip.dsfield ip.ttl)"
	expect "0x10 44" "$(fields pcap "ip.src == $ADDR_B && tcp.len == 13" ip.dsfield ip.ttl)"
}
register "IP_TOS and IP_TTL of a listener, from the SYN,ACK on" marks_of_a_listener
