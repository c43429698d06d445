/* parts.h - what the files of the engine offer each other, by file. Comes with tcb.h;
 * private to engine/. */
#ifndef MYTCP_PARTS_H
#define MYTCP_PARTS_H

/* ---- input.c: SEGMENT ARRIVES, RFC 9293 3.10.7 ---------------------------- */

enum drop segment_arrives(struct tcb *t, const struct segment *s,
			  uint64_t now_us);
/* Before the first data may leave: congestion control, buffers. */
void connection_start(struct tcb *t, uint64_t now_us);
/* Our SYN is acknowledged by s, and the peer's has come. */
void become_established(struct tcb *t, const struct segment *s, uint64_t now_us);
/* The time of our SYN, when only one was sent; else timestamps tell. */
void sample_handshake(struct tcb *t, const struct segment *s, uint64_t now_us);
/* The peer's SYN: IRS, RCV.NXT and its options. */
void take_syn(struct tcb *t, const struct segment *s, uint64_t now_us);

/* ---- provoked.c: answers that anybody can provoke, RFC 5961 7 ------------------ */

/* A challenge ACK, if the limits allow one. */
void challenge_ack(struct tcb *t, uint64_t now_us);
/* A RST answer for a segment that fits no connection (3.10.7.1), likewise. */
void refuse_segment(struct engine *e, const struct flow *flow,
		    const struct segment *s, const struct tcp_opts *opts,
		    uint64_t now_us);
/* The same for one that does not fit the connection t. */
void refuse_for(const struct tcb *t, const struct segment *s, uint64_t now_us);

/* ---- listen.c: LISTEN, the SYN queue and the accept queue ----------------- */

/* after: the new ISS must be beyond it, if not NULL. */
enum drop arrives_listen(struct tcb *listener, const struct engine_pkt_in *pkt,
			 const struct flow *flow, const struct segment *s,
			 const uint32_t *after, uint64_t now_us);
/* A child in SYN-RECEIVED, its SYN taken. -ENOMEM. */
int listen_child(struct tcb *listener, const struct tcp_path *path,
		 const struct flow *flow, const struct segment *syn,
		 uint64_t now_us, struct tcb **out);
/* The child t of a listener is ESTABLISHED: it waits for tcp_accept(). */
void listen_established(struct tcb *t);
/* It is to be accepted already, in SYN-RECEIVED. */
void listen_fast(struct tcb *t);
bool listen_accept_full(const struct tcb *listener);
/* A child leaves its listener, for whatever reason. */
void listen_forget_child(struct tcb *t);
/* The listener goes: its children are aborted. */
void listen_close(struct tcb *listener, uint64_t now_us);

/* ---- timewait.c: the next connection of a flow in TIME-WAIT ------------------- */

/* May a TIME-WAIT connection make room for this SYN? (RFC 9293 MAY-2) */
bool time_wait_gives_way(const struct tcb *t, const struct segment *s);
/* The one in TIME-WAIT at this flow, if it may, makes room for an active OPEN,
 * whose ISS must be *iss_min at least. */
bool time_wait_reuse(struct engine *e, const struct flow *flow, uint32_t ifindex,
		     uint32_t *iss_min, uint64_t now_us);

/* ---- gone.c: connections that have ended without the peer's agreement --------- */

/* t is about to be CLOSED, and the peer may not know it. */
void gone_note(const struct tcb *t, uint64_t now_us);
/* Does s acknowledge what such a connection has sent? Then it is refused with a RST. */
bool gone_refuses(struct engine *e, const struct flow *flow, uint32_t ifindex,
		  const struct segment *s, uint64_t now_us);
/* The flow is opened again, and its entry goes. Was it given up in SYN-SENT? *iss is
 * then the ISS to have: just before the last one. For a peer in SYN-RECEIVED the SYN is
 * so outside its window, and it answers with an ACK instead of a RST (RFC 9293
 * 3.10.7.4, first step); our RST and the next SYN follow. */
bool gone_reopens(struct engine *e, const struct flow *flow, uint32_t ifindex,
		  uint32_t *iss, uint64_t now_us);
void gone_free(struct engine *e);

/* ---- others.c: stacks beside this one ------------------------------------------ */

/* Does it depend on them what becomes of this segment for t? In TIME-WAIT only if
 * nobody listens here. */
