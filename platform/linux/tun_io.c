#include "platform/linux/tun.h"

#include "core/base/err.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Packets and trains between the device and batches. With offloads each has a virtio_net_hdr in front,
 * whose numbers are in the order of this machine: so the driver has it when nothing else is asked for.
 */

/* linux/virtio_net.h, since Linux 6.2 */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TRAIN_ROOM (40 + PKT_TRAIN) /* an IPv6 header does not count itself */
#define PLACE      64               /* packets begin at multiples of it: a cache line */

_Static_assert(sizeof(struct virtio_net_hdr) <= PKT_HEADROOM, "it is read into the headroom");
_Static_assert(PKT_SLOT % PLACE == 0, "a batch of slots takes as many of the longest packets");

/* ---- In ------------------------------------------------------------------------------------- */

/* What the driver says when the device has been deleted under its descriptors. */
static bool says_gone(int error)
{
	return error == EBADFD || error == EFAULT || error == ENODEV || error == ENXIO ||
		error == EBADF;
}

static uint8_t type_of(uint8_t gso_type)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return PKT_TCP;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return PKT_UDP;
	default:
		return PKT_PLAIN;
	}
}

/* hdr_len is left alone: of forwarded packets it is wrong. */
static void get_offload(struct pkt *p, const uint8_t *header)
{
	struct virtio_net_hdr h;
	memcpy(&h, header, sizeof h);
	p->gso_type = h.gso_size == 0 ? PKT_PLAIN : type_of(h.gso_type);
	p->gso_size = p->gso_type == PKT_PLAIN ? 0 : h.gso_size;
	if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		p->flags = PKT_CSUM_PARTIAL;
		p->l4_off = (uint16_t)(h.csum_start < p->len ? h.csum_start : p->len);
		p->csum_off = h.csum_offset;
	}
}

int tun_read(struct tun *tun, unsigned queue, struct pkt_batch *b, size_t byte_budget)
{
	size_t header = tun->vnet ? sizeof(struct virtio_net_hdr) : 0;
	size_t room = tun->offloads & (TUN_TSO | TUN_USO) ? TRAIN_ROOM : PKT_ROOM;
	size_t all = b->size - PKT_HEADROOM - PKT_TAILROOM;
	size_t at = PKT_HEADROOM, bytes = 0;
	if (room > all)
		room = all;
	b->n = 0;
	while (b->n < b->cap && bytes < byte_budget && at + room + PKT_TAILROOM <= b->size) {
		struct pkt *p = pkt_place(b, b->n, at);
		ssize_t n = read(tun->fd[queue], p->data - header, header + room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= (ssize_t)header) {
			/* What came before is delivered first; it fails again next time. */
			if (b->n > 0 || n >= 0 || errno == EAGAIN)
				return b->n;
			return says_gone(errno) ? ERR_NOT_FOUND : ERR_SYSTEM;
		}
		p->len = (uint32_t)((size_t)n - header);
		if (header > 0)
			get_offload(p, p->data - header);
		bytes += p->len;
		at += p->len + PKT_TAILROOM + PKT_HEADROOM;
		at = (at + PLACE - 1) / PLACE * PLACE;
		b->n++;
	}
	return b->n;
}

/* ---- Out ------------------------------------------------------------------------------------ */

/* The bit that a packet needs: of its kind of train; none when it is single. */
static uint32_t kind_of(const struct pkt *p)
{
	if (p->gso_size == 0)
		return 0;
	return p->gso_type == PKT_UDP ? TUN_COALESCE_UDP : TUN_COALESCE_TCP;
}

static struct virtio_net_hdr header_of(const struct pkt *p)
{
	struct virtio_net_hdr h = {0};
	if (p->flags & PKT_CSUM_PARTIAL) {
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h.csum_start = p->l4_off;
		h.csum_offset = p->csum_off;
	}
	if (p->gso_size == 0)
		return h;
	bool v4 = p->data[0] >> 4 == 4;
	h.gso_type = p->gso_type == PKT_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
		: v4                        ? VIRTIO_NET_HDR_GSO_TCPV4
					    : VIRTIO_NET_HDR_GSO_TCPV6;
	h.gso_size = p->gso_size;
	h.hdr_len = p->hdr_len;
	return h;
}

/* 0 or an errno. */
static int write_packet(const struct tun *tun, int fd, const struct pkt_batch *b, uint16_t i)
{
	struct iovec iov[1 + PKT_BATCH];
	struct virtio_net_hdr header = header_of(&b->v[i]);
	int n = 0;
	if (tun->vnet)
		iov[n++] = (struct iovec){&header, sizeof header};
	do {
		if (n == 1 + PKT_BATCH)
			return E2BIG;
		iov[n++] = (struct iovec){b->v[i].data, b->v[i].len};
		i = b->v[i].next;
	} while (i != 0);
	ssize_t written;
	do
		written = writev(fd, iov, n);
	while (written < 0 && errno == EINTR);
	return written < 0 ? errno : 0;
}

/*
 * A train is refused when it, and not the device's state, is what the driver does not like: EINVAL. That
 * happens where a kernel's check of virtio headers has changed under us (6.1 and 6.6 of the stable series
 * did). EIO is a device that is down.
 */
unsigned tun_write(struct tun *tun, unsigned queue, struct pkt_batch *b)
{
	unsigned refused = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_WRITE_TUN)
			continue;
		uint32_t kind = kind_of(p);
		bool taken = (tun->offloads & kind) == kind;
		int error = taken ? write_packet(tun, tun->fd[queue], b, i) : EINVAL;
		if (error == 0) {
			p->verdict = PKT_CONSUMED;
		} else if (error == EINVAL && kind != 0) {
			tun->offloads &= ~kind;
			refused++;
		} else {
			pkt_drop(p, DROP_SEND_FAILED);
		}
	}
	return refused;
}
