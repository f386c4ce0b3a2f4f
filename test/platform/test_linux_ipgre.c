/* GRE directly in IP, and what the UDP sockets do with plaintext, on the loopback of a namespace. */
#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/base/err.h"

#include <string.h>

#define BYTES 1200

struct fixture {
	struct ipgre *gre;
	struct pkt_batch batch;
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a = {0};
	assert_true(addr_parse(text, &a));
	return a;
}

static int setup(void **state)
{
	static struct fixture f;
	assert_int_equal(pkt_batch_init(&f.batch, PKT_BATCH), 0);
	assert_int_equal(ipgre_open(&f.gre, &(struct ip_addr){0}, lab_env()), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	ipgre_close(f->gre);
	pkt_batch_fini(&f->batch);
	return 0;
}

/* All that is there; on the loopback what is sent is there at once. */
static int receive(struct fixture *f, uint8_t family)
{
	assert_true(lab_readable(ipgre_fd(f->gre, family)));
	return ipgre_recv(f->gre, family, &f->batch);
}

static void one_packet(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {"127.0.0.1", "::1"};
	for (int i = 0; i < 2; i++) {
		struct ip_addr to = addr(texts[i]);
		uint8_t bytes[BYTES];
		memset(bytes, 7 + i, sizeof bytes);
		assert_int_equal(ipgre_send_one(f->gre, &to, &to, bytes, sizeof bytes), 0);
		assert_int_equal(receive(f, to.family), 1);
		const struct pkt *p = &f->batch.v[0];
		assert_int_equal(p->len, sizeof bytes);
		assert_memory_equal(p->data, bytes, sizeof bytes);
		assert_true(addr_equal(&p->remote.addr, &to));
		assert_true(addr_equal(&p->local, &to));
		assert_int_equal(p->remote.port, 0);
		assert_int_equal(p->flags, PKT_GRE);
		assert_int_equal(ipgre_recv(f->gre, to.family, &f->batch), 0);
	}
}

static struct pkt *put(struct fixture *f, uint16_t i, const char *to, size_t len)
{
	struct pkt *p = pkt_reset(&f->batch, i);
	memset(p->data, i + 1, len);
	p->len = (uint32_t)len;
	p->remote.addr = addr(to);
	p->verdict = PKT_SEND_GRE;
	f->batch.n = (uint16_t)(i + 1);
	return p;
}

/* Trains are cut, TOS goes along both ways, other verdicts are left alone. */
static void a_batch(void **state)
{
	struct fixture *f = *state;
	put(f, 0, "127.0.0.1", 250)->gso_size = 100;
	put(f, 1, "127.0.0.1", 40)->tos = 0x88;
	put(f, 2, "127.0.0.1", 40)->verdict = PKT_SEND_UDP;
	put(f, 3, "::1", 40)->tos = 0x88;
	ipgre_send(f->gre, &f->batch);
	assert_int_equal(f->batch.v[0].verdict, PKT_SEND_GRE);
	assert_int_equal(receive(f, 4), 4);
	static const uint32_t lens[] = {100, 100, 50, 40};
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f->batch.v[i].len, lens[i]);
		assert_int_equal(f->batch.v[i].data[0], i < 3 ? 1 : 2);
		assert_int_equal(f->batch.v[i].tos, i < 3 ? 0 : 0x88);
	}
	assert_int_equal(receive(f, 6), 1);
	assert_int_equal(f->batch.v[0].tos, 0x88);
}

static void what_cannot_be_sent(void **state)
{
	struct fixture *f = *state;
	put(f, 0, "192.0.2.1", 40);                               /* no route */
	put(f, 1, "127.0.0.1", 40)->local = addr("198.51.100.1"); /* not ours */
	ipgre_send(f->gre, &f->batch);
	assert_int_equal(f->batch.v[0].verdict, PKT_DROP);
	assert_int_equal(f->batch.v[0].drop, DROP_SEND_FAILED);
	assert_int_equal(f->batch.v[1].verdict, PKT_SEND_GRE);
	assert_int_equal(receive(f, 4), 1);
}

/* Longer than a slot: told as empty, which is no GRE packet. */
static void too_long(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[4000];
	struct ip_addr to = addr("127.0.0.1");
	assert_int_equal(ipgre_send_one(f->gre, &to, NULL, bytes, sizeof bytes), 0);
	assert_int_equal(receive(f, 4), 1);
	assert_int_equal(f->batch.v[0].len, 0);
}

static void bound_to_an_address(void **state)
{
	(void)state;
	struct ipgre *g;
	struct ip_addr address = addr("127.0.0.1"), foreign = addr("192.0.2.9");
	assert_int_equal(ipgre_open(&g, &address, lab_env()), 0);
	assert_true(ipgre_fd(g, 4) >= 0);
	assert_int_equal(ipgre_fd(g, 6), -1);
	ipgre_close(g);
	assert_int_equal(ipgre_open(&g, &foreign, lab_env()), ERR_SYSTEM);
	assert_null(g);
	assert_non_null(strstr(lab_log, "cannot open a raw socket for GRE"));
	ipgre_close(NULL);
}

/* Without `plaintext` the kernel drops it; with it, the first worker's socket has it. */
static void plaintext_in_udp(void **state)
{
	struct fixture *f = *state;
	static const uint8_t plain[40] = {0x20, 0x00, 0x20, 0x01, 0, 0, 0, 42};
	for (int wanted = 0; wanted < 2; wanted++) {
		struct udp_config c = {.workers = 2, .plaintext = wanted};
		struct udp *u;
		assert_int_equal(udp_open(&u, &c, lab_env()), 0);
		struct endpoint to = {addr("127.0.0.1"), udp_port(u)};
		assert_int_equal(udp_send_one(u, &to, NULL, 0, plain, sizeof plain), 0);
		if (wanted)
			assert_true(lab_readable(udp_fd(u, 1, 4)));
		assert_int_equal(udp_recv(u, 1, 4, &f->batch), wanted);
		assert_int_equal(udp_recv(u, 0, 4, &f->batch), 0);
		assert_int_equal(udp_recv(u, 2, 4, &f->batch), 0);
		assert_int_equal(udp_take_losses(u).foreign, !wanted);
		udp_close(u);
	}
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(bound_to_an_address, setup, teardown),
		cmocka_unit_test_setup_teardown(plaintext_in_udp, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