bool others_decide(const struct tcb *t, const struct segment *s);

/* ---- syncookie.c: RFC 4987 3.6 ----------------------------------------------- */

/* Answers the SYN s, and keeps nothing. mtu_bytes: of the device to it, 0: not known. */
void syncookie_answer(const struct tcb *listener, uint32_t mtu_bytes,
		      const struct flow *flow, const struct segment *s,
		      uint64_t now_us);
/* May s acknowledge a cookie? */
bool syncookie_expected(const struct engine *e, const struct segment *s,
			uint64_t now_us);
/* Of two copies of a SYN the first was answered with a cookie, and the second, for which
 * there was room, has become t, in SYN-RECEIVED. Does the peer acknowledge the cookie? */
bool syncookie_instead(const struct tcb *t, const struct segment *s, uint64_t now_us);
/* If s acknowledges a cookie, the child that could have existed since the SYN comes
 * into being and gets the segment. */
enum drop syncookie_arrives(struct tcb *listener, const struct tcp_path *path,
			    const struct flow *flow, const struct segment *s,
			    uint64_t now_us);

/* ---- fastopen.c: RFC 7413 -------------------------------------------------------- */

/* An active OPEN: decides what the SYN brings, and whether it waits for data. */
void fastopen_open(struct tcb *t, uint64_t now_us);
/* The option of our SYN or SYN,ACK, if it has one. */
void fastopen_syn_option(struct tcb *t, struct seg_options *o);
/* Bytes of data that our SYN takes along behind such a header. */
uint32_t fastopen_syn_data(const struct tcb *t, uint8_t hdr_len_bytes);
/* The SYN,ACK s: cookie, MSS, success and failure are remembered. */
void fastopen_take_answer(struct tcb *t, const struct segment *s, uint64_t now_us);

enum fastopen { FASTOPEN_NO, FASTOPEN_GRANT, FASTOPEN_TAKE, FASTOPEN_TAKE_AND_GRANT };
/* What the SYN s gets: a cookie, or its data taken. */
enum fastopen fastopen_judge(struct tcb *listener, const struct flow *flow,
			     const struct segment *s, uint64_t now_us);
/* ... and does so for the new child t. */
void fastopen_accept(struct tcb *t, enum fastopen how, const struct segment *s,
		     uint64_t now_us);
/* The handshake is complete, or t has died. */
void fastopen_done(struct tcb *t);
/* RST came before that. */
void fastopen_reset(struct tcb *t, uint64_t now_us);
/* The listener goes. */
void fastopen_orphan(struct tcb *t, const struct tcb *listener);
void fastopen_free(struct tcb *t);
void fastopen_free_cache(struct engine *e);

/* ---- ack.c: the ACK step --------------------------------------------------- */

enum drop check_ack(struct tcb *t, const struct segment *s, uint64_t now_us);
/* Our SYN is acknowledged by s, and perhaps data that went along or soon after. */
void take_syn_ack(struct tcb *t, const struct segment *s, uint64_t now_us);
/* Is our FIN acknowledged? */
bool fin_acked(const struct tcb *t);

/* ---- recovery.c: losses ---------------------------------------------------- */

/* After the scoreboard took an acknowledgment. dup: it was a duplicate ACK. */
void recovery_on_ack(struct tcb *t, const struct sb_acked *res, bool dup,
		     uint64_t now_us);
void recovery_on_timeout(struct tcb *t, uint64_t now_us);
/* A mark was reported (ECN), the first in its window of data: cwnd is reduced. */
void recovery_on_mark(struct tcb *t, const struct sb_acked *res, uint32_t flight_bytes,
		      uint64_t now_us);
/* The peer may have thrown away what it had sacked: then soon a timeout. */
void recovery_check_reneging(struct tcb *t, uint64_t now_us);
/* Bytes in the network, RFC 6675 pipe or RFC 6582's inflated window. */
uint32_t recovery_pipe_bytes(const struct tcb *t);

/* The tail loss probe repaired what nothing else will tell of (RFC 8985 7.4). */
void recovery_on_masked_loss(struct tcb *t, uint64_t now_us);
/* RACK's timer: some may be lost by now. */
void recovery_on_reorder_timer(struct tcb *t, uint64_t now_us);

