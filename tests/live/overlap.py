"""Text that overlaps other text, with other bytes: which of them does the program read?

Each case is what arrives, in this order: the offset and the bytes. The segment that
begins where the handshake ended comes where the case has it. Over a TUN device of this
network namespace, against whatever TCP this process gets; what is expected is what
Linux gives, and the whole table holds there too. What is not in the table: whose are
the bytes where the third of several begins just where the first ends, inside the second;
in Linux that depends on what it could merge.
"""
import struct
import sys

import play

CASES = [
    # name, segments, what is read
    ("old text, then in order", [(0, b"aaaa"), (2, b"bbbb")], b"aaaabb"),
    ("the same again", [(0, b"aaaa"), (0, b"bbbb"), (4, b"c")], b"aaaac"),
    ("covers what was read", [(0, b"aaaa"), (0, b"bbbbbb")], b"aaaabb"),
    ("new reaches over the end of old", [(2, b"aaaa"), (4, b"bbbb"), (0, b"..")], b"..aaaabb"),
    ("new reaches over the start of old", [(4, b"aaaa"), (2, b"bbbb"), (0, b"..")], b"..bbbbaa"),
    ("same start, longer", [(2, b"aa"), (2, b"bbbb"), (0, b"..")], b"..bbbb"),
    ("same start, shorter", [(2, b"aaaa"), (2, b"bb"), (0, b"..")], b"..aaaa"),
    ("same", [(2, b"aaaa"), (2, b"bbbb"), (0, b"..")], b"..aaaa"),
    ("same end, inside", [(2, b"aaaa"), (4, b"bb"), (0, b"..")], b"..aaaa"),
    ("same end, covers", [(4, b"aa"), (2, b"bbbb"), (0, b"..")], b"..bbbb"),
    ("inside", [(2, b"aaaaaa"), (4, b"bb"), (0, b"..")], b"..aaaaaa"),
    ("covers", [(4, b"aa"), (2, b"bbbbbb"), (0, b"..")], b"..bbbbbb"),
    ("from one into the next", [(2, b"aaaa"), (8, b"cccc"), (4, b"bbbbbb"), (0, b"..")],
     b"..aaaabbbbcc"),
    ("covers two", [(3, b"aa"), (7, b"cc"), (2, b"bbbbbbbb"), (0, b"..")], b"..bbbbbbbb"),
    ("covers one, into the next", [(3, b"aa"), (7, b"cccc"), (2, b"bbbbbbb"), (0, b"..")],
     b"..bbbbbbbcc"),
    ("out of one, covers the next", [(2, b"aaaa"), (7, b"cc"), (4, b"bbbbbbb"), (0, b"..")],
     b"..aaaabbbbb"),
    ("in order, into what waits", [(2, b"aaaa"), (0, b"bbbb")], b"bbbbaa"),
    ("in order, covers what waits", [(2, b"aa"), (0, b"bbbbbb")], b"bbbbbb"),
    ("in order, covers one, into the next", [(2, b"aa"), (5, b"cccc"), (0, b"bbbbbbb")],
     b"bbbbbbbcc"),
    ("from before, into what waits", [(0, b"...."), (6, b"aaaa"), (2, b"bbbbbb")],
     b"....bbbbaa"),
    ("side by side, then inside both", [(2, b"aaaa"), (6, b"cccc"), (4, b"bbbb"), (0, b"..")],
     b"..aaaacccc"),
    ("three in a row, from the right", [(6, b"cccc"), (4, b"bbbb"), (2, b"aaaa"), (0, b"..")],
     b"..aaaabbcc"),
]


class Overlap(play.Player):
    def play(self, tun):
        self.tun = tun
        self.call("listen", [])
        failed = 0
        for self.port, (name, segments, want) in enumerate(CASES, 5000):
            got = self.one(segments, len(want))
            if got != want:
                print(f"{name}: read {got}, expected {want}", file=sys.stderr)
                failed += 1
        return failed

    def one(self, segments, length):
        self.send("S", 0, 0, b"")
        while True:
            got = self.next_segment(play.time.monotonic() + 10)
            if not got:
                self.fail("no SYN,ACK")
            if got.remote_port == self.port and "S" in got.flags:
                break
        self.send("A", 1, 1, b"")
        self.call("accept", [])
        for offset, data in segments:
            self.send("PA", 1 + offset, 1, data)
        self.sock.settimeout(10)
        read = b""
        while len(read) < length:
            read += self.sock.recv(length - len(read)) or self.fail("no more to read")
        self.call("abort", [])
        return read

    def send(self, flags, seq, ack, data):
        bits = sum(1 << play.LETTERS.index(c) for c in flags)
        ack = (self.iss[self.port] + ack) & 0xffffffff if ack else 0
        self.tun.send(struct.pack("!HHIIHHHH", self.port, play.PORT, self.irs + seq, ack,
                                  5 << 12 | bits, 65535, 0, 0) + data, 0)


if __name__ == "__main__":
    sys.exit(1 if Overlap("overlap").play(play.Tun()) else 0)
