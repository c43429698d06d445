/* test_urgent.c - urgent data, RFC 9293 3.8.5 and RFC 6093. */
#include "harness.h"

#define MSS PEER_MSS

/* The urgent pointer of a segment that we sent; 0: no URG. */
static uint32_t pointer(const struct got *g)
{
	return g->flags & URG ? (uint32_t)(g->hdr[18] << 8 | g->hdr[19]) : 0;
}

static void send_urgent(struct harness *h, uint32_t len_bytes)
{
	struct iovec iov[2];
	uint32_t at = 0;
	int n = tcp_send_iov(h->t, len_bytes, iov);

	for (int i = 0; i < n; i++)
		for (size_t j = 0; j < iov[i].iov_len; j++)
			((uint8_t *)iov[i].iov_base)[j] = pattern_byte(1 + h->written + at++);
	assert_int_equal(at, len_bytes);
	tcp_send_urgent(h->t, len_bytes, h->now_us);
	h->written += len_bytes;
}

static void inject_urgent(struct harness *h, uint32_t seq, uint32_t len_bytes,
			  uint32_t up)
{
	h->up = (uint16_t)(up - seq);
	inject(h, URG | ACK, seq, 1 + (uint32_t)status(h).bytes_acked, WND, len_bytes);
	forget(h);
}

/* A byte that the stream leaves out. */
static void expect_urgent_byte(struct harness *h, uint32_t seq)
{
	uint8_t byte;

	assert_int_equal(tcp_recv_urgent(h->t, true, &byte), 0);
	assert_int_equal(byte, pattern_byte(seq));
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), 0);
	assert_int_equal(byte, pattern_byte(seq));
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), -EINVAL);
}

/* ---- sending ------------------------------------------------------------------------- */

/* [MUST-30] [MUST-62] The pointer points behind the urgent data, from each segment
 * that begins before that, and Nagle does not hold it. */
static void pointer_behind_the_byte(void **state)
{
	struct harness *h = *state;

	establish(h);
	app_write(h, 100);
	expect(h, ACK, 1, 1, 100);
	send_urgent(h, 1); /* a small one, while a small one is outstanding */
	assert_int_equal(pointer(expect(h, URG | ACK, 101, 1, 1)), 1);
	app_write(h, MSS);
	assert_int_equal(pointer(expect(h, ACK, 102, 1, MSS)), 0);
	time_to_segment_us(h, 10 * US_PER_S); /* again, with what is before it */
	while (pending(h)) {
		const struct got *g = harness_expect(h, h->out[h->out_head].flags, ANY, 1,
						     ANY, __FILE__, __LINE__);

		assert_int_equal(pointer(g), g->seq < 102 ? 102 - g->seq : 0);
	}
	inject(h, ACK, 1, 102 + MSS, WND, 0);
	app_write(h, MSS); /* all of it acknowledged: back to normal */
	assert_int_equal(pointer(expect(h, ACK, 102 + MSS, 1, MSS)), 0);
}

/* Bursts for the link carry no pointer: each segment has its own. */
static void pointer_in_a_burst(void **state)
{
	struct harness *h = *state;

	h->path.gso_max_bytes = 64000;
	establish(h);
	send_urgent(h, 5 * MSS + 10);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(pointer(expect(h, URG | ACK, 1 + i * MSS, 1, MSS)),
				 (5 - i) * MSS + 10);
	assert_int_equal(pointer(expect(h, URG | ACK, 1 + 5 * MSS, 1, 10)), 10);
}

/* [MUST-31] Any length: further than the field reaches, it says so much. */
static void long_urgent_data(void **state)
{
	struct harness *h = *state;
	const uint32_t len = 100000;

	establish(h);
	send_urgent(h, len);
	for (uint32_t at = 1; at < 1 + len;) {
		const struct got *g = expect(h, URG | ACK, at, 1, ANY);
		uint32_t left = 1 + len - at;

		assert_int_equal(pointer(g), left < 0xffff ? left : 0xffff);
		at += g->len_bytes;
		inject(h, ACK, 1, at, WND, 0);
	}
	expect_none(h);
}