/* ---- rack.c: RFC 8985 6 ------------------------------------------------------ */

void rack_init(struct tcb *t);
/* Are losses found by time? Else by RFC 6675, or by RFC 6582 without SACK. */
bool rack_on(const struct tcb *t);
/* An acknowledgment was taken. Marks what is lost; returns whether any is. */
bool rack_on_ack(struct tcb *t, const struct sb_acked *res, uint64_t now_us);
bool rack_detect(struct tcb *t, uint64_t now_us);
/* The peer had something already that was sent again, and not as a probe. */
void rack_on_dsack(struct tcb *t);
/* Fast recovery, or that after a timeout, is over. */
void rack_on_recovered(struct tcb *t);
/* A fast recovery was for nothing: the path reorders. */
void rack_on_spurious(struct tcb *t);
/* The retransmission timer expired: marks what may be lost. */
void rack_mark_on_timeout(struct tcb *t, uint64_t now_us);

/* ---- tlp.c: RFC 8985 7 ------------------------------------------------------- */

/* Arms or stops the probe's timer, after new data left or was acknowledged;
 * alone: it left with nothing else in flight. */
void tlp_schedule(struct tcb *t, bool alone, uint64_t now_us);
void tlp_on_timer(struct tcb *t, uint64_t now_us);
/* The same while losses are repaired; news: an ACK has told something. */
void tlp_in_recovery(struct tcb *t, bool news, uint64_t now_us);
/* The probe has left; again: as a retransmission. */
void tlp_sent(struct tcb *t, bool again, uint64_t now_us);
/* Does the probe that is due follow one that got no answer? */
bool tlp_again(const struct tcb *t);
/* An RTT was measured, and srtt_us is what it was before. */
void tlp_on_sample(struct tcb *t, uint32_t rtt_us, bool exact);
/* An ACK was taken. dsack: what it says came twice, or NULL; plain_dup: it is a
 * duplicate without any SACK option. */
void tlp_on_ack(struct tcb *t, const struct seq_range *dsack, bool plain_dup,
		uint64_t now_us);

/* ---- control.c: its congestion control ---------------------------------------- */

/* The connection is established. */
void control_start(struct tcb *t, uint64_t now_us);
/* t->opts may name another algorithm. */
void control_change(struct tcb *t, uint64_t now_us);
void control_end(struct tcb *t);
void control_status(const struct tcb *t, struct tcp_status *st);

/* ---- pace.c: when data may leave ------------------------------------------------- */

/* Bytes per second; 0: as fast as ACKs come. */
uint64_t pace_rate(const struct tcb *t);
/* Is it the user's limit, below what congestion control would do? */
bool pace_is_the_users(const struct tcb *t);
/* The largest packet: whole segments, at least one. */
uint32_t pace_burst_bytes(const struct tcb *t, uint32_t mss);
/* There is data that may leave but for its time; then TIMER_PACE will tell. */
bool pace_holds(struct tcb *t, uint64_t now_us);
/* So much leaves now, and is on the scoreboard. */
void pace_sent(struct tcb *t, uint32_t len_bytes, uint64_t now_us);
/* The rate has changed, and not by the algorithm. */
void pace_restart(struct tcb *t);

/* ---- rate.c: delivery rate, round trips, losses, for cc.h ------------------------ */

void rate_init(struct tcb *t, uint64_t now_us);
/* A record was pushed, or sent again. */
void rate_on_sent(struct tcb *t, struct sent *rec, uint64_t now_us);
/* Completes ack, of which the caller has set the time, the bytes and the RTT. */
void rate_on_ack(struct tcb *t, const struct sb_acked *res, struct cc_ack *ack);
void rate_after_ack(struct tcb *t);
/* To be called before new data is queued, an ACK is taken, or a timer runs. */
void rate_check_app_limited(struct tcb *t);
/* After recovery has marked what is lost, and has told congestion control.
 * Returns how much that is. */
uint32_t rate_tell_losses(struct tcb *t, uint64_t now_us);

/* ---- ecn.c: RFC 3168, RFC 8311, and what is common with RFC 9768 ------------- */

