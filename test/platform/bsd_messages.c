#include "test/platform/bsd_messages.h"

#include <string.h>

static bool is_route(uint8_t type)
{
	return type <= 4;
}

void bsd_begin(struct bsd_message *m, const struct rtsock_abi *abi, uint8_t type, uint16_t ifindex,
	uint32_t flags)
{
	bool macos = abi == &rtsock_macos;
	*m = (struct bsd_message){.abi = abi};
	m->bytes[2] = 5;
	m->bytes[3] = type;
	if (is_route(type)) {
		m->len = macos ? 92 : 152;
		memcpy(m->bytes + 4, &ifindex, 2);
		memcpy(m->bytes + 8, &flags, 4);
		return;
	}
	m->len = type == 14 ? (macos ? 112 : 168) : 20;
	memcpy(m->bytes + 8, &flags, 4);
	memcpy(m->bytes + 12, &ifindex, 2);
}

void bsd_raw(struct bsd_message *m, unsigned bit, const void *sockaddr, size_t len)
{
	size_t round = m->abi == &rtsock_macos ? 4 : 8;
	memcpy(m->bytes + m->len, sockaddr, len);
	m->len += len == 0 ? round : (len + round - 1) / round * round;
	m->addrs |= 1u << bit;
}

void bsd_address(struct bsd_message *m, unsigned bit, const char *address)
{
	struct ip_addr a;
	uint8_t sockaddr[28] = {0};
	bool macos = m->abi == &rtsock_macos;
	addr_parse(address, &a);
	sockaddr[0] = a.family == 4 ? 16 : 28;
	sockaddr[1] = a.family == 4 ? 2 : macos ? 30 : 28;
	memcpy(sockaddr + (a.family == 4 ? 4 : 8), a.bytes, a.family == 4 ? 4 : 16);
	bsd_raw(m, bit, sockaddr, sockaddr[0]);
}

void bsd_mask(struct bsd_message *m, uint8_t family, uint8_t bits)
{
	uint8_t sockaddr[28] = {0}, at = family == 4 ? 4 : 8;
	for (unsigned i = 0; i < bits; i++)
		sockaddr[at + i / 8] |= (uint8_t)(0x80 >> i % 8);
	sockaddr[0] = bits ? (uint8_t)(at + (bits + 7) / 8) : 0;
	sockaddr[1] = 0xff; /* kernels leave anything here */
	bsd_raw(m, BSD_NETMASK, bits ? sockaddr : (const uint8_t *)"\0\0\0\0\0\0\0", sockaddr[0]);
}

void bsd_link(struct bsd_message *m, unsigned bit, uint16_t ifindex, const char *name)
{
	uint8_t sockaddr[54] = {0};
	sockaddr[0] = m->abi == &rtsock_macos ? 20 : 54;
	sockaddr[1] = 18;
	memcpy(sockaddr + 2, &ifindex, 2);
	sockaddr[5] = (uint8_t)strlen(name);
	memcpy(sockaddr + 8, name, strlen(name));
	bsd_raw(m, bit, sockaddr, sockaddr[0]);
}

void bsd_end(struct bsd_message *m)
{
	uint16_t len = (uint16_t)m->len;
	memcpy(m->bytes, &len, 2);
	memcpy(m->bytes + (is_route(m->bytes[3]) ? 12 : 4), &m->addrs, 4);
}
