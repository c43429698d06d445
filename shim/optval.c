/* optval.c - how values of socket options are copied. Owns nothing.
 */
#include "optval.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fdtab.h"

int optval_put(const void *src, size_t size, void *val, socklen_t *len)
{
	if (*len > size)
		*len = size;
	memcpy(val, src, *len);
	return 0;
}

int optval_put_int(int v, void *val, socklen_t *len)
{
	return optval_put(&v, sizeof(v), val, len);
}

int optval_put_byte(int v, void *val, socklen_t *len)
{
	uint8_t byte = v;

	if (*len > 0 && *len < sizeof(int) && v >= 0 && v <= 255)
		return optval_put(&byte, 1, val, len);
	return optval_put_int(v, val, len);
}

int optval_get_int(const void *val, socklen_t len, int *v)
{
	if (len < sizeof(*v))
		return -EINVAL;
	memcpy(v, val, sizeof(*v));
	return 0;
}

int optval_get_byte(const void *val, socklen_t len)
{
	int v = 0;

	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else if (len >= 1)
		v = *(const uint8_t *)val;
	return v;
}

/* if_nametoindex(3) and if_indextoname(3) in a form that signal handlers may
 * use. request: SIOCGIFINDEX or SIOCGIFNAME. */
static int ask_device(unsigned long request, struct ifreq *ifr)
{
	int err, fd = real()->socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	err = real()->ioctl(fd, request, ifr) < 0 ? -errno : 0;
	real()->close(fd);
	return err;
}

int optval_put_device(uint32_t ifindex, void *val, socklen_t *len)
{
	struct ifreq ifr = {.ifr_ifindex = (int)ifindex};
	int err;

	if (!ifindex) {
		*len = 0;
		return 0;
	}
	if (*len < IFNAMSIZ)
		return -EINVAL;
	err = ask_device(SIOCGIFNAME, &ifr);
	if (err)
		return err;
	return optval_put(ifr.ifr_name, strnlen(ifr.ifr_name, IFNAMSIZ - 1) + 1,
			  val, len);
}

int optval_get_device(const void *val, socklen_t len, uint32_t *ifindex)
{
	struct ifreq ifr = {0};
	int err;

	*ifindex = 0;
	memcpy(ifr.ifr_name, val, len < IFNAMSIZ ? len : IFNAMSIZ - 1);
	if (!ifr.ifr_name[0])
		return 0;
	err = ask_device(SIOCGIFINDEX, &ifr);
	if (!err)
		*ifindex = ifr.ifr_ifindex;
	return err;
}

static uint32_t segments(uint32_t bytes, uint32_t mss)
{
	return mss ? bytes / mss : 0;
}

static void info_counters(const struct tcp_status *st, struct tcp_info *info)
{
	info->tcpi_unacked = st->state == TCPS_LISTEN ? st->accept_waiting
						      : st->unacked_segs;
	info->tcpi_sacked = st->state == TCPS_LISTEN ? st->accept_max
						     : st->sacked_segs;
	info->tcpi_lost = st->lost_segs;
	info->tcpi_retrans = st->retrans_segs;
	info->tcpi_total_retrans = st->total_retrans;
	info->tcpi_notsent_bytes = st->notsent_bytes;
	info->tcpi_bytes_acked = st->bytes_acked;
	info->tcpi_bytes_received = st->bytes_received;
	info->tcpi_bytes_sent = st->bytes_sent;
	info->tcpi_bytes_retrans = st->bytes_retrans;
	info->tcpi_segs_in = (uint32_t)st->segs_in;
	info->tcpi_segs_out = (uint32_t)st->segs_out;
	info->tcpi_data_segs_in = (uint32_t)st->data_segs_in;
	info->tcpi_data_segs_out = (uint32_t)st->data_segs_out;
}

void optval_tcp_info(const struct tcp_status *st, struct tcp_info *info)
{
	info->tcpi_state = st->state;
	info->tcpi_ca_state = st->recovery;
	info->tcpi_retransmits = st->backoff;
	info->tcpi_backoff = st->backoff;
	info->tcpi_options = (st->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
			     (st->sack ? TCPI_OPT_SACK : 0) |
			     (st->window_scaling ? TCPI_OPT_WSCALE : 0);
	info->tcpi_snd_wscale = st->snd_wscale;
	info->tcpi_rcv_wscale = st->rcv_wscale;
	info->tcpi_rto = st->rto_us;
	info->tcpi_rtt = st->srtt_us;
	info->tcpi_rttvar = st->rttvar_us;
	info->tcpi_min_rtt = st->min_rtt_us;
	info->tcpi_snd_mss = st->snd_mss;
	info->tcpi_rcv_mss = st->rcv_mss;
	info->tcpi_pmtu = st->path_mtu;
	info->tcpi_advmss = st->adv_mss;
	info->tcpi_snd_cwnd = segments(st->snd_cwnd_bytes, st->snd_mss);
	info->tcpi_snd_ssthresh = segments(st->snd_ssthresh_bytes, st->snd_mss);
	info->tcpi_rcv_space = st->rcv_wnd_bytes;
	info_counters(st, info);
}
