#include "core/base/err.h"
#include "platform/platform.h"

/* GRE directly in IP is Linux's alone as yet: nothing opens, so nothing else is ever called with one. */

int ipgre_open(struct ipgre **out, const struct ip_addr *address, const struct env *env)
{
	(void)address;
	*out = NULL;
	env_log(env, LOG_ERROR, "'framing = gre' cannot be had on this system, 'udp' can");
	return ERR_UNSUPPORTED;
}

void ipgre_close(struct ipgre *g)
{
	(void)g;
}

int ipgre_fd(const struct ipgre *g, uint8_t family)
{
	(void)g, (void)family;
	return -1;
}

int ipgre_recv(struct ipgre *g, uint8_t family, struct pkt_batch *b)
{
	(void)g, (void)family, (void)b;
	return ERR_SYSTEM;
}

void ipgre_send(struct ipgre *g, struct pkt_batch *b)
{
	(void)g;
	for (uint16_t i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_SEND_GRE)
			pkt_drop(&b->v[i], DROP_SEND_FAILED);
}

int ipgre_send_one(struct ipgre *g, const struct ip_addr *to, const struct ip_addr *from,
	const void *data, size_t len)
{
	(void)g, (void)to, (void)from, (void)data, (void)len;
	return ERR_SYSTEM;
}
