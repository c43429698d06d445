# shellcheck shell=bash
# What IPv6 has and IPv4 has not: two families at one port, scopes, extension
# headers, flow labels, Packet Too Big, names with two kinds of addresses. The
# programs themselves over IPv6 are in the other files, by `six`.

# talk.py: one request, one answer, with the addresses as the program sees them.
talk() {
	cat >talk.py <<-'END'
		import socket, sys
		def addresses(s):
		    return f"{s.getpeername()[0].split('%')[0]} {s.getpeername()[3:]} {s.getsockname()[3:]}"
		if sys.argv[1] == "serve":  # v6only, how many
		    l = socket.socket(socket.AF_INET6)
		    l.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[2]))
		    l.bind(("::", 9000))
		    l.listen()
		    for _ in range(int(sys.argv[3])):
		        s, peer = l.accept()
		        assert peer == s.getpeername(), (peer, s.getpeername())
		        s.sendall(s.recv(100) + f" {addresses(s)}\n".encode())
		        s.close()
		else:
		    s = socket.create_connection((sys.argv[2], 9000))
		    s.sendall(b"hello")
		    print(s.makefile().read(), end="")
	END
}

dual_stack() {
	local srv
	talk
	start server python3 talk.py serve 0 4
	srv=$STARTED
	wait_port 9000
	expect "hello ::ffff:$ADDR_A (0,) (0,)" "$(client python3 talk.py to $ADDR_B)"
	expect "hello $ADDR6_A (0,) (0,)" "$(client python3 talk.py to $ADDR6_B)"
	client python3 talk.py to "$(link_local b vb)%va" >got
	expect "hello $(link_local a va) ($(on b cat /sys/class/net/vb/ifindex),) ($(on b cat /sys/class/net/vb/ifindex),)" "$(cat got)"
	expect "hello ::ffff:$ADDR_A (0,) (0,)" "$(client python3 talk.py to "::ffff:$ADDR_B")"
	finish "$srv"
}
sides "a listener for both families" dual_stack

v6only() {
	talk
	start ours b python3 talk.py serve 1 1
	local srv=$STARTED
	wait_port 9000
	fails 1 on a nc.openbsd -z $ADDR_B 9000
	expect "hello $ADDR6_A (0,) (0,)" "$(on a python3 talk.py to $ADDR6_B)"
	finish "$srv"
	on b sysctl -qw net.ipv6.bindv6only=1
	expect 1 "$(ours b python3 -c 'import socket; print(socket.socket(socket.AF_INET6).getsockopt(41, 26))')"
}
register "IPV6_V6ONLY, and its default" v6only

# nginx with one socket for each family, beside each other.
two_sockets() {
	mkdir -p www logs
	data www/file 100K
	cat >nginx.conf <<-END
		master_process off;
		daemon off;
		pid $PWD/nginx.pid;
		error_log $PWD/error.log;
		events { }
		http {
			access_log off;
			client_body_temp_path $PWD/logs; proxy_temp_path $PWD/logs;
			fastcgi_temp_path $PWD/logs; uwsgi_temp_path $PWD/logs; scgi_temp_path $PWD/logs;
			server { listen 8080; listen [::]:8080; root $PWD/www; }
		}
	END
	start ours b nginx -p "$PWD" -c "$PWD/nginx.conf"
	wait_port 8080
	expect "0.0.0.0:8080 [::]:8080" "$(on b ss -Hltn "sport = :8080" | awk '{ print $4 }' | sort | xargs)"
	on a curl -sS -f -o got4 "http://$ADDR_B:8080/file"
	on a curl -sS -f -o got6 "http://[$ADDR6_B]:8080/file"
	same www/file got4
	same www/file got6
}
register "a socket for each family at one port, as ss shows them" two_sockets

hundred_megabytes() {
	local size=${FULL:+1G} srv
	data file "${size:-100M}"
	start server nc.openbsd -6 -l 9000 -d >got
	srv=$STARTED
	wait_port 9000
	client nc.openbsd -N $ADDR6_B 9000 <file
	finish "$srv"
	same file got
	start server nc.openbsd -6 -l 9001 -N <file
	srv=$STARTED
	wait_port 9001
	client nc.openbsd -d $ADDR6_B 9001 >got_back
	finish "$srv"
	same file got_back
}
sides "100 MB, both directions" hundred_megabytes 120

# ---- the path ---------------------------------------------------------------------------