/* Flags of a SYN, or of a SYN,ACK, that is about to leave. */
uint16_t ecn_syn_flags(struct tcb *t, bool answer);
/* The peer's first SYN or SYN,ACK: the mode is decided. */
void ecn_take_syn(struct tcb *t, const struct segment *s);
/* Its SYN again, in SYN-RECEIVED. False: it contradicts the first one, and the
 * connection must be reset (RFC 9768 3.1.5). */
bool ecn_take_syn_again(struct tcb *t, const struct segment *s);
/* An acceptable segment without SYN. */
void ecn_receive(struct tcb *t, const struct segment *s);
/* Its acknowledgment was taken. Returns whether it tells of congestion, and
 * completes ack. */
bool ecn_take_ack(struct tcb *t, const struct segment *s,
		  const struct sb_acked *res, struct cc_ack *ack);
/* Our SYN was acknowledged by s; after cc_init(). */
void ecn_established(struct tcb *t, const struct segment *s, uint64_t now_us);
/* cwnd was reduced, for whatever reason; the reason was a timeout. */
void ecn_reduced(struct tcb *t);
void ecn_timeout(struct tcb *t);
/* Flags of a segment that is about to leave. pure: a bare ACK without SACK
 * blocks; fresh: its data was never sent before. */
uint16_t ecn_flags(struct tcb *t, uint32_t len_bytes, bool pure, bool fresh);
uint8_t ecn_tos(const struct tcb *t, uint32_t len_bytes, bool fresh);
void ecn_status(const struct tcb *t, struct tcp_status *st);

/* ---- accecn.c: RFC 9768, all in ECN_ACCURATE only ------------------------------ */

bool accecn_start(struct tcb *t); /* false: no memory */
void accecn_free(struct tcb *t);
uint16_t accecn_syn_ack_flags(struct tcb *t);
void accecn_take_syn_ack(struct tcb *t, const struct segment *s);
/* The SYN,ACK came again; in any mode. */
void accecn_syn_ack_again(struct tcb *t, const struct segment *s);
/* The ACK of our SYN,ACK. */
void accecn_take_third_ack(struct tcb *t, const struct segment *s);
void accecn_receive(struct tcb *t, const struct segment *s);
/* Text came that had been acknowledged already; in any mode. */
void accecn_repeated(struct tcb *t);
/* Packets newly known to have been marked, and how many bytes they have. */
uint32_t accecn_take_ack(struct tcb *t, const struct segment *s,
			 const struct sb_acked *res, uint32_t *ce_bytes);
/* cwnd was reduced for them. */
void accecn_responded(struct tcb *t);
uint16_t accecn_flags(struct tcb *t, bool pure);
/* Must a bare ACK leave before anything else? In any mode. (3.2.2.1) */
bool accecn_ack_first(const struct tcb *t);
/* What the option of the next segment takes, padded, of room_bytes; 0: none. In
 * any mode. */
unsigned accecn_option_bytes(const struct tcb *t, unsigned room_bytes);
/* Puts it in. len_bytes: payload of the segment. */
void accecn_fill_option(struct tcb *t, struct seg_options *o, unsigned room_bytes,
			uint32_t len_bytes);

/* Of t, made when it is first needed; NULL when out of memory: then there is
 * neither proportional reduction nor undo. */
struct repair *repair_of(struct tcb *t);
void repair_free(struct tcb *t);

/* ---- prr.c: RFC 6937, 9937 --------------------------------------------------- */

/* Congestion was seen, and res, if not NULL, delivered with it. cwnd_bytes is what
 * the window was before. Does nothing where it does not apply. */
void prr_start(struct tcb *t, const struct sb_acked *res, uint32_t cwnd_bytes);
bool prr_on(const struct tcb *t);
/* safe: SND.UNA advanced, and no further loss was found. */
void prr_on_ack(struct tcb *t, uint32_t delivered_bytes, bool safe);
void prr_sent(struct tcb *t, uint32_t len_bytes);
/* Is everything acknowledged that was under way? More is to be, if losses follow. */
bool prr_complete(const struct tcb *t);
void prr_extend(struct tcb *t);
/* The reduction is complete: cwnd is ssthresh. */
void prr_end(struct tcb *t);
/* It is given up: cwnd belongs to somebody else. */
void prr_stop(struct tcb *t);

/* ---- validate.c: RFC 2861, RFC 5681 4.1 ---------------------------------------- */

