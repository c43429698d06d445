"""window.py SENDER <lines "source seq len ack window syn" - checks a capture taken
beside SENDER: no segment of SENDER's ends beyond what its peer has offered so
far. Prints how often the window was full."""
import sys

edge = None
full = sent = 0
for line in sys.stdin:
    source, seq, length, ack, window, syn = line.split()
    seq, length, ack, window = map(int, (seq, length, ack, window))
    if source != sys.argv[1]:
        edge = max(edge or 0, ack + window)
    elif length and edge is not None:
        sent += 1
        full += seq + length >= edge - 1460
        # A zero-window probe may carry one octet (RFC 9293 3.8.6.1).
        limit = edge + (1 if length == 1 else 0)
        assert seq + length <= limit, f"[{seq}, {seq + length}) is beyond {edge}"
assert sent > 50, f"only {sent} segments with data"
assert full > 10, "the window was never the limit: this shows nothing"
print(f"{sent} segments with data, {full} of them filled the window")
