/* Plaintext GRE in the data path: who gets in, who gets out, and that there is no way to seal for a member. */
#include "test/unit/data_fixture.h"

#include "core/base/err.h"

#define MEMBER                                                                                     \
	20 /* at the hub: 10.77.0.20, NBMA 198.51.100.20, key 42, 192.168.20.0/24 behind it */
#define KEY 42

static struct session *member;

static void put_section(struct plane *plane, bool raw)
{
	plane->plain.n = 1;
	plane->plain.v[0] = (struct plain_section){.name = "frr",
		.raw = raw,
		.have_key = true,
		.key = KEY,
		.underlay = fixture_prefix("198.51.100.0/24"),
		.n_allow = 2,
		.allow = {fixture_prefix("10.77.0.20"), fixture_prefix("192.168.20.0/24")}};
	assert_int_equal(lpm_init(&plane->plain_members, 4, &plane->epoch), 0);
}

static struct session *put_member(struct plane *plane, bool raw)
{
	struct session *s = session_new_plain(&plane->sessions);
	struct endpoint at = {.addr = fixture_addr("198.51.100.20"), .port = raw ? 0 : 4754};
	struct prefix host = prefix_host(&at.addr);
	assert_non_null(s);
	s->peer = MEMBER;
	s->have_gre_key = true;
	s->gre_key = KEY;
	s->cert = (struct cert){.role = CERT_SPOKE,
		.n_addresses = 1,
		.addresses = {fixture_prefix("10.77.0.20/24")},
		.n_prefixes = 2,
		.prefixes = {fixture_prefix("10.77.0.20"), fixture_prefix("192.168.20.0/24")}};
	session_publish(&plane->sessions, s, SESSION_LIVE);
	path_set_endpoint(&plane->sessions, MEMBER, &at, &(struct ip_addr){0});
	atomic_store(&plane->sessions.paths[MEMBER].session, s->id);
	assert_int_equal(lpm_put(&plane->plain_members, &host, MEMBER), 0);
	return s;
}

static int with_member(void **state)
{
	set_up(state);
	put_section(&hub->plane, false);
	member = put_member(&hub->plane, false);
	struct ip_addr a20 = fixture_addr("10.77.0.20");
	fib_neighbour_put(&hub->plane.fib, &a20, MEMBER);
	fixture_route(hub, "192.168.20.0/24", "10.77.0.20", FIB_OVERLAY, FIB_KERNEL);
	fixture_route(hub, "10.9.0.0/16", "10.77.0.20", FIB_OVERLAY, FIB_KERNEL);
	return 0;
}

/* The packet of the batch arrives at the hub in plaintext. */
static void arrive(const char *from, bool key, uint32_t value, uint16_t protocol)
{
	uint8_t header[GRE_PLAIN_MAX];
	struct pkt *p = &batch.v[0];
	struct gre_plain gre = {.protocol = protocol, .have_key = key, .key = value};
	size_t len = gre_plain_write(header, &gre);
	p->data -= len;
	p->len += (uint32_t)len;
	memcpy(p->data, header, len);
	p->remote = (struct endpoint){.addr = fixture_addr(from), .port = 40000};
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
}

static const struct event *event(void)
{
	return ring_peek(&hub->workers[0].events);
}

/* ---- No null cipher ------------------------------------------------------------------------- */

static void nothing_is_sealed_for_a_member(void **state)
{
	(void)state;
	uint8_t room[256];
	uint32_t sequence;
	assert_false(session_reserve(member, 1, 1, 1, &sequence));
	assert_int_equal(
		worker_seal(&hub->workers[0], member, GRE_PROTO_NHRP, room + 64, 32), ERR_EXPIRED);
	/* Its number is beyond what 28 bits of a sealed packet can say, and stands in no bucket. */
	assert_true(member->local_index > GRE_INDEX_MAX);
	assert_null(session_find(&hub->plane.sessions, member->local_index));
	assert_null(session_find(&hub->plane.sessions, member->local_index & GRE_INDEX_MAX));
	session_end(&hub->plane.sessions, member);
	assert_non_null(session_find(&hub->plane.sessions,
		session_at(&hub->plane.sessions,
			atomic_load(&hub->plane.sessions.paths[SPOKE_A].session))
			->local_index));
}

