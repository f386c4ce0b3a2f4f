#include "platform/bsd/ancillary.h"

#include <netinet/in.h>
#include <string.h>

/* IP_RECVDSTADDR and IP_SENDSRCADDR (ip(4)): one option, whose data is the address alone. */

int ancillary4_ask(int fd)
{
	static const int options[][2] = {{IP_RECVDSTADDR, 1}, {IP_RECVTOS, 1}, {IP_DONTFRAG, 0}};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (setsockopt(fd, IPPROTO_IP, options[i][0], &options[i][1],
			    sizeof options[i][1]) < 0)
			return -1;
	return 0;
}

void ancillary4_read(const struct cmsghdr *c, struct pkt *p)
{
	if (c->cmsg_type == IP_RECVDSTADDR && c->cmsg_len >= CMSG_LEN(4))
		p->local = addr_v4(CMSG_DATA(c));
	else if (c->cmsg_type == IP_RECVTOS && c->cmsg_len > CMSG_LEN(0))
		p->tos = *CMSG_DATA(c);
}

void ancillary4_write(struct msghdr *msg, struct ancillary *control, const struct ip_addr *source)
{
	ancillary_put(msg, control, IPPROTO_IP, IP_SENDSRCADDR, source->bytes, 4);
}
