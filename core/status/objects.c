#include "core/status/objects.h"

#include "core/base/offload.h"
#include "core/status/fields.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- What each object has --------------------------------------------------------------------- */

static const struct field node_fields[] = {
	FIELD("name", STRING, node_view, name),
	FIELD("public_key", KEY, node_view, static_key),
	FIELD("ready", BOOL, node_view, ready),
	FIELD("ciphers", TEXT, node_view, ciphers),
	FIELD("public_endpoint", ENDPOINT, node_view, public_endpoint),
	FIELD("certificate_not_after_s", POSITIVE, node_view, cert_not_after),
	FIELD("bundle_number", POSITIVE, node_view, bundle_number),
	FIELD("bundle_not_after_s", POSITIVE, node_view, bundle_not_after),
	FIELD("peers", U32, node_view, peers),
	FIELD("peers_up", U32, node_view, peers_up),
	FIELD("hubs", U32, node_view, hubs),
	FIELD("hubs_up", U32, node_view, hubs_up),
	FIELD("bindings", U32, node_view, bindings),
	FIELD("shortcuts", U32, node_view, shortcuts),
	FIELD("plaintext_peers", U32, node_view, plaintext_peers),
	FIELD("routes", U32, node_view, routes),
	FIELD("routes_max", U32, node_view, routes_max),
	FIELD("routes_left_out", U32, node_view, routes_left_out),
	FIELD("route_dumps", U32, node_view, route_dumps),
};

static const struct field context_fields[] = {
	FIELD("version", TEXT, status_context, version),
	FIELD("os", TEXT, status_context, os),
	FIELD("privileges", TEXT, status_context, privileges),
	FIELD("interface", TEXT, status_context, tun),
	FIELD("mtu_bytes", U16, status_context, mtu),
	FIELD("port", U16, status_context, port),
	FIELD("workers", U32, status_context, workers),
	FIELD("clock_suspect", BOOL, status_context, clock_suspect),
};

static const struct field counter_fields[] = {
	FIELD("tun_rx_packets", U64, data_counters, tun_rx_packets),
	FIELD("tun_rx_bytes", U64, data_counters, tun_rx_bytes),
	FIELD("tun_tx_packets", U64, data_counters, tun_tx_packets),
	FIELD("tun_tx_bytes", U64, data_counters, tun_tx_bytes),
	FIELD("udp_rx_packets", U64, data_counters, udp_rx_packets),
	FIELD("udp_rx_bytes", U64, data_counters, udp_rx_bytes),
	FIELD("udp_tx_packets", U64, data_counters, udp_tx_packets),
	FIELD("udp_tx_bytes", U64, data_counters, udp_tx_bytes),
	FIELD("hairpin_packets", U64, data_counters, hairpin_packets),
	FIELD("hairpin_bytes", U64, data_counters, hairpin_bytes),
};

static const struct field interop_fields[] = {
	FIELD("name", STRING, interop_view, name),
	FIELD("underlay", PREFIX, interop_view, underlay),
	FIELD("key", BOOL, interop_view, have_key),
	FIELD("authentication", BOOL, interop_view, authentication),
	FIELD("members", U32, interop_view, members),
};

static const struct field peer_fields[] = {
	FIELD("name", STRING, peer_view, name),
	FIELD("public_key", KEY, peer_view, static_key),
	FIELD("up", BOOL, peer_view, up),
	FIELD("direct", BOOL, peer_view, direct),
	FIELD("path", TEXT, peer_view, path_state),
	FIELD("path_reason", TEXT, peer_view, path_reason),
	FIELD("endpoint", ENDPOINT, peer_view, endpoint),
	FIELD("cipher", TEXT, peer_view, cipher),
	FIELD("plaintext", BOOL, peer_view, plaintext),
	FIELD("session_age_ns", U64, peer_view, session_age_ns),
	FIELD("last_received_ns", TIME, peer_view, last_received_ns),
	FIELD("rtt_ns", POSITIVE, peer_view, rtt_ns),
	FIELD("tx_packets", U64, peer_view, tx_packets),
	FIELD("tx_bytes", U64, peer_view, tx_bytes),
	FIELD("rx_packets", U64, peer_view, rx_packets),
	FIELD("rx_bytes", U64, peer_view, rx_bytes),
	FIELD("rekeys", U32, peer_view, rekeys),
};