/* ---- In --------------------------------------------------------------------------------------- */

static void without_sections_all_is_dropped(void **state)
{
	(void)state;
	packet("10.77.0.20", "10.77.0.1", 64, 100);
	arrive("198.51.100.20", true, KEY, GRE_PROTO_IPV4);
	expect_drop(hub, DROP_BAD_OUTER);
	assert_null(event());
}

static void a_member_gets_in(void **state)
{
	(void)state;
	packet("10.77.0.20", "10.77.0.1", 64, 100);
	arrive("198.51.100.20", true, KEY, GRE_PROTO_IPV4);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	assert_int_equal(batch.v[0].len, 100);
	packet("192.168.20.9", "10.77.0.1", 64, 100);
	arrive("198.51.100.20", true, KEY, GRE_PROTO_IPV4);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	assert_int_equal(atomic_load(&hub->plane.sessions.paths[MEMBER].rx_packets), 2);
}

static void who_does_not(void **state)
{
	(void)state;
	static const struct {
		const char *from, *source;
		bool key;
		uint32_t value;
		uint16_t protocol;
		enum drop_reason why;
	} rows[] = {
		{"203.0.113.20", "10.77.0.20", true, KEY, GRE_PROTO_IPV4, DROP_BAD_OUTER},
		{"198.51.100.20", "10.77.0.20", true, KEY + 1, GRE_PROTO_IPV4, DROP_PLAIN_KEY},
		{"198.51.100.20", "10.77.0.20", false, 0, GRE_PROTO_IPV4, DROP_PLAIN_KEY},
		{"198.51.100.21", "10.77.0.20", true, KEY, GRE_PROTO_IPV4, DROP_PLAIN_STRANGER},
		{"198.51.100.20", "10.77.0.21", true, KEY, GRE_PROTO_IPV4, DROP_BAD_SOURCE},
		{"198.51.100.20", "10.77.0.1", true, KEY, GRE_PROTO_IPV4, DROP_BAD_SOURCE},
		{"198.51.100.20", "172.20.0.1", true, KEY, GRE_PROTO_IPV4, DROP_BAD_SOURCE},
		{"198.51.100.20", "10.77.0.20", true, KEY, GRE_PROTO_IPV6, DROP_BAD_INNER},
		{"198.51.100.20", "10.77.0.20", true, KEY, 0x6558, DROP_BAD_OUTER},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		packet(rows[i].source, "10.77.0.1", 64, 100);
		arrive(rows[i].from, rows[i].key, rows[i].value, rows[i].protocol);
		assert_int_equal(batch.v[0].verdict, PKT_DROP);
		assert_string_equal(drop_name(batch.v[0].drop), drop_name(rows[i].why));
	}
	assert_null(event());
}

/* A control frame is none, and NHRP goes to the control loop, from whom we know and from whom we do not. */
static void nhrp_is_for_the_control_loop(void **state)
{
	(void)state;
	packet("10.77.0.20", "10.77.0.1", 64, 100);
	arrive("198.51.100.20", true, KEY, GRE_PROTO_NHRP);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
	assert_int_equal(event()->type, EVENT_PLAIN);
	assert_int_equal(event()->session, member->id);
	ring_pop(&hub->workers[0].events);
	packet("10.77.0.20", "10.77.0.1", 64, 100);
	arrive("198.51.100.99", true, KEY, GRE_PROTO_NHRP);
	assert_int_equal(event()->type, EVENT_PLAIN);
	assert_int_equal(event()->session, SESSION_NONE);
}

