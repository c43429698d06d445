/* script.h - plays a script of exact segments against the engine, in virtual
 * time, through the harness.
 *
 * A script is lines of text; # begins a comment. A line may begin with the time
 * in milliseconds since the line before it (+50, +0.25); without one, no time
 * passes. Then:
 *
 *   < FLAGS SEQ+LEN [ack N] [win N] [up N] [ECN] [<OPTIONS>]  the peer sends this
 *   > FLAGS SEQ+LEN [ack N] [win N] [up N] [ECN] [<OPTIONS>]  the engine sent this,
 *                                                 at this very time
 *   icmp ERRNO SEQ [mtu N]                        an ICMP error arrives
 *   open | listen [BACKLOG] | accept | write N | read N | shutdown | close |
 *   abort                                         the user's calls
 *   state NAME | drop REASON | error ERRNO | event NAME | tos N | FIELD VALUE
 *                                                 what must be true now
 *   opt NAME VALUE                                struct tcp_opts, also of a
 *                                                 connection that exists
 *   set NAME VALUE                                a knob (as --set), and
 *   peer ts | port N | isn N | mtu N | gso N      the peer and the path: these
 *                                                 stand before what they affect
 *   virtual                                       asks for more than a socket can
 *                                                 do: not for tests/live/play.py
 *
 * FLAGS are letters of FSRPAUECN (N is AE), "." is ACK as well, "-" is none. ECN is
 * ect0, ect1 or ce. Numbers are relative as in harness.h. OPTIONS are separated by
 * commas: mss N, sackok, wscale N, ts, ts-older MS, echo-older MS, sack A-B, uto N
 * (the field), accecn E0B CEB E1B, fo HEX (the cookie of RFC 7413; "fo request" has
 * none, "fo any" expects one). Everything that is sent must be expected, in order,
 * with its flags, ECN, urgent pointer and options; ack and win only where they are
 * given. Timestamps come and go by themselves once "peer ts" says so; "ts" need not
 * be given.
 */
#ifndef MYTCP_TEST_SCRIPT_H
#define MYTCP_TEST_SCRIPT_H

/* Plays the file; fails the cmocka test that runs, with file and line, where the
 * engine does something else. */
void script_play(const char *path);

#endif
