# later.py NAMESPACE: makes sockets before and after sysctls of that network namespace
# change, and prints what they have. The change may take a second to be seen.
import socket, subprocess, sys, time

NEW = {"tcp_keepalive_time": "1111", "tcp_keepalive_intvl": "33", "tcp_keepalive_probes": "4",
       "tcp_syn_retries": "3", "tcp_fin_timeout": "21", "tcp_congestion_control": "reno"}
OPTIONS = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_SYNCNT,
           socket.TCP_LINGER2)


def shown(s):
    return ([s.getsockopt(socket.IPPROTO_TCP, o) for o in OPTIONS] +
            [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")])


def fresh():
    with socket.socket() as s:
        return shown(s)


before = fresh()
print(before[:-1])
subprocess.run(["ip", "netns", "exec", sys.argv[1], "sysctl", "-q"] +
               [f"net.ipv4.{k}={v}" for k, v in NEW.items()], check=True)
end = time.monotonic() + 10
while (after := fresh()) == before and time.monotonic() < end:
    time.sleep(0.05)
print(after)