/* By protocol 47, where UDP is listed; and sealed data by it is nothing. */
static void framings_are_kept_apart(void **state)
{
	(void)state;
	packet("10.77.0.20", "10.77.0.1", 64, 100);
	batch.v[0].flags = PKT_GRE;
	arrive("198.51.100.20", true, KEY, GRE_PROTO_IPV4);
	assert_int_equal(batch.v[0].drop, DROP_BAD_OUTER);
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	batch.v[0].flags = PKT_GRE;
	batch.v[0].remote = (struct endpoint){.addr = fixture_addr("192.0.2.11")};
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
	assert_int_equal(batch.v[0].drop, DROP_BAD_OUTER);
}

/* ---- Out -------------------------------------------------------------------------------------- */

static void expect_framed(size_t ip_len)
{
	struct gre_plain gre;
	const struct pkt *p = &batch.v[0];
	assert_int_equal(p->len, 8 + ip_len);
	assert_int_equal(gre_plain_read(p->data, p->len, &gre), 0);
	assert_true(gre.have_key && gre.key == KEY && gre.protocol == GRE_PROTO_IPV4);
	assert_int_equal(p->remote.addr.bytes[3], 20);
}

static void from_the_tun(void **state)
{
	(void)state;
	packet("10.77.0.1", "192.168.20.5", 64, 100);
	from_tun(hub);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_int_equal(batch.v[0].remote.port, 4754);
	expect_framed(100);
}

/* A route leads there, but the section does not allow it. */
static void not_what_the_section_does_not_allow(void **state)
{
	(void)state;
	packet("10.77.0.1", "10.9.0.5", 64, 100);
	from_tun(hub);
	expect_icmp(hub, DROP_PLAIN_REFUSED, 3);
}

static void between_sealed_and_plaintext(void **state)
{
	(void)state;
	for (int relay = 0; relay < 2; relay++) {
		hub->plane.plain.relay = relay;
		packet("10.77.0.11", "10.77.0.20", 64, 100);
		from_tun(a);
		deliver(hub, SPOKE_A);
		if (relay)
			expect_framed(100);
		else
			expect_drop(hub, DROP_PLAIN_REFUSED);
		packet("10.77.0.20", "10.77.0.11", 64, 100);
		arrive("198.51.100.20", true, KEY, GRE_PROTO_IPV4);
		assert_int_equal(batch.v[0].verdict, relay ? PKT_SEND_UDP : PKT_DROP);
		if (relay)
			assert_int_equal(gre_classify(batch.v[0].data, batch.v[0].len), GRE_SEALED);
	}
	assert_null(event()); /* they are told of no shorter way */
}

/* The host's own forwarding is no way round it. */
static void relay_by_the_kernel_is_no_way_round(void **state)
{
	(void)state;
	atomic_store(&hub->plane.relay_kernel, true);
	packet("10.77.0.11", "10.77.0.20", 64, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	expect_drop(hub, DROP_PLAIN_REFUSED);
}

static void bare_gre(void **state)
{
	(void)state;
	hub->plane.plain.v[0].raw = true;
	struct endpoint at = {.addr = fixture_addr("198.51.100.20")};
	path_set_endpoint(&hub->plane.sessions, MEMBER, &at, &(struct ip_addr){0});
	packet("10.77.0.1", "192.168.20.5", 64, 100);
	from_tun(hub);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_GRE);
	expect_framed(100);
}

#define MEMBER_CASE(f) cmocka_unit_test_setup_teardown(f, with_member, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMBER_CASE(nothing_is_sealed_for_a_member),
		CASE(without_sections_all_is_dropped),
		MEMBER_CASE(a_member_gets_in),
		MEMBER_CASE(who_does_not),
		MEMBER_CASE(nhrp_is_for_the_control_loop),
		MEMBER_CASE(framings_are_kept_apart),
		MEMBER_CASE(from_the_tun),
		MEMBER_CASE(not_what_the_section_does_not_allow),
		MEMBER_CASE(between_sealed_and_plaintext),
		MEMBER_CASE(relay_by_the_kernel_is_no_way_round),
		MEMBER_CASE(bare_gre),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
