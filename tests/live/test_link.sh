# shellcheck shell=bash
# The link emulator: what it does to packets, and our TCP over a really bad link.

LINK=$BUILD/mytcp-link
LINK_A=10.78.0.1
LINK_B=10.78.0.2

# link_up ARGS...: from a to b, LINKED is its pid. Its counters go to the file link.
link_up() {
	start on a "$LINK" --b "$B" --a-address $LINK_A/24 --b-address $LINK_B/24 \
		--json --report link "$@"
	LINKED=$STARTED
	eventually link_is_up
}

link_is_up() {
	ip -n "$B" address show up | grep -q "$LINK_B/24"
}

link_end() {
	stop "$LINKED"
	cat link
}

# counter ab|ba NAME [FILE]: of a link that has ended.
counter() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]][sys.argv[3]])' \
		"${3:-link}" "$1" "$2"
}

# holds PYTHON_EXPRESSION WORDS...: with the words as numbers in x.
holds() {
	python3 -c 'import sys; x = [float(v) for v in sys.argv[2:]]; sys.exit(not eval(sys.argv[1]))' "$@" || {
		echo "not so: $*"
		return 1
	}
}

sink_is_up() {
	[ -n "$(on b ss -Hlun 'sport = :9000')" ]
}

# udp_burst N SIZE SECONDS: from a to b; the numbers that arrived are line 1 of came.
udp_burst() {
	start on b "$LIVE/udp.py" sink 9000 "$3" >came
	local sink=$STARTED
	eventually sink_is_up
	on a "$LIVE/udp.py" burst $LINK_B 9000 "$1" "$2"
	finish "$sink"
}

link_delay() {
	link_up --ab-delay 15ms --ba-delay 25ms
	start on b "$LIVE/udp.py" echo 9000
	eventually sink_is_up
	on a "$LIVE/udp.py" ping $LINK_B 9000 30 >rtt
	cat rtt
	# shellcheck disable=SC2046 # two words
	holds '40 <= x[0] <= 41.5 and x[1] <= 45' $(cat rtt)
	link_end
	expect 30 "$(counter ab out_packets)"
	expect 30 "$(counter ba out_packets)" # and nothing else, unasked
}
register "delay" link_delay

# 400 packets of 1028 bytes at 10 Mbit/s: 399 follow the first within 328.1 ms.
link_rate() {
	link_up --rate 10M --queue 1000p
	for _ in 1 2 3; do # a busy machine may see the first packet late
		udp_burst 400 1000 2
		expect 400 "$(head -n 1 came | wc -w)"
		holds '0.322 <= x[0] <= 0.345' "$(tail -n 1 came)" && break
	done
	holds '0.322 <= x[0] <= 0.345' "$(tail -n 1 came)"
	link_end
	expect 0 "$(counter ab queue_full)"
}
register "rate" link_rate

link_queue() {
	link_up --rate 1M --queue 20p
	udp_burst 100 1000 1.5
	link_end
	holds '20 <= x[0] <= 23' "$(head -n 1 came | wc -w)" # some leave meanwhile
	expect 20 "$(counter ab queue_max_packets)"
	expect $((100 - $(head -n 1 came | wc -w))) "$(counter ab queue_full)"
}
register "queue limit" link_queue

# The kernel's TCP fills most of a link, and no more than it has.
link_tcp() {
	link_up --rate 20M --delay 10ms
	start on b iperf3 -s -1
	wait_port 5201 b
	on a iperf3 -J -C cubic -c $LINK_B -t 4 >iperf
	python3 - <<-END
		import json
		end = json.load(open("iperf"))["end"]
		rate = end["sum_received"]["bits_per_second"] / 20e6
		print(rate)
		assert 0.85 < rate <= 0.97, rate  # of 1500 bytes 1448 are data
	END
	link_end
}
register "the kernel's TCP fills it" link_tcp

# Every mark arrives as one, at a receiver that counts them.
link_ecn() {
	on a sysctl -qw net.ipv4.tcp_ecn=1
	on b sysctl -qw net.ipv4.tcp_ecn=1
	link_up --rate 10M --delay 5ms --ab-ecn-mark 5p
	start on b iperf3 -s -1
	wait_port 5201 b
	on a iperf3 -C reno -c $LINK_B -t 3
	sleep 0.3
	link_end
	holds 'x[0] > 0' "$(counter ab marked)"
	expect 0 "$(counter ba marked)"
	on b cat /proc/net/netstat | python3 -c '
import sys
rows = [line.split() for line in sys.stdin]
names, values = [r for r in rows if r[0] == "IpExt:"]
print(dict(zip(names, values))["InCEPkts"])' >ce
	expect "$(counter ab marked)" "$(cat ce)"
}
register "ECN marks" link_ecn

