#include "platform/bsd/ancillary.h"

#include <netinet/in.h>
#include <string.h>

/* IP_PKTINFO, as on Linux; what it is asked and told by has one name. */

int ancillary4_ask(int fd)
{
	static const int options[][2] = {{IP_RECVPKTINFO, 1}, {IP_RECVTOS, 1}, {IP_DONTFRAG, 0}};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (setsockopt(fd, IPPROTO_IP, options[i][0], &options[i][1],
			    sizeof options[i][1]) < 0)
			return -1;
	return 0;
}

void ancillary4_read(const struct cmsghdr *c, struct pkt *p)
{
	if (c->cmsg_type == IP_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo))) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof info);
		p->local = addr_v4((const uint8_t *)&info.ipi_addr);
	} else if (c->cmsg_type == IP_RECVTOS && c->cmsg_len > CMSG_LEN(0)) {
		p->tos = *CMSG_DATA(c);
	}
}

void ancillary4_write(struct msghdr *msg, struct ancillary *control, const struct ip_addr *source)
{
	struct in_pktinfo info = {0};
	memcpy(&info.ipi_spec_dst, source->bytes, 4);
	ancillary_put(msg, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}
