#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUES 2

static uint32_t offloads; /* all tests are run with and without */

struct fixture {
	struct tun *tun;
	struct pkt_batch batch;
};

static struct prefix prefix(const char *text)
{
	struct prefix p;
	assert_true(prefix_parse(text, &p));
	return p;
}

static struct tun_config config(void)
{
	struct tun_config c = {.name = "lab0",
		.mtu = 1400,
		.queues = QUEUES,
		.n_addresses = 3,
		.offloads = offloads};
	c.addresses[0] = prefix("10.77.0.1/24");
	c.addresses[1] = prefix("fd77::1/64");
	c.addresses[2] = prefix("fe80::77/64");
	return c;
}

static int setup(void **state)
{
	static struct fixture f;
	struct tun_config c = config();
	assert_int_equal(pkt_batch_init(&f.batch, PKT_BATCH), 0);
	assert_int_equal(tun_open(&f.tun, &c, lab_env()), 0);
	/* No duplicates are looked for, but it is a kernel thread that says so. */
	while (lab_shows("tentative", "ip -6 addr show dev lab0"))
		;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	tun_close(f->tun);
	pkt_batch_fini(&f->batch);
	return 0;
}

static int ask(const char *name, unsigned long request)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, request, &ifr), 0);
	close(fd);
	return request == SIOCGIFFLAGS ? ifr.ifr_flags : ifr.ifr_mtu; /* ifr_qlen is in its place */
}

