#include "core/status/status.h"

#include "core/base/offload.h"
#include "test/fake/engine_fake.c"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW  (1000 * NS_PER_S)
#define WALL UINT64_C(1700000000)

static struct engine engine;
static struct status_context context;

static int setup(void **state)
{
	(void)state;
	engine = (struct engine){
		.node = {.name = "spoke.example",
			.n_addresses = 1,
			.cert_not_after = WALL + 86400 * 60,
			.bundle_number = 3,
			.bundle_not_after = WALL + 1,
			.started_ns = NOW - 7 * NS_PER_S,
			.hubs = 1,
			.hubs_up = 1,
			.ready = true,
			.relay_in_daemon = true,
			.ciphers = "AES-256-GCM"},
		.n_peers = 3,
	};
	engine.node.addresses[0] = fake_prefix("10.99.0.7/24");
	endpoint_parse("203.0.113.1:4754", 0, &engine.node.public_endpoint);
	engine.counters.dropped[DROP_BAD_TAG] = 4;
	engine.nhrp.in[1] = 5;
	engine.multicast = (struct multicast_view){
		.receivers = 2, .sent_packets = 4, .sent_copies = 8, .limited = 3, .n_groups = 2};
	engine.multicast.groups[0] = fake_prefix("239.1.0.0/16");
	engine.multicast.groups[1] = fake_prefix("ff05::/16");
	context = (struct status_context){.version = "1",
		.os = "Linux",
		.privileges = "CAP_NET_ADMIN",
		.tun = "warren0",
		.port = 4754,
		.mtu = 1400,
		.workers = 2,
		.tun_offloads = {TUN_OFFLOADS, TUN_CHECKSUM | TUN_TSO | TUN_COALESCE_TCP},
		.udp_offloads = {UDP_SEND_TRAINS, UDP_SEND_TRAINS},
		.now = NOW,
		.wall_s = WALL,
		.endpoints = true};
	return 0;
}

static json_t *load(struct status_text *t)
{
	json_error_t error;
	assert_false(t->failed);
	json_t *root = json_loadb(t->text, t->len, 0, &error);
	if (!root)
		fail_msg("%s in: %s", error.text, t->text);
	status_text_fini(t);
	return root;
}

static json_t *node_json(void)
{
	struct status_text t = {0};
	status_node_json(&engine, &context, &t);
	return load(&t);
}

static const char *string_at(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static json_int_t integer_at(json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static void assert_words(json_t *o, const char *key, const char *expected)
{
	char text[256] = "";
	size_t i;
	json_t *word;
	json_array_foreach(json_object_get(o, key), i, word)
	{
		strcat(text, i > 0 ? " " : "");
		strcat(text, json_string_value(word));
	}
	assert_string_equal(text, expected);
}

static void test_node(void **state)
{
	(void)state;
	json_t *o = node_json();
	assert_string_equal(string_at(o, "version"), "1");
	assert_string_equal(string_at(o, "name"), "spoke.example");
	assert_string_equal(string_at(o, "role"), "spoke");
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "addresses"), 0)),
		"10.99.0.7/24");
	assert_string_equal(string_at(o, "public_endpoint"), "203.0.113.1:4754");
	assert_int_equal(integer_at(o, "uptime_s"), 7);
	assert_int_equal(integer_at(o, "port"), 4754);
	assert_int_equal(integer_at(o, "workers"), 2);
	assert_int_equal(integer_at(o, "bundle_number"), 3);
	assert_words(o, "offloads", "checksum tso coalesce-tcp gso");
	assert_words(o, "offloads_missing", "uso coalesce-udp");
	assert_true(json_is_true(json_object_get(o, "ready")));
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 0);
	json_t *drops = json_object_get(o, "drops");
	assert_int_equal(json_object_size(drops), DROP_COUNT - 1);
	assert_int_equal(integer_at(drops, "bad_tag"), 4);
	json_t *nhrp = json_object_get(o, "nhrp");
	assert_int_equal(integer_at(json_object_get(nhrp, "in"), "resolution_request"), 5);
	assert_int_equal(integer_at(json_object_get(nhrp, "out"), "resolution_request"), 0);
	json_t *multicast = json_object_get(o, "multicast");
	assert_int_equal(integer_at(multicast, "receivers"), 2);
	assert_int_equal(integer_at(multicast, "sent_copies"), 8);
	assert_int_equal(integer_at(multicast, "limited_packets"), 3);
	assert_words(multicast, "groups", "239.1.0.0/16 ff05::/16");
	json_decref(o);

	context.endpoints = false;
	o = node_json();
	assert_null(json_object_get(o, "public_endpoint"));
	json_decref(o);
}