link_mtu() {
	link_up --mtu 1000
	expect 1500 "$(on a "$LIVE/udp.py" probe $LINK_B 9000 973)"
	link_end
	expect 1 "$(counter ab too_big)"
	expect 0 "$(counter ab out_packets)"
	link_up --mtu 1000 --icmp
	expect 1500 "$(on a "$LIVE/udp.py" probe $LINK_B 9000 972)"
	expect 1000 "$(on a "$LIVE/udp.py" probe $LINK_B 9000 973)"
	link_end
	expect 1 "$(counter ab too_big)"
	expect 1 "$(counter ab out_packets)"
}
register "MTU, silent and with ICMP" link_mtu

# What is corrupted does not reach a program, as every bit is under some checksum.
link_corrupt() {
	link_up --ab-corrupt 30%
	udp_burst 1000 100 1.5
	link_end
	expect 1000 "$(counter ab out_packets)"
	holds '220 <= x[0] <= 380' "$(counter ab corrupted)"
	# A bit of the header may make the packet a wholly different one, but sound:
	# the kernel looks at no more than the total length.
	holds '0 <= x[0] - x[1] <= 5' "$(head -n 1 came | wc -w)" \
		$((1000 - $(counter ab corrupted)))
}
register "corruption" link_corrupt

link_seed() {
	for run in "5 first" "5 second" "6 third"; do
		link_up --seed "${run% *}" --ab-loss 5% --ab-burst-loss 1%,30%
		udp_burst 1000 50 1
		link_end
		head -n 1 came >"${run#* }"
		expect $((1000 - $(wc -w <"${run#* }"))) \
			$(($(counter ab lost) + $(counter ab burst_lost)))
	done
	same first second
	fails 1 cmp -s first third
}
register "the same seed, the same losses" link_seed

# Two at once, between the same hosts: each has its own fate.
link_two() {
	start on a "$LINK" --b "$B" --if other --b-address 10.78.1.2/24 --a-address 10.78.1.1/24 \
		--json --report other --ab-loss 10% --seed 9
	local other=$STARTED
	link_up --ab-delay 30ms
	eventually on a ip route get 10.78.1.2
	udp_burst 500 50 1
	expect 500 "$(head -n 1 came | wc -w)"
	start on b "$LIVE/udp.py" sink 9000 1 >came
	local sink=$STARTED
	eventually sink_is_up
	on a "$LIVE/udp.py" burst 10.78.1.2 9000 500 50
	finish "$sink"
	stop "$other"
	link_end
	expect 500 "$(counter ab in_packets)"
	expect 500 "$(counter ab in_packets other)"
	expect $((500 - $(head -n 1 came | wc -w))) "$(counter ab lost other)"
}
register "two links side by side" link_two

link_command() {
	fails 5 on a "$LINK" --b "$B" -- sh -c 'ip link show link0 >/dev/null && exit 5'
	fails 143 on a "$LINK" --b "$B" -- sh -c 'kill $$'
	fails 127 on a "$LINK" --b "$B" -- no-such-program
	on a "$LINK" --b "$B" -- true >text
	grep -q '^packets in  *0  *0$' text
	start on a "$LINK" --b "$B" -- sleep 100
	eventually on a ip link show link0
	kill "$STARTED"
	fails 143 finish "$STARTED"
	fails 1 on a ip link show link0 2>/dev/null
}
register "a command" link_command

# link_refuses WORDS ARGS...: exit status 1 and one line.
link_refuses() {
	local words=$1
	shift
	fails 1 on a "$LINK" "$@" 2>err >out
	expect 1 "$(wc -l <err)" "lines on standard error"
	expect "" "$(cat out)"
	grep -E "^mytcp-link: .*$words" err
}

link_options() {
	on a "$LINK" --help >help
	grep -q '^usage: mytcp-link' help
	on a "$LINK" --version | grep -Eq '^mytcp-link [0-9.]+$'
	link_refuses 'which network namespaces'
	link_refuses '--loss cannot be "5"; possible: 0% to 100%' --b "$B" --loss 5
	link_refuses 'no-such-netns: No such file' --b no-such-netns
	link_refuses 'cannot make the device va: ' --b "$B" --if va
	link_refuses '10.78.0.1/33.*: Invalid argument' --b "$B" --a-address 10.78.0.1/33
	link_refuses 'cannot write the counters to "/nowhere/f"' --b "$B" --report /nowhere/f
}
register "options it refuses" link_options

# Everything at once, to either side; and not one byte wrong.
bad_link() {
	SRV=$LINK_B
	link_up --rate 20M --delay 5ms --jitter 2ms --loss 1% --burst-loss 0.1%,30% \
		--reorder 2%,4ms --duplicate 1% --corrupt 1%
	data file 2M
	data back 2M
	start server socat -t 600 TCP4-LISTEN:9000,reuseaddr 'OPEN:back!!CREATE:got'
	local srv=$STARTED
	wait_port 9000
	client socat -t 600 "TCP4:$SRV:9000" 'OPEN:file!!CREATE:got_back'
	finish "$srv"
	same file got
	same back got_back
	link_end
	for fault in lost reordered duplicated corrupted; do
		holds 'x[0] > 0' "$(counter ab $fault)"
	done
}
sides "a bad link in every way" bad_link 120