static void test_device(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(tun_name(f->tun), "lab0");
	assert_int_equal(tun_ifindex(f->tun), if_nametoindex("lab0"));
	assert_int_equal(tun_queues(f->tun), QUEUES);
	assert_int_equal(ask("lab0", SIOCGIFMTU), 1400);
	assert_int_equal(ask("lab0", SIOCGIFTXQLEN), 1000);
	assert_true(ask("lab0", SIOCGIFFLAGS) & IFF_UP);
	assert_true(lab_shows("0", "cat /proc/sys/net/ipv6/conf/lab0/accept_ra"));
	struct ifaddrs *list;
	unsigned n = 0;
	assert_int_equal(getifaddrs(&list), 0);
	for (struct ifaddrs *a = list; a; a = a->ifa_next)
		if (strcmp(a->ifa_name, "lab0") == 0 && a->ifa_addr &&
			(a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
			n++;
	freeifaddrs(list);
	assert_int_equal(n, 3); /* no link-local address of the kernel's own */
	assert_true(lab_shows("inet6 fe80::77/64", "ip -6 addr show dev lab0"));
}

static void test_refusals(void **state)
{
	(void)state;
	struct tun *tun;
	struct tun_config c = config();
	assert_int_equal(tun_open(&tun, &c, lab_env()), ERR_SYSTEM); /* it exists */
	assert_null(tun);
	assert_non_null(strstr(lab_log, "in use"));
	strcpy(c.name, "lab%d");
	c.mtu = PKT_ROOM + 1;
	assert_int_equal(tun_open(&tun, &c, lab_env()), ERR_UNSUPPORTED);
	c.mtu = 1000; /* too little for IPv6 */
	assert_int_equal(tun_open(&tun, &c, lab_env()), ERR_SYSTEM);
	assert_int_equal(if_nametoindex("lab1"), 0);
	c.n_addresses = 1;
	c.addresses[0] = prefix("10.78.0.1/24");
	assert_int_equal(tun_open(&tun, &c, lab_env()), 0);
	assert_string_equal(tun_name(tun), "lab1");
	tun_close(tun);
	assert_int_equal(if_nametoindex("lab1"), 0);
}

static void send_to(const char *address, uint16_t port, size_t len)
{
	char payload[1500] = "lab";
	struct ip_addr a;
	assert_true(addr_parse(address, &a));
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&to4.sin_addr, a.bytes, 4);
	memcpy(&to6.sin6_addr, a.bytes, 16);
	int fd = socket(a.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	ssize_t n = a.family == 4
		? sendto(fd, payload, len, 0, (struct sockaddr *)&to4, sizeof to4)
		: sendto(fd, payload, len, 0, (struct sockaddr *)&to6, sizeof to6);
	assert_int_equal(n, len);
	close(fd);
}

/* Reads both queues empty; how many packets were UDP to this destination. */
static unsigned read_all(struct fixture *f, const char *address)
{
	struct ip_addr want;
	unsigned n = 0;
	assert_true(addr_parse(address, &want));
	for (unsigned q = 0; q < QUEUES; q++) {
		while (tun_read(f->tun, q, &f->batch, SIZE_MAX) > 0) {
			for (unsigned i = 0; i < f->batch.n; i++) {
				struct pkt *p = &f->batch.v[i];
				const struct iphdr *v4 = (const struct iphdr *)p->data;
				const struct ip6_hdr *v6 = (const struct ip6_hdr *)p->data;
				bool match = want.family == 4
					? v4->version == 4 && memcmp(&v4->daddr, want.bytes, 4) == 0
					: v4->version == 6 &&
						memcmp(&v6->ip6_dst, want.bytes, 16) == 0;
				assert_true(p->data >= f->batch.bytes + PKT_HEADROOM);
				if (match && v4->version == 4)
					assert_int_equal(ntohs(v4->tot_len), p->len);
				n += match;
			}
		}
		assert_int_equal(tun_read(f->tun, q, &f->batch, SIZE_MAX), 0);
	}
	return n;
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	read_all(f, "10.77.0.9");
	for (unsigned i = 0; i < 100; i++)
		send_to("10.77.0.9", (uint16_t)(1000 + i), 1372);
	assert_int_equal(read_all(f, "10.77.0.9"), 100);
	send_to("fd77::9", 9, 1352);
	assert_int_equal(read_all(f, "fd77::9"), 1);
	lab_run("ip route add 192.0.2.0/24 via 10.77.0.7 dev lab0");
	lab_run("ip -6 route add 2001:db8::/32 via fe80::9 dev lab0");
	send_to("192.0.2.200", 9, 10);
	assert_int_equal(read_all(f, "192.0.2.200"), 1);
	send_to("2001:db8::5", 9, 10);
	assert_int_equal(read_all(f, "2001:db8::5"), 1);
}

static void test_budget(void **state)
{
	struct fixture *f = *state;
	read_all(f, "10.77.0.9");
	unsigned n = 0;
	for (unsigned i = 0; i < 10; i++)
		send_to("10.77.0.9", 1000, 972); /* packets of 1000 bytes */
	for (unsigned q = 0; q < QUEUES; q++)
		for (int got; (got = tun_read(f->tun, q, &f->batch, 2500)) > 0; n += (unsigned)got)
			assert_true(got <= 3);
	assert_int_equal(n, 10);
}

static uint16_t checksum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *b = data;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make_v4(struct pkt *p)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .tot_len = htons(33), .ttl = 9, .protocol = 17};
	struct udphdr udp = {.source = htons(1), .dest = htons(5000), .len = htons(13)};
	inet_pton(AF_INET, "10.77.0.9", &ip.saddr);
	inet_pton(AF_INET, "10.77.0.1", &ip.daddr);
	ip.check = checksum(0, &ip, sizeof ip);
	memcpy(p->data, &ip, 20);
	memcpy(p->data + 20, &udp, 8);
	memcpy(p->data + 28, "hello", 5);
	p->len = 33;
	p->verdict = PKT_WRITE_TUN;
}