static const struct field route_fields[] = {
	FIELD("prefix", PREFIX, route_view, prefix),
	FIELD("source", TEXT, route_view, source),
	FIELD("type", TEXT, route_view, type),
	FIELD("gateway", ADDRESS, route_view, gateway),
	FIELD("peer", STRING, route_view, peer),
	FIELD("table", U32, route_view, table),
	FIELD("metric", U32, route_view, metric),
	FIELD("active", BOOL, route_view, active),
	FIELD("elsewhere", BOOL, route_view, elsewhere),
};

static const struct field hop_fields[] = {
	FIELD("gateway", ADDRESS, hop_view, gateway),
	FIELD("weight", U32, hop_view, weight),
	FIELD("peer", STRING, hop_view, peer),
};

static const struct field nhrp_fields[] = {
	FIELD("kind", TEXT, nhrp_view, kind),
	FIELD("prefix", PREFIX, nhrp_view, prefix),
	FIELD("peer", STRING, nhrp_view, peer),
	FIELD("nbma", ENDPOINT, nhrp_view, nbma),
	FIELD("state", TEXT, nhrp_view, state),
	FIELD("code", INT, nhrp_view, code),
	FIELD("expires_ns", TIME, nhrp_view, expires_ns),
	FIELD("age_ns", U64, nhrp_view, age_ns),
};

/* NHRP messages by type (RFC 2332 s.5.2; 8 is Cisco's). */
static const char *const nhrp_types[] = {"malformed", "resolution_request", "resolution_reply",
	"registration_request", "registration_reply", "purge_request", "purge_reply",
	"error_indication", "traffic_indication"};

/* ---- Lists ------------------------------------------------------------------------------------ */

static json_t *prefixes_json(const struct prefix *v, unsigned n)
{
	json_t *array = json_array();
	char buf[PREFIX_TEXT_MAX];
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(array, json_string(prefix_format(&v[i], buf)));
	return array;
}

json_t *object_peer(const struct engine *e, const struct status_context *context, uint32_t *cursor)
{
	struct peer_view view;
	if (!engine_view_peer(e, cursor, &view, context->now))
		return NULL;
	json_t *o = json_object();
	json_object_set_new(o, "role", json_string(view.hub ? "hub" : "spoke"));
	json_object_set_new(o, "addresses", prefixes_json(view.addresses, view.n_addresses));
	fields_add(o, peer_fields, COUNT(peer_fields), &view, context->endpoints);
	return o;
}

json_t *object_route(const struct engine *e, const struct status_context *context, uint32_t *cursor)
{
	struct route_view view;
	if (!engine_view_route(e, cursor, &view))
		return NULL;
	json_t *o = json_object(), *hops = json_array();
	fields_add(o, route_fields, COUNT(route_fields), &view, context->endpoints);
	for (unsigned i = 0; i < view.n_hops; i++) {
		json_t *hop = json_object();
		fields_add(hop, hop_fields, COUNT(hop_fields), &view.hops[i], context->endpoints);
		json_array_append_new(hops, hop);
	}
	json_object_set_new(o, "next_hops", hops);
	return o;
}

json_t *object_nhrp(const struct engine *e, const struct status_context *context, uint32_t *cursor)
{
	struct nhrp_view view;
	if (!engine_view_nhrp(e, cursor, &view, context->now))
		return NULL;
	json_t *o = json_object();
	fields_add(o, nhrp_fields, COUNT(nhrp_fields), &view, context->endpoints);
	return o;
}

/* ---- The node --------------------------------------------------------------------------------- */

static json_t *counters_json(const struct data_counters *counters)
{
	json_t *o = json_object();
	fields_add(o, counter_fields, COUNT(counter_fields), counters, false);
	return o;
}

static json_t *drops_json(const struct data_counters *counters)
{
	json_t *o = json_object();
	for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++)
		json_object_set_new(o, drop_name((enum drop_reason)i),
			json_integer((json_int_t)counters->dropped[i]));
	return o;
}

static json_t *nhrp_types_json(const uint64_t counts[9], unsigned from)
{
	json_t *o = json_object();
	for (unsigned i = from; i < COUNT(nhrp_types); i++)
		json_object_set_new(o, nhrp_types[i], json_integer((json_int_t)counts[i]));
	return o;
}

static json_t *nhrp_counters_json(const struct engine *e)
{
	struct nhrp_counters counters = {0};
	engine_view_nhrp_counters(e, &counters);
	json_t *o = json_object();
	json_object_set_new(o, "in", nhrp_types_json(counters.in, 0));
	json_object_set_new(o, "out", nhrp_types_json(counters.out, 1));
	json_object_set_new(o, "naks_sent", json_integer((json_int_t)counters.naks_sent));
	json_object_set_new(o, "naks_received", json_integer((json_int_t)counters.naks_received));
	return o;
}

