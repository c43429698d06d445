# shellcheck shell=bash
# A daemon that makes up the environment of its successor, as nginx does.

upgrade='
import os, socket, sys
s = socket.create_server(("", int(sys.argv[2])))
os.set_inheritable(s.fileno(), sys.argv[1] == "inherits")
successor = """
import os, socket, sys
print(" ".join(sorted(n for n in os.environ if n in sys.argv[2:] or n.startswith("MYTCP"))))
if sys.argv[1] == "inherits":
    print(*socket.socket(fileno=int(sys.argv[2])).getsockname())
"""
env = {"ONLY": "this", "MYTCP_MSL_MS": "7000"} if sys.argv[1] == "inherits" else {"ONLY": "this"}
os.execve(sys.executable, ["python3", "-c", successor, sys.argv[1], str(s.fileno()), "LD_PRELOAD", "ONLY"], env)
'

made_up_environment() {
	client env -u MYTCP_CC MYTCP_MSL_MS=5000 MYTCP_SACK=off python3 -c "$upgrade" inherits 9000 >out
	expect "LD_PRELOAD MYTCP_MSL_MS MYTCP_SACK ONLY" "$(head -n 1 out)"
	expect "0.0.0.0 9000" "$(tail -n 1 out)"
	client env -u MYTCP_CC python3 -c "$upgrade" alone 9001 >out
	expect "ONLY" "$(cat out)"
}
register "an environment without LD_PRELOAD" made_up_environment