/* A closed window holds the byte back, not the news. */
static void urgent_at_a_closed_window(void **state)
{
	struct harness *h = *state;

	establish_wnd(h, 0);
	send_urgent(h, 3);
	assert_int_equal(pointer(expect(h, URG | ACK, 1, 1, 0)), 3);
	expect_none(h);
	inject(h, ACK, 1, 1, 10, 0);
	assert_int_equal(pointer(expect(h, URG | ACK, 1, 1, 3)), 3);
}

/* ---- receiving ------------------------------------------------------------------------- */

/* [MUST-30] [MUST-32] The user hears of the pointer, reads up to the mark, takes
 * the byte, and goes on behind it. [MUST-33] He can ask how much is left. */
static void out_of_line(void **state)
{
	struct harness *h = *state;

	establish(h);
	events(h);
	inject_urgent(h, 1, 200, 101); /* byte 100 */
	assert_int_equal(events(h), TCP_EV_URGENT | TCP_EV_READABLE);
	assert_int_equal(status(h).urgent_bytes, 100);
	assert_int_equal(status(h).readable_bytes, 99);
	expect_urgent_byte(h, 100);
	assert_false(tcp_at_mark(h->t));
	assert_int_equal(app_read(h, 50), 50);
	assert_int_equal(status(h).urgent_bytes, 50);
	{
		struct iovec iov[2];

		assert_int_equal(tcp_recv_iov(h->t, iov), 1); /* no further than the mark */
		assert_int_equal(iov[0].iov_len, 49);
	}
	assert_int_equal(app_read(h, 49), 49);
	assert_true(tcp_at_mark(h->t));
	h->read++; /* the harness counts what it reads */
	assert_int_equal(app_read(h, 1000), 100);
	assert_false(tcp_at_mark(h->t));
	assert_int_equal(status(h).urgent_bytes, 0);
}

/* SO_OOBINLINE: nothing is left out, but a read still ends at the mark. */
static void in_line(void **state)
{
	struct harness *h = *state;
	struct iovec iov[2];
	uint8_t byte;

	h->opts.oob_inline = true;
	establish(h);
	inject_urgent(h, 1, 200, 101);
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), -EINVAL);
	assert_int_equal(tcp_recv_iov(h->t, iov), 1);
	assert_int_equal(iov[0].iov_len, 99);
	assert_int_equal(app_read(h, 99), 99);
	assert_true(tcp_at_mark(h->t));
	assert_int_equal(app_read(h, 1000), 101);
	assert_int_equal(status(h).urgent_bytes, 0);
}

/* The pointer comes before the byte: known at once, readable later. [MUST-66] Also
 * where our own window is closed. */
static void announced_before_it_arrives(void **state)
{
	struct harness *h = *state;
	uint8_t byte;

	h->opts.rcvbuf_bytes = 1000;
	establish(h);
	inject(h, ACK, 1, 1, WND, 1000);
	events(h);
	assert_int_equal(status(h).rcv_wnd_bytes, 0);
	inject_urgent(h, 1001, 0, 1006);
	assert_int_equal(events(h), TCP_EV_URGENT);
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), -EAGAIN);
	assert_int_equal(status(h).urgent_bytes, 1005);
	assert_int_equal(app_read(h, 1000), 1000);
	assert_int_equal(tcp_recv_urgent(h->t, false, &byte), -EAGAIN);
	inject_urgent(h, 1001, 5, 1006);
	expect_urgent_byte(h, 1005);
	assert_int_equal(app_read(h, 1000), 4);
}

/* [MUST-32] Told again whenever it advances, not when it repeats or recedes; the
 * byte that was urgent before is an ordinary one. */
static void pointer_advances(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject_urgent(h, 1, 10, 6);
	assert_int_equal(events(h) & TCP_EV_URGENT, TCP_EV_URGENT);
	inject_urgent(h, 11, 10, 21);
	assert_int_equal(events(h) & TCP_EV_URGENT, TCP_EV_URGENT);
	inject_urgent(h, 21, 10, 21 + 0);
	inject_urgent(h, 21, 10, 21);
	inject_urgent(h, 1, 10, 6);
	inject_urgent(h, 5, 10, 8);
	assert_int_equal(events(h) & TCP_EV_URGENT, 0);
	assert_int_equal(app_read(h, 19), 19);
	expect_urgent_byte(h, 20);
	h->read++;
	assert_int_equal(app_read(h, 1000), 10);
	inject_urgent(h, 25, 10, 27); /* taken already */
	assert_int_equal(events(h) & TCP_EV_URGENT, 0);
	assert_int_equal(status(h).urgent_bytes, 0);
}