/* New data is about to leave. */
void validate_before_send(struct tcb *t, uint64_t now_us);
/* An ACK was taken, and congestion control will hear of it. */
void validate_on_ack(struct tcb *t, const struct cc_ack *ack);

/* ---- undo.c: RFC 3522, 4015, 5682 --------------------------------------------- */

/* Congestion control is about to react to a loss. */
void undo_begin(struct tcb *t, bool timeout);
/* The timer expired once more. */
void undo_begin_again(struct tcb *t);
/* This was the first timeout, or one more for the same segment. */
void undo_begin_frto(struct tcb *t);
/* A reaction followed that is not to be taken back. */
void undo_forget(struct tcb *t);
/* Only new data may leave: it shows what the timeout was (RFC 5682). */
bool undo_wants_new(const struct tcb *t);
/* May another segment of it leave, whatever cwnd says? Then one does. */
bool undo_take_new(struct tcb *t);
/* A lost segment leaves again. */
void undo_on_resend(struct tcb *t, uint32_t start, uint32_t len_bytes, uint64_t now_us);
/* Before recovery looks at an ACK: returns whether it has shown that recovery was
 * for nothing, and is over. */
bool undo_on_ack(struct tcb *t, const struct segment *s, const struct sb_acked *res,
		 bool dup, bool dsack, uint64_t now_us);
void undo_on_dsack(struct tcb *t, const struct seq_range *dsack, uint64_t now_us);

/* ---- rtt.c: RFC 6298 -------------------------------------------------------- */

void rtt_init(struct tcb *t);
/* A measurement by our own clock, of what was sent once. */
void rtt_sample(struct tcb *t, uint32_t rtt_us, uint64_t now_us);
/* One by the timestamp that was echoed: too coarse to know the shortest path. */
void rtt_sample_echo(struct tcb *t, uint32_t ts_ecr, uint64_t now_us);
/* A timeout was spurious, and the ACK took this long (RFC 4015 3.3). */
void rtt_after_spurious(struct tcb *t, uint32_t rtt_us);
/* The RTO with the present backoff. */
uint64_t rto_backed_off_us(const struct tcb *t);

/* ---- text.c: the text and FIN steps, the receive window ------------------- */

enum drop take_text(struct tcb *t, const struct segment *s, uint64_t now_us);
void take_fin(struct tcb *t, const struct segment *s, uint64_t now_us);
/* Of the text [start, end), what lies below RCV.NXT came again: the next ACK
 * says so (RFC 2883 4). */
void note_duplicate(struct tcb *t, uint32_t start, uint32_t end);
/* RCV.WND: what the peer may send from RCV.NXT on. */
uint32_t rcv_wnd(const struct tcb *t);
/* Moves the right edge as far as the buffer and silly window avoidance allow;
 * returns the window field for a segment and remembers it as offered. */
uint16_t rcv_offer(struct tcb *t, bool syn);
/* What a SYN,ACK that nobody remembers may have said at most is offered, however short
 * memory is by now. */
void rcv_as_offered(struct tcb *t);
/* Is it time to tell the peer about a larger window? */
bool window_to_update(const struct tcb *t);

/* ---- autotune.c: the size of the buffers -------------------------------------- */

/* A new tcb: as the user or the configuration says. */
void bufs_init(struct tcb *t);
/* The user has set a size, perhaps. */
void bufs_follow_opts(struct tcb *t);
/* All connections together hold so much that none may hold more than now. */
bool memory_is_short(const struct engine *e);
/* How far the receive buffer may ever grow: the window scale must say it. */
uint32_t rcvbuf_most_bytes(const struct tcb *t);
/* cwnd may have grown. */
void sndbuf_grow(struct tcb *t);
/* What the user may write now. */
uint32_t sndbuf_room(const struct tcb *t);
/* TCP_EV_WRITABLE, if the user waits for it and there is enough room by now. */
void sndbuf_wake(struct tcb *t);
/* ESTABLISHED: text will come from now on. */
void rcvbuf_start(struct tcb *t, uint64_t now_us);
/* Text has come in order: how long is a round trip? */
void rcvbuf_on_text(struct tcb *t, const struct segment *s, uint64_t now_us);
/* The user has taken this much. */
void rcvbuf_on_read(struct tcb *t, uint32_t len_bytes, uint64_t now_us);