static void make_v6(struct pkt *p)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28), .ip6_plen = htons(13), .ip6_nxt = 17, .ip6_hlim = 9};
	struct udphdr udp = {.source = htons(1), .dest = htons(5000), .len = htons(13)};
	uint8_t sum[45] = {0};
	inet_pton(AF_INET6, "fd77::9", &ip.ip6_src);
	inet_pton(AF_INET6, "fd77::1", &ip.ip6_dst);
	memcpy(sum, &ip.ip6_src, 32);
	memcpy(sum + 32, &udp, 8);
	memcpy(sum + 40, "hello", 5);
	udp.check = checksum(17 + 13, sum, sizeof sum);
	memcpy(p->data, &ip, 40);
	memcpy(p->data + 40, &udp, 8);
	memcpy(p->data + 48, "hello", 5);
	p->len = 53;
	p->verdict = PKT_WRITE_TUN;
}

static int listener(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(5000)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	return fd;
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	char buf[16];
	int fd = listener();
	for (uint16_t i = 0; i < 6; i++)
		pkt_reset(&f->batch, i);
	struct pkt *v = f->batch.v;
	f->batch.n = 6;
	make_v4(&v[0]);
	make_v6(&v[1]);
	make_v4(&v[2]);
	v[2].data[0] = 0xf5; /* no IP version: the kernel refuses it */
	make_v4(&v[3]);
	v[3].verdict = PKT_SEND_UDP; /* not for us */
	make_v4(&v[4]);
	v[4].gso_size = 2; /* a train, of which this device takes none, or not this one */
	v[4].gso_type = PKT_TCP;
	v[4].flags = PKT_CSUM_PARTIAL;
	v[4].l4_off = UINT16_MAX;
	make_v4(&v[5]);
	assert_int_equal(tun_write(f->tun, 1, &f->batch), 1);
	static const uint8_t expected[] = {
		PKT_CONSUMED, PKT_CONSUMED, PKT_DROP, PKT_SEND_UDP, PKT_WRITE_TUN, PKT_CONSUMED};
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(v[i].verdict, expected[i]);
	assert_int_equal(v[2].drop, DROP_SEND_FAILED);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(lab_readable(fd));
		assert_int_equal(recv(fd, buf, sizeof buf, 0), 5);
		assert_memory_equal(buf, "hello", 5);
	}
	assert_int_equal(recv(fd, buf, sizeof buf, 0), -1);
	close(fd);
}

static void test_device_goes(void **state)
{
	struct fixture *f = *state;
	lab_run("ip link set lab0 down");
	pkt_reset(&f->batch, 0);
	make_v4(&f->batch.v[0]);
	f->batch.n = 1;
	tun_write(f->tun, 0, &f->batch);
	assert_int_equal(f->batch.v[0].drop, DROP_SEND_FAILED);
	assert_true(tun_read(f->tun, 0, &f->batch, SIZE_MAX) >= 0);
	lab_run("ip link del lab0");
	assert_int_equal(tun_read(f->tun, 0, &f->batch, SIZE_MAX), ERR_NOT_FOUND);
	pkt_reset(&f->batch, 0);
	make_v4(&f->batch.v[0]);
	f->batch.n = 1;
	tun_write(f->tun, 0, &f->batch);
	assert_int_equal(f->batch.v[0].verdict, PKT_DROP);
}

static void test_no_ipv6(void **state)
{
	(void)state;
	struct tun *tun;
	struct tun_config c = config();
	strcpy(c.name, "lab6");
	c.addresses[0] = prefix("10.79.0.1/24");
	lab_run("sysctl -w net.ipv6.conf.default.disable_ipv6=1");
	assert_int_equal(tun_open(&tun, &c, lab_env()), 0);
	assert_non_null(strstr(lab_log, "IPv6 is off"));
	assert_true(lab_shows("10.79.0.1/24", "ip addr show dev lab6"));
	tun_close(tun);
	lab_run("sysctl -w net.ipv6.conf.default.disable_ipv6=0");
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_goes, setup, teardown),
		cmocka_unit_test(test_no_ipv6),
	};
	int failed = cmocka_run_group_tests_name("linux tun", tests, NULL, NULL);
	offloads = TUN_OFFLOADS;
	return failed + cmocka_run_group_tests_name("linux tun, offloads", tests, NULL, NULL);
}