/* A byte that was read out of line does not come again in line, although a newer
 * pointer makes the old one's byte an ordinary one. */
static void taken_byte_stays_taken(void **state)
{
	struct harness *h = *state;

	establish(h);
	inject_urgent(h, 1, 10, 11);
	assert_int_equal(app_read(h, 100), 9);
	expect_urgent_byte(h, 10);
	assert_true(tcp_at_mark(h->t));
	h->read++; /* the byte that was taken */
	inject_urgent(h, 11, 10, 21);
	assert_false(tcp_at_mark(h->t));
	assert_int_equal(app_read(h, 100), 9);
	expect_urgent_byte(h, 20);
}

/* [MUST-31] More urgent data than one segment, or one pointer, can say. */
static void long_urgent_data_comes(void **state)
{
	struct harness *h = *state;
	uint32_t at = 1;

	h->opts.oob_inline = true;
	establish(h);
	for (; at < 1 + 300 * 1000; at += 1000) {
		inject_urgent(h, at, 1000, at + 65535);
		assert_int_equal(events(h) & TCP_EV_URGENT, TCP_EV_URGENT);
		assert_int_equal(app_read(h, 1000), 1000);
		assert_int_equal(status(h).urgent_bytes, 65535 - 1000);
	}
}

/* URG in any segment with any pointer: at worst a mark that never comes. */
static void hostile_pointers(void **state)
{
	static const uint16_t up[] = {0, 1, 2, 99, 100, 101, 0x7fff, 0xffff};
	struct harness *h = *state;
	uint32_t at = 1;
	uint8_t byte;

	establish(h);
	for (uint32_t i = 0; i < 64; i++) {
		h->up = up[i % 8];
		inject(h, URG | ACK, at, 1, WND, 100);
		at += 100;
		forget(h);
		h->up = up[i / 8];
		inject(h, URG | ACK, at + 50, 1, WND, 50); /* beyond a hole */
		forget(h);
		inject(h, ACK, at, 1, WND, 50);
		at += 100;
		forget(h);
		tcp_recv_urgent(h->t, false, &byte);
		while (h->read + 1 < at) {
			if (tcp_at_mark(h->t))
				h->read++;
			if (!app_read(h, status(h).readable_bytes))
				break;
		}
	}
	expect_state(h, TCPS_ESTABLISHED);
	inject(h, FIN | URG | ACK, at, 1, WND, 0);
	assert_int_equal(events(h) & TCP_EV_PEER_CLOSED, TCP_EV_PEER_CLOSED);
	expect_state(h, TCPS_CLOSE_WAIT);
}

/* An urgent byte that was taken is not unread: closing is orderly. One that was
 * not taken is lost, and the peer must know. */
static void close_with_urgent_byte(void **state)
{
	for (int taken = 0; taken < 2; taken++) {
		struct harness *h = harness_again(state, NULL);
		uint8_t byte;

		establish(h);
		inject_urgent(h, 1, 1, 2);
		if (taken)
			assert_int_equal(tcp_recv_urgent(h->t, false, &byte), 0);
		app_release(h);
		if (taken)
			expect(h, FIN | ACK, 1, 2, 0);
		else
			expect_reset(h, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pointer_behind_the_byte), TEST(pointer_in_a_burst),
		TEST(long_urgent_data), TEST(urgent_at_a_closed_window),
		TEST(out_of_line), TEST(in_line), TEST(announced_before_it_arrives),
		TEST(pointer_advances), TEST(taken_byte_stays_taken), TEST(long_urgent_data_comes),
		TEST(hostile_pointers), TEST(close_with_urgent_byte),
	};

	return cmocka_run_group_tests_name("urgent", tests, NULL, NULL);
}