/* Each role has its own half of phase 3. */
static void test_shorter_ways(void **state)
{
	(void)state;
	engine.node.shortcut = true;
	json_t *o = node_json();
	assert_true(json_is_true(json_object_get(o, "shortcut")));
	assert_true(json_is_null(json_object_get(o, "redirect")));
	json_decref(o);
	engine.node.hub = true;
	o = node_json();
	assert_true(json_is_null(json_object_get(o, "shortcut")));
	assert_true(json_is_false(json_object_get(o, "redirect")));
	json_decref(o);
}

static unsigned warnings(const char *which)
{
	json_t *o = node_json(), *value;
	size_t i;
	unsigned found = 0;
	json_array_foreach(json_object_get(o, "warnings"), i, value) found +=
		strstr(json_string_value(value), which) != NULL;
	json_decref(o);
	return found;
}

/* Silent without sections, loud with one; no message shows key or word, which the view does not have. */
static void test_interop(void **state)
{
	(void)state;
	json_t *o = node_json();
	assert_int_equal(json_array_size(json_object_get(o, "interop")), 0);
	assert_true(json_is_false(json_object_get(o, "relay_plaintext")));
	json_decref(o);
	assert_int_equal(warnings("PLAINTEXT"), 0);
	engine.node.interop = 1;
	o = node_json();
	json_t *s = json_array_get(json_object_get(o, "interop"), 0);
	assert_string_equal(json_string_value(json_object_get(s, "role")), "hub");
	assert_string_equal(json_string_value(json_object_get(s, "framing")), "gre");
	assert_true(json_is_true(json_object_get(s, "authentication")));
	assert_int_equal(json_integer_value(json_object_get(s, "members")), 1);
	json_decref(o);
	assert_int_equal(warnings("PLAINTEXT: interop mode is on"), 1);
	engine.node.relay_plaintext = true;
	assert_int_equal(warnings("relay-plaintext"), 1);
}

static void test_warnings(void **state)
{
	(void)state;
	engine.node.hub = true;
	assert_int_equal(warnings("bypasses the host's firewall"), 1);
	engine.node.relay_in_daemon = false;
	assert_int_equal(warnings("bypasses the host's firewall"), 0);
	engine.node.hub = false;
	engine.node.hubs_up = 0;
	assert_int_equal(warnings("no hub is reachable"), 1);
	context.privileges = "root";
	assert_int_equal(warnings("runs as root"), 1);
	assert_int_equal(warnings("not all kernel routes fit"), 0);
	engine.node.routes_left_out = 1;
	assert_int_equal(warnings("not all kernel routes fit"), 1);
	engine.node.routes_left_out = 0;
	engine.node.cert_not_after = WALL + 86400;
	assert_int_equal(warnings("expires within 14 days"), 1);
	engine.node.cert_not_after = WALL - 1;
	assert_int_equal(warnings("expires within 14 days"), 0);
	assert_int_equal(warnings("certificate has expired"), 1);
	engine.node.bundle_not_after = WALL - 1;
	assert_int_equal(warnings("bundle has expired"), 1);
	engine.node.bundle_number = 0;
	assert_int_equal(warnings("bundle has expired"), 0);
	assert_int_equal(warnings("no bundle"), 1);
	assert_int_equal(warnings("clock is behind"), 0);
	context.clock_suspect = true;
	assert_int_equal(warnings("clock is behind"), 1);
	context.warnings = (const char *const[]){"one of the daemon's", NULL};
	assert_int_equal(warnings("one of the daemon's"), 1);
}

static void test_ready(void **state)
{
	(void)state;
	bool ready;
	for (unsigned i = 0; i < 2; i++) {
		struct status_text t = {0};
		engine.node.ready = i;
		status_ready_json(&engine, &t, &ready);
		assert_int_equal(ready, i);
		json_t *o = load(&t);
		assert_int_equal(json_is_true(json_object_get(o, "ready")), i);
		json_decref(o);
	}
}

/* The whole list, in as many pages as it takes. */
static json_t *list_json(enum status_list list, uint32_t after, uint32_t limit, unsigned *pages)
{
	struct status_text t = {0};
	struct status_walk walk = status_walk_begin(list, after, limit);
	for (*pages = 0; !walk.done; (*pages)++) {
		size_t before = t.len;
		status_page(&engine, &context, &walk, &t);
		assert_true(t.len - before < STATUS_PAGE * 1024);
	}
	return load(&t);
}