# router6 MTU: between the hosts, with a path so narrow towards b.
router6() {
	host "$R"
	ip -n "$A" link delete va
	ip -n "$A" link add va type veth peer name ra netns "$R"
	ip -n "$B" link add vb type veth peer name rb netns "$R"
	ip netns exec "$R" sysctl -qw net.ipv6.conf.all.forwarding=1
	ip -n "$A" address add fd77:a::1/64 dev va
	ip -n "$R" address add fd77:a::2/64 dev ra
	ip -n "$B" address add fd77:b::1/64 dev vb
	ip -n "$R" address add fd77:b::2/64 dev rb
	ip -n "$A" link set va up
	ip -n "$B" link set vb up
	ip -n "$R" link set ra up
	ip -n "$R" link set rb mtu "$1" up
	ip -n "$A" route add fd77:b::/64 via fd77:a::2
	ip -n "$B" route add fd77:a::/64 via fd77:b::2
}

upload_through() {
	data file 2M
	cat >upload.py <<-END
		import array, fcntl, socket, termios, time
		s = socket.create_connection(("fd77:b::1", 9000))
		s.sendall(open("file", "rb").read())
		unsent = array.array("i", [1])
		while unsent[0]:
		    fcntl.ioctl(s, termios.TIOCOUTQ, unsent)
		    time.sleep(0.1)
		print(s.getsockopt(socket.IPPROTO_IPV6, 24)) # IPV6_MTU
	END
	start server nc.openbsd -6 -l 9000 -d >got
	local srv=$STARTED
	wait_port 9000
	client python3 upload.py >mtu
	finish "$srv"
	same file got
}

packet_too_big() {
	router6 1300
	upload_through
	expect 1300 "$(cat mtu)" "path MTU"
}
sides "Packet Too Big: 1300 bytes behind a router" packet_too_big 60

# Nobody says anything: packetization-layer discovery (RFC 8899's older sibling).
black_hole() {
	router6 1300
	ip netns exec "$R" nft "add table inet hole; add chain inet hole out { type filter hook output priority 0; };
		add rule inet hole out icmpv6 type packet-too-big drop"
	on a sysctl -qw net.ipv4.tcp_mtu_probing=1
	upload_through
}
sides "a router that drops what is too big in silence" black_hole 60

# The kernel puts these headers before all its segments (RFC 3542).
extension_headers() {
	cat >client.py <<-'END'
		import socket, struct, sys
		s = socket.socket(socket.AF_INET6)
		pad = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # PadN to eight bytes
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, pad)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, pad)
		s.connect((sys.argv[1], 9000))
		s.sendall(b"x" * 100000)
		s.shutdown(socket.SHUT_WR)
		assert len(s.makefile("rb").read()) == 100000
	END
	start ours b python3 "$LIVE/aecho.py" server 9000 ::
	wait_port 9000
	capture a pcap ip6
	on a python3 client.py $ADDR6_B
	capture_end
	[ "$(tshark -r pcap -Y 'ipv6.hopopts && ipv6.dstopts && tcp.len > 0' 2>/dev/null | wc -l)" -gt 3 ]
}
register "extension headers before TCP are skipped" extension_headers

# RFC 6437: one label for a flow, another one for the next.
flow_labels() {
	needs_ours
	start on b nc.openbsd -6 -k -l 9000
	wait_port 9000
	capture a pcap
	for _ in 1 2; do ours a nc.openbsd -N $ADDR6_B 9000 </dev/null; done
	capture_end
	fields pcap "ipv6.src == $ADDR6_A" tcp.srcport ipv6.flow | sort -u >labels
	cat labels
	expect 2 "$(wc -l <labels)" "labels of two flows"
	expect 2 "$(awk '{ print $2 }' labels | sort -u | grep -vc '0x0*$')" "labels that differ"
}
register "flow labels" flow_labels

no_flow_label() {
	start on b nc.openbsd -6 -k -l 9000
	wait_port 9000
	capture a pcap
	ours a python3 -c "
import socket
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, 70, 0) # IPV6_AUTOFLOWLABEL
s.connect(('$ADDR6_B', 9000))"
	capture_end
	expect 0 "$(fields pcap "ipv6.src == $ADDR6_A" ipv6.flow | grep -vc '^0x0*$')" "labels"
	[ -s pcap ]
}
register "IPV6_AUTOFLOWLABEL off" no_flow_label