static const struct field multicast_fields[] = {
	FIELD("receivers", U32, multicast_view, receivers),
	FIELD("sent_packets", U64, multicast_view, sent_packets),
	FIELD("sent_copies", U64, multicast_view, sent_copies),
	FIELD("received_packets", U64, multicast_view, received_packets),
	FIELD("filtered_packets", U64, multicast_view, filtered),
	FIELD("limited_packets", U64, multicast_view, limited),
	FIELD("rate_packets_per_s", U32, multicast_view, rate),
};

static json_t *multicast_json(const struct engine *e)
{
	struct multicast_view view = {0};
	engine_view_multicast(e, &view);
	json_t *o = json_object();
	fields_add(o, multicast_fields, COUNT(multicast_fields), &view, false);
	json_object_set_new(o, "groups", prefixes_json(view.groups, view.n_groups));
	return o;
}

static json_t *node_warnings(const struct node_view *view, const struct status_context *context)
{
	json_t *list = json_array();
	const char *texts[STATUS_WARNINGS];
	unsigned n = status_warnings(view, context, texts);
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(texts[i]));
	for (const char *const *w = context->warnings; w && *w; w++)
		json_array_append_new(list, json_string(*w));
	return list;
}

static void add_words(json_t *list, const char *const *words, uint32_t bits)
{
	for (unsigned i = 0; words[i]; i++)
		if (bits & UINT32_C(1) << i)
			json_array_append_new(list, json_string(words[i]));
}

/* Those in use, and those that the config wants besides; no word means two things. */
static void add_offloads(json_t *o, const struct status_context *context)
{
	const struct status_offloads *tun = &context->tun_offloads, *udp = &context->udp_offloads;
	json_t *in_use = json_array(), *missing = json_array();
	add_words(in_use, tun_offload_words, tun->in_use);
	add_words(in_use, udp_offload_words, udp->in_use);
	add_words(missing, tun_offload_words, tun->wanted & ~tun->in_use);
	add_words(missing, udp_offload_words, udp->wanted & ~udp->in_use);
	json_object_set_new(o, "offloads", in_use);
	json_object_set_new(o, "offloads_missing", missing);
}

/* Sections of interop mode; an empty list where there are none. */
static json_t *interop_json(const struct engine *e, bool endpoints)
{
	struct interop_view view;
	json_t *list = json_array();
	for (uint32_t cursor = 0; engine_view_interop(e, &cursor, &view);) {
		json_t *o = json_object();
		json_object_set_new(o, "role", json_string(view.hub ? "hub" : "spoke"));
		json_object_set_new(o, "framing", json_string(view.raw ? "gre" : "udp"));
		fields_add(o, interop_fields, COUNT(interop_fields), &view, endpoints);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *object_node(const struct engine *e, const struct status_context *context)
{
	struct node_view view = {0};
	struct data_counters counters = {0};
	engine_view_node(e, &view);
	engine_view_counters(e, &counters);

	json_t *o = json_object();
	fields_add(o, context_fields, COUNT(context_fields), context, false);
	json_object_set_new(o, "role", json_string(view.hub ? "hub" : "spoke"));
	json_object_set_new(o, "addresses", prefixes_json(view.addresses, view.n_addresses));
	fields_add(o, node_fields, COUNT(node_fields), &view, context->endpoints);
	uint64_t uptime = context->now > view.started_ns ? context->now - view.started_ns : 0;
	json_object_set_new(o, "uptime_s", json_integer((json_int_t)(uptime / NS_PER_S)));
	json_object_set_new(o, "relay",
		view.hub ? json_string(view.relay_in_daemon ? "daemon" : "kernel") : json_null());
	json_object_set_new(o, "interop", interop_json(e, context->endpoints));
	json_object_set_new(o, "relay_plaintext", json_boolean(view.relay_plaintext));
	json_object_set_new(o, "redirect", view.hub ? json_boolean(view.redirect) : json_null());
	json_object_set_new(o, "shortcut", view.hub ? json_null() : json_boolean(view.shortcut));
	add_offloads(o, context);
	json_object_set_new(o, "warnings", node_warnings(&view, context));
	json_object_set_new(o, "counters", counters_json(&counters));
	json_object_set_new(o, "drops", drops_json(&counters));
	json_object_set_new(o, "multicast", multicast_json(e));
	json_object_set_new(o, "nhrp", nhrp_counters_json(e));
	return o;
}