static void test_peers(void **state)
{
	(void)state;
	unsigned pages;
	json_t *root = list_json(STATUS_PEERS, 0, 0, &pages);
	json_t *peers = json_object_get(root, "peers");
	assert_int_equal(json_array_size(peers), 3);
	assert_true(json_is_null(json_object_get(root, "next")));
	json_t *unknown = json_array_get(peers, 0), *known = json_array_get(peers, 1);
	assert_true(json_is_null(json_object_get(unknown, "name")));
	assert_true(json_is_null(json_object_get(unknown, "endpoint")));
	assert_true(json_is_null(json_object_get(unknown, "last_received_ns")));
	assert_true(json_is_null(json_object_get(unknown, "rtt_ns")));
	assert_string_equal(string_at(known, "endpoint"), "192.0.2.7:4754");
	assert_int_equal(integer_at(known, "tx_bytes"), INT64_C(1) << 40);
	assert_string_equal(string_at(known, "path"), "direct");
	json_decref(root);

	context.endpoints = false;
	root = list_json(STATUS_PEERS, 0, 0, &pages);
	assert_null(json_object_get(json_array_get(json_object_get(root, "peers"), 1), "endpoint"));
	json_decref(root);
}

static void test_pages(void **state)
{
	(void)state;
	unsigned pages;
	engine.n_peers = 3 * STATUS_PAGE + 1;
	json_t *root = list_json(STATUS_PEERS, 0, 0, &pages);
	assert_int_equal(pages, 4);
	assert_int_equal(json_array_size(json_object_get(root, "peers")), engine.n_peers);
	json_decref(root);

	/* limit and after, until the end */
	uint32_t after = 0;
	size_t seen = 0;
	for (bool more = true; more;) {
		root = list_json(STATUS_PEERS, after, 100, &pages);
		size_t n = json_array_size(json_object_get(root, "peers"));
		assert_true(n <= 100);
		seen += n;
		json_t *next = json_object_get(root, "next");
		more = json_is_integer(next);
		after = (uint32_t)json_integer_value(next);
		json_decref(root);
	}
	assert_int_equal(seen, engine.n_peers);

	engine.n_peers = 0;
	root = list_json(STATUS_PEERS, 0, 0, &pages);
	assert_int_equal(json_array_size(json_object_get(root, "peers")), 0);
	json_decref(root);
	root = list_json(STATUS_PEERS, UINT32_MAX, 1, &pages);
	assert_int_equal(json_array_size(json_object_get(root, "peers")), 0);
	json_decref(root);
}

static void test_routes_and_nhrp(void **state)
{
	(void)state;
	unsigned pages;
	json_t *root = list_json(STATUS_ROUTES, 0, 0, &pages);
	json_t *first = json_array_get(json_object_get(root, "routes"), 0);
	assert_string_equal(string_at(first, "prefix"), "10.0.0.0/8");
	assert_string_equal(string_at(first, "gateway"), "10.99.0.1");
	assert_true(json_is_null(json_object_get(first, "peer")));
	json_t *hops = json_object_get(first, "next_hops");
	assert_int_equal(json_array_size(hops), 2);
	assert_string_equal(string_at(json_array_get(hops, 0), "gateway"), "10.99.0.1");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(hops, 1), "weight")), 3);
	assert_string_equal(string_at(json_array_get(hops, 1), "peer"), "spoke.example");
	json_t *second = json_array_get(json_object_get(root, "routes"), 1);
	assert_int_equal(json_array_size(json_object_get(second, "next_hops")), 0);
	json_decref(root);

	root = list_json(STATUS_NHRP, 0, 0, &pages);
	first = json_array_get(json_object_get(root, "nhrp"), 0);
	assert_string_equal(string_at(first, "nbma"), "[2001:db8::7]:4754");
	assert_true(json_is_null(json_object_get(first, "expires_ns")));
	json_decref(root);
	assert_string_equal(status_list_name(STATUS_ROUTES), "routes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_node, setup),
		cmocka_unit_test_setup(test_shorter_ways, setup),
		cmocka_unit_test_setup(test_interop, setup),
		cmocka_unit_test_setup(test_warnings, setup),
		cmocka_unit_test_setup(test_ready, setup),
		cmocka_unit_test_setup(test_peers, setup),
		cmocka_unit_test_setup(test_pages, setup),
		cmocka_unit_test_setup(test_routes_and_nhrp, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