/* ---- output.c: what is to be sent ------------------------------------------ */

/* The SYN or SYN,ACK of t; offers the window that it says. */
struct segment syn_segment(struct tcb *t, uint64_t now_us);
/* What our SYN brought and the peer did not take was never sent: it may be more
 * than the window that the peer has announced by now. */
void take_back_syn_data(struct tcb *t);
/* The next packet of t; false when it has nothing to send now. */
bool tcb_output(struct tcb *t, struct engine_pkt_out *pkt, uint64_t now_us);
/* The sequence number of a segment without text: SND.NXT, but not beyond the peer's
 * window. A probe that the peer has refused, or what it has shrunk its window below,
 * would make the segment unacceptable, and its ACK and window would not be heard. FIN
 * needs no window. */
uint32_t bare_seq(const struct tcb *t);
/* Of what was never sent, how much the peer's window has room for. */
uint32_t may_send_bytes(const struct tcb *t);
/* Is there new data, and room for it in the peer's window? */
bool may_send_new(const struct tcb *t);
/* Queued bytes and FIN that were never sent. */
uint32_t unsent(const struct tcb *t);

/* ---- nagle.c: segments that are not full ------------------------------------------ */

/* Nagle (SHLD-7) in Minshall's variant: only a small segment that is itself
 * unacknowledged holds the next one back, so the tail of a large write does not
 * wait for the peer's delayed ACK. */
bool may_send_small(const struct tcb *t);
/* The user sends, and says whether more follows. Before the bytes are queued. */
void more_note(struct tcb *t, bool more);
/* How much may leave of len bytes, all that are unsent, the last segment not full. */
uint32_t small_bytes(const struct tcb *t, uint32_t len, uint32_t mss);
void cork_timer_update(struct tcb *t, uint64_t now_us);

/* ---- urgent.c: RFC 6093 -------------------------------------------------------------- */

/* What the send buffer holds ends with urgent data. */
void urgent_send(struct tcb *t);
bool urgent_unsent(const struct tcb *t);
/* The URG bit and the pointer of a segment that begins at seq, or 0. */
uint8_t urgent_fill(struct tcb *t, uint32_t seq, uint16_t *up);
/* The sixth step, before the text is taken. */
void take_urgent(struct tcb *t, const struct segment *s);
/* What may be read in one go; skip: the urgent byte is first and not part of it. */
uint32_t urgent_readable(const struct tcb *t, bool *skip);
void urgent_consumed(struct tcb *t);
/* Bytes from the next one that is read to the mark; 0: no urgent data. */
uint32_t urgent_left(const struct tcb *t);

/* ---- patience.c: R2, user timeout, RFC 5482 ------------------------------------- */

/* The connection fails with what ICMP said, or ETIMEDOUT. */
void give_up(struct tcb *t, uint64_t now_us);
uint32_t user_timeout_ms(const struct tcb *t); /* 0: none */
bool user_timeout_over(const struct tcb *t, uint64_t now_us);
/* R2: data or FIN have been outstanding for too long. */
bool patience_over(const struct tcb *t, uint64_t now_us);
uint32_t retries(const struct tcb *t);
/* When the retransmission timer shall expire if it starts now. */
uint64_t rexmt_due_us(const struct tcb *t, uint64_t now_us);
/* The field of the option for a time of up to 22 days. */
uint16_t uto_encode(uint32_t ms);
uint16_t uto_to_send(const struct tcb *t); /* 0: no option */
void take_uto(struct tcb *t, const struct segment *s);

/* ---- keepalive.c: RFC 9293 3.8.4 ------------------------------------------------- */

/* Established, or the options have changed. */
void keepalive_start(struct tcb *t);
void keepalive_expire(struct tcb *t, uint64_t now_us);

/* ---- delack.c: which ACKs wait ------------------------------------------------------ */

/* Text comes; before last_data_in_us is set. */
void quickack_on_text(struct tcb *t, uint64_t now_us);
void quickack_start(struct tcb *t);
/* A hole, or text that we have. */
void quickack_on_disorder(struct tcb *t);
bool acks_quickly(const struct tcb *t);
void pingpong_on_send(struct tcb *t, uint64_t now_us);
void delack_expire(struct tcb *t);

/* ---- busy.c: what sending waits for -------------------------------------------- */

