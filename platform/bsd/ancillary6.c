/* RFC 3542, which macOS has on request. */
#define __APPLE_USE_RFC_3542 1

#include "platform/bsd/ancillary.h"

#include <netinet/in.h>
#include <string.h>

void ancillary_put(struct msghdr *msg, struct ancillary *control, int level, int type,
	const void *data, size_t len)
{
	if (!msg->msg_control)
		memset(control, 0, sizeof *control);
	struct cmsghdr *c = (struct cmsghdr *)(control->bytes + msg->msg_controllen);
	msg->msg_control = control->bytes;
	msg->msg_controllen += (socklen_t)CMSG_SPACE(len);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = (socklen_t)CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
}

int ancillary_ask(int fd, uint8_t family)
{
	static const int options[][2] = {
		{IPV6_V6ONLY, 1}, {IPV6_RECVPKTINFO, 1}, {IPV6_RECVTCLASS, 1}, {IPV6_DONTFRAG, 0}};
	if (family == 4)
		return ancillary4_ask(fd);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (setsockopt(fd, IPPROTO_IPV6, options[i][0], &options[i][1],
			    sizeof options[i][1]) < 0)
			return -1;
	return 0;
}

static void read6(const struct cmsghdr *c, struct pkt *p)
{
	if (c->cmsg_type == IPV6_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(struct in6_pktinfo))) {
		struct in6_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof info);
		p->local = addr_from_bytes(6, (const uint8_t *)&info.ipi6_addr);
	} else if (c->cmsg_type == IPV6_TCLASS && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
		int tclass;
		memcpy(&tclass, CMSG_DATA(c), sizeof tclass);
		p->tos = (uint8_t)tclass;
	}
}

void ancillary_read(struct msghdr *msg, struct pkt *p)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IPV6)
			read6(c, p);
		else if (c->cmsg_level == IPPROTO_IP)
			ancillary4_read(c, p);
	}
}

void ancillary_write(
	struct msghdr *msg, struct ancillary *control, const struct pkt *p, bool source)
{
	int tos = p->tos, ttl = p->ttl;
	if (p->remote.addr.family == 4) {
		if (source)
			ancillary4_write(msg, control, &p->local);
		return;
	}
	if (source) {
		struct in6_pktinfo info = {0};
		memcpy(&info.ipi6_addr, p->local.bytes, 16);
		ancillary_put(msg, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	}
	if (tos != 0)
		ancillary_put(msg, control, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
	if (ttl != 0)
		ancillary_put(msg, control, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof ttl);
}