# A server that is there before its address.
freebind() {
	cat >early.py <<-'END'
		import socket, sys
		family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		l = socket.socket(family)
		l.setsockopt(socket.IPPROTO_IP, 15, 1) # IP_FREEBIND
		l.bind((sys.argv[1], int(sys.argv[2])))
		l.listen()
		l.accept()[0].sendall(b"hello")
	END
	local address srv port=9000
	for address in 10.77.0.77/32 fd77::77/128; do
		start server python3 early.py ${address%/*} $((++port))
		srv=$STARTED
		wait_port $port
		ip -n "$B" address add $address dev vb
		expect hello "$(client nc.openbsd -d ${address%/*} $port)"
		finish "$srv"
	done
}
sides "IP_FREEBIND: bound before the address is there" freebind

traffic_class() {
	cat >mark.py <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_INET6)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xb8)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 9)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x48)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
		s.connect((sys.argv[1], 9000))
		s.sendall(b"x")
		s.recv(100)
	END
	talk
	start on b python3 talk.py serve 0 2
	wait_port 9000
	capture a pcap
	ours a python3 mark.py $ADDR6_B
	ours a python3 mark.py "::ffff:$ADDR_B"
	capture_end
	expect "0x000000b8 9" "$(fields pcap "ipv6.src == $ADDR6_A" ipv6.tclass ipv6.hlim | sort -u)"
	expect "0x12 7" "$(fields pcap "ip.src == $ADDR_A" ip.dsfield.dscp ip.ttl | sort -u | sed 's/^18 /0x12 /')"
}
register "IPV6_TCLASS and IPV6_UNICAST_HOPS are IPv6's, IP_TOS and IP_TTL IPv4's" traffic_class

# RFC 5082: a peer that is not on the link is not heard.
near_enough() {
	cat >near.py <<-'END'
		import socket
		def listener(port):
		    l = socket.socket(socket.AF_INET6)
		    l.setsockopt(socket.IPPROTO_IPV6, 73, 65)  # IPV6_MINHOPCOUNT
		    l.setsockopt(socket.IPPROTO_IP, 21, 65)    # IP_MINTTL
		    l.bind(("::", port))
		    l.listen()
		    l.settimeout(3)
		    return l
		for l in [listener(9064), listener(9255)]:
		    for _ in 1, 2:
		        try:
		            l.accept()
		            print("heard")
		        except TimeoutError:
		            print("not heard")
	END
	cat >far.py <<-'END'
		import socket, sys
		for hops in 64, 255:
		    for to in sys.argv[1:]:
		        s = socket.socket(socket.AF_INET6)
		        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
		        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
		        s.settimeout(2)
		        try:
		            s.connect((to, 9000 + hops))
		        except TimeoutError:
		            pass
	END
	start server python3 near.py >got
	local srv=$STARTED
	wait_port 9255
	client python3 far.py "::ffff:$ADDR_B" $ADDR6_B
	finish "$srv"
	expect "not heard not heard heard heard" "$(xargs <got)"
}
sides "IPV6_MINHOPCOUNT and IP_MINTTL" near_enough

# ---- names with two kinds of addresses ----------------------------------------------------

# took CMD...: how many tenths of a second.
took() {
	local begin
	begin=$(date +%s%N)
	"$@" >&2
	echo $((($(date +%s%N) - begin) / 100000000))
}

# falls_back FROM ARGS...: curl reaches the server by IPv4, and no slower than on the
# kernel's TCP, one time out of three if the machine is busy.
falls_back() {
	local kernel ours
	kernel=$(took on a curl -sS -f -o got "$@")
	for _ in 1 2 3; do
		ours=$(took ours a curl -sS -f -o got "$@")
		same www/file got
		[ "$ours" -gt $((kernel + 5)) ] || return 0
	done
	echo "$ours tenths of a second instead of $kernel: $*"
	return 1
}

happy_eyeballs() {
	mkdir -p www
	data www/file 10K
	local both=("http://both:8000/file")
	start on b python3 -m http.server --bind 0.0.0.0 --directory www 8000
	start on a python3 -m http.server --bind 127.0.0.1 --directory www 8000
	wait_port 8000 a
	wait_port 8000 b
	ours a curl -sS -f -o got http://localhost:8000/file # ::1 refuses
	falls_back --resolve "both:8000:[$ADDR6_B],$ADDR_B" "${both[@]}" # refused
	falls_back --resolve "both:8000:[2001:db8::1],$ADDR_B" "${both[@]}" # no route
	falls_back --resolve "both:8000:[fd77::99],$ADDR_B" "${both[@]}" # no such host
	rule b "ip6 daddr $ADDR6_B tcp dport 8000 drop"
	falls_back --resolve "both:8000:[$ADDR6_B],$ADDR_B" "${both[@]}" # silence
	cat >eyeballs.py <<-END
		import asyncio, socket, time
		async def main():
		    loop = asyncio.get_running_loop()
		    async def both(*args, **kwargs):
		        return [(f, socket.SOCK_STREAM, 6, "", a) for f, a in (
		            (socket.AF_INET6, ("$ADDR6_B", 8000, 0, 0)), (socket.AF_INET, ("$ADDR_B", 8000)))]
		    loop.getaddrinfo = both
		    begin = time.monotonic()
		    _, w = await asyncio.open_connection("both", 8000, happy_eyeballs_delay=0.25)
		    assert w.get_extra_info("peername")[0] == "$ADDR_B"
		    assert time.monotonic() - begin < 1
		asyncio.run(main())
	END
	ours a python3 eyeballs.py
}
register "happy eyeballs: IPv4 when IPv6 is dead" happy_eyeballs

one_family() {
	mkdir -p www
	data www/file 10K
	start ours b python3 -m http.server --bind :: --directory www 8000
	wait_port 8000
	local both=(--resolve "both:8000:[$ADDR6_B],$ADDR_B" -w '%{remote_ip}' -sS -f -o got)
	expect $ADDR_B "$(ours a curl -4 "${both[@]}" http://both:8000/file)"
	expect $ADDR6_B "$(ours a curl -6 "${both[@]}" http://both:8000/file)"
	expect $ADDR6_B "$(ours a curl "${both[@]}" http://both:8000/file)"
	same www/file got
}
register "curl -4, curl -6" one_family

link_local_scope() {
	local to
	to=$(link_local b vb)
	talk
	start on b python3 talk.py serve 1 1
	wait_port 9000
	cat >scope.py <<-'END'
		import errno, socket, sys
		to, dev = sys.argv[1], socket.if_nametoindex("va")
		s = socket.socket(socket.AF_INET6)
		print(errno.errorcode[s.connect_ex((to, 9000, 0, 0))])
		s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"va")
		s.connect((to, 9000, 0, 0))
		print(s.getpeername()[3] == dev, s.getsockname()[3] == dev)
		s.sendall(b"hello")
		print(s.recv(5))
	END
	ours a python3 scope.py "$to" >got
	expect "EINVAL True True b'hello'" "$(xargs -d '\n' <got)"
}
register "SO_BINDTODEVICE says which link" link_local_scope

trace_addresses() {
	needs_ours
	start on b nc.openbsd -6 -k -l 9000
	wait_port 9000
	ours a --trace=trace nc.openbsd -z $ADDR6_B 9000
	grep -E "CLOSED -> SYN-SENT +\(\[$ADDR6_A\]:[0-9]+ > \[$ADDR6_B\]:9000\)$" trace
	ours a --trace=trace2 nc.openbsd -z "$(link_local b vb)%va" 9000
	grep -E "CLOSED -> SYN-SENT +\(\[fe80::[0-9a-f:]+%[0-9]+\]:[0-9]+ > " trace2
}
register "addresses in the trace" trace_addresses

# As on a kernel booted with ipv6.disable=1: socket() says that there is none.
no_ipv6() {
	cat >without.py <<-'END'
		import ctypes, errno, socket, struct, sys
		# The system call's number, its first argument: socket(AF_INET6, ...) gives EAFNOSUPPORT.
		code = [(0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_INET6),
		        (0x06, 0, 0, 0x50000 | errno.EAFNOSUPPORT), (0x06, 0, 0, 0x7fff0000)]
		filters = b"".join(struct.pack("HBBI", *c) for c in code)
		program = struct.pack("HxxxxxxP", len(code), ctypes.cast(filters, ctypes.c_void_p).value)
		libc = ctypes.CDLL(None, use_errno=True)
		assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
		for _ in 1, 2:
		    try:
		        socket.socket(socket.AF_INET6)
		    except OSError as e:
		        print(errno.errorcode[e.errno])
		s = socket.create_connection((sys.argv[1], 9000))
		s.sendall(b"hello")
		s.shutdown(socket.SHUT_WR)
		print(s.recv(5))
	END
	[ "$(uname -m)" = x86_64 ] || exit 77
	start on b python3 "$LIVE/aecho.py" server 9000
	wait_port 9000
	expect "EAFNOSUPPORT EAFNOSUPPORT b'hello'" "$(ours a python3 without.py $ADDR_B | xargs -d '\n')"
}
register "a kernel without IPv6" no_ipv6