/* After output has done what it could, and after an ACK. */
void busy_update(struct tcb *t, uint64_t now_us);
void busy_status(const struct tcb *t, struct tcp_status *st);

/* ---- options.c -------------------------------------------------------------------- */

/* The clock of the timestamps that we send. */
uint32_t ts_now(const struct tcb *t, uint64_t now_us);
uint32_t ts_at(uint32_t ts_offset, uint64_t now_us);
/* The option of a segment with ACK or without, if the connection has it. */
void fill_timestamp(const struct tcb *t, struct seg_options *o, bool ack, uint64_t now_us);
/* Payload per segment with the options that it carries now. */
uint32_t effective_mss(const struct tcb *t);
/* Those of a segment with so much payload. It will be sent: what is due is not due
 * any more. */
void fill_options(struct tcb *t, struct seg_options *o, uint32_t len_bytes,
		  uint64_t now_us);
/* Flags and option of a SYN, or of a SYN,ACK, that has its other options. */
void add_ecn_to_syn(struct tcb *t, struct segment *s, bool answer);

/* ---- pmtu.c: RFC 9293 3.7.1, RFC 1191, RFC 8201, RFC 4821 ------------------------ */

#define TS_OPTION_BYTES 12 /* with its padding */

/* Takes the MTU of the route. */
void pmtu_start(struct tcb *t, const struct tcp_path *path);
/* The peer's MSS, the user's, the options or the path have changed. */
void update_mss(struct tcb *t);
/* The MSS option: what we can receive, MUST-14 and MUST-67. */
uint16_t offered_mss(const struct tcb *t);
/* Before control_start(). */
void pmtu_established(struct tcb *t, uint64_t now_us);
void pmtu_free(struct tcb *t);
/* May routers cut our packets? Else DF is set. */
bool pmtu_may_fragment(const struct tcb *t);
/* ICMP: about what is in flight, too large. */
void pmtu_told(struct tcb *t, const struct engine_icmp *msg, uint64_t now_us);
/* Before the retransmission timer's work is done: it may be for the size. */
void pmtu_on_timeout(struct tcb *t, uint64_t now_us);
/* After an acknowledgment. */
void pmtu_on_ack(struct tcb *t, const struct sb_acked *res, uint64_t now_us);
/* Losses were found. True: only the probe, which will be sent again in smaller
 * pieces; congestion control must not hear of it. */
bool pmtu_forgives(struct tcb *t, uint64_t now_us);
/* By how many bytes the next segment shall be larger than snd.mss; 0: no probe.
 * For that, so much must be unsent and within window and cwnd. */
uint32_t pmtu_probe_due(const struct tcb *t, uint64_t now_us);
uint32_t pmtu_probe_room(const struct tcb *t, uint32_t more_bytes);
void pmtu_probe_sent(struct tcb *t, uint32_t more_bytes, uint32_t seq);
/* silent: nobody has told how large it might have been. */
void pmtu_probe_lost(struct tcb *t, uint64_t now_us, bool silent);

/* ---- timer.c ----------------------------------------------------------------- */

/* Arms, re-arms or stops the retransmission timer for what is outstanding. */
void rexmt_timer_update(struct tcb *t, bool restart, uint64_t now_us);
void tcb_expire(struct tcb *t, uint64_t now_us);
/* The connection is released and in FIN-WAIT-2. */
void fin_wait_2_released(struct tcb *t, uint64_t now_us);
/* Something was acknowledged: timeouts in a row begin anew. */
void timeouts_over(struct tcb *t, uint64_t now_us);
void enter_time_wait(struct tcb *t, uint64_t now_us);

/* ---- engine.c ---------------------------------------------------------------- */

void engine_reply(struct engine *e, const struct reply *r);

/* ---- record.c: the trace ------------------------------------------------------- */

void trace_numbers(const struct tcb *t, struct trace_rec *rec);
void trace_state(struct tcb *t, enum tcp_state before, uint64_t now_us);
void trace_note(struct tcb *t, const char *note, uint64_t now_us);
void trace_segment(struct engine *e, const struct trace_rec *rec);
void trace_out(struct engine *e, struct tcb *t, const struct flow *flow,
	       const struct engine_pkt_out *pkt, const char *note,
	       uint64_t now_us);

#endif
