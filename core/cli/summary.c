#include "core/cli/summary.h"

#include "core/cli/table.h"

#include <stdio.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "-";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* A cell that is used at once: several calls in one printf would share it. */
static void print_cell(enum cell kind, const json_t *o, const char *key)
{
	char text[CELL_MAX];
	fputs(table_cell(kind, json_object_get(o, key), text), stdout);
}

static void print_addresses(const json_t *s)
{
	print_cell(CELL_LIST, s, "addresses");
}

static void print_underlay(const json_t *s)
{
	printf("UDP port %lld", number_of(s, "port"));
	if (json_is_string(json_object_get(s, "public_endpoint")))
		printf(", seen as %s", text_of(s, "public_endpoint"));
}

static void print_interface(const json_t *s)
{
	long long workers = number_of(s, "workers");
	printf("%s, MTU %lld, %lld %s", text_of(s, "interface"), number_of(s, "mtu_bytes"), workers,
		workers == 1 ? "worker" : "workers");
	if (json_is_string(json_object_get(s, "relay")))
		printf(", relay by the %s", text_of(s, "relay"));
}

static void print_hubs(const json_t *s)
{
	printf("%lld of %lld up", number_of(s, "hubs_up"), number_of(s, "hubs"));
}

static void print_peers(const json_t *s)
{
	printf("%lld of %lld up, %lld shortcuts, %lld bindings", number_of(s, "peers_up"),
		number_of(s, "peers"), number_of(s, "shortcuts"), number_of(s, "bindings"));
}

/* What this node does for its part that spokes talk directly. */
static void print_shorter_ways(const json_t *s)
{
	const json_t *redirect = json_object_get(s, "redirect");
	const json_t *shortcut = json_object_get(s, "shortcut");
	if (json_is_boolean(redirect))
		fputs(json_is_true(redirect) ? "spokes are told of them"
					     : "spokes are not told of them (redirect = no)",
			stdout);
	else
		fputs(json_is_true(shortcut) ? "taken" : "not taken (shortcut = no)", stdout);
}

/* Shouted, since it is what nobody expects of this software. */
static void print_interop(const json_t *s)
{
	const json_t *sections = json_object_get(s, "interop");
	size_t i;
	json_t *o;
	fputs(json_array_size(sections) > 0 ? "PLAINTEXT with " : "none", stdout);
	json_array_foreach(sections, i, o)
	{
		printf("%s%s (%s %s by %s, key %s, word %s, %lld members)", i > 0 ? ", " : "",
			text_of(o, "name"), text_of(o, "role"), text_of(o, "underlay"),
			text_of(o, "framing"),
			json_is_true(json_object_get(o, "key")) ? "yes" : "no",
			json_is_true(json_object_get(o, "authentication")) ? "yes" : "no",
			number_of(o, "members"));
	}
	if (json_is_true(json_object_get(s, "relay_plaintext")))
		fputs(", RELAYED", stdout);
}

static void print_certificate(const json_t *s)
{
	fputs("until ", stdout);
	print_cell(CELL_DATE, s, "certificate_not_after_s");
}

static void print_bundle(const json_t *s)
{
	if (!json_is_integer(json_object_get(s, "bundle_number"))) {
		fputs("none", stdout);
		return;
	}
	printf("number %lld, until ", number_of(s, "bundle_number"));
	print_cell(CELL_DATE, s, "bundle_not_after_s");
}

static void print_ciphers(const json_t *s)
{
	fputs(text_of(s, "ciphers"), stdout);
}

static void print_words(const json_t *list)
{
	size_t i;
	json_t *word;
	json_array_foreach(list, i, word) printf("%s%s", i > 0 ? " " : "", json_string_value(word));
}

static void print_offloads(const json_t *s)
{
	const json_t *in_use = json_object_get(s, "offloads");
	const json_t *missing = json_object_get(s, "offloads_missing");
	if (json_array_size(in_use) == 0)
		fputs("none", stdout);
	print_words(in_use);
	if (json_array_size(missing) > 0)
		fputs("; not in use: ", stdout);
	print_words(missing);
}

static void print_flow(
	const json_t *counters, const char *word, const char *packets, const char *bytes)
{
	printf("%s %lld packets (", word, number_of(counters, packets));
	print_cell(CELL_BYTES, counters, bytes);
	fputs(" bytes)", stdout);
}

static void print_overlay(const json_t *s)
{
	const json_t *counters = json_object_get(s, "counters");
	print_flow(counters, "from this machine", "tun_rx_packets", "tun_rx_bytes");
	print_flow(counters, ", to it", "tun_tx_packets", "tun_tx_bytes");
}

static void print_datagrams(const json_t *s)
{
	const json_t *counters = json_object_get(s, "counters");
	print_flow(counters, "sent", "udp_tx_packets", "udp_tx_bytes");
	print_flow(counters, ", received", "udp_rx_packets", "udp_rx_bytes");
}

static void print_relayed(const json_t *s)
{
	print_flow(json_object_get(s, "counters"), "between others", "hairpin_packets",
		"hairpin_bytes");
}

static void print_multicast(const json_t *s)
{
	const json_t *m = json_object_get(s, "multicast");
	printf("to %lld nodes: sent %lld packets, %lld copies; received %lld; filtered %lld, "
	       "limited %lld",
		number_of(m, "receivers"), number_of(m, "sent_packets"),
		number_of(m, "sent_copies"), number_of(m, "received_packets"),
		number_of(m, "filtered_packets"), number_of(m, "limited_packets"));
	if (json_array_size(json_object_get(m, "groups")) > 0) {
		printf("; up to %lld a second of ", number_of(m, "rate_packets_per_s"));
		print_cell(CELL_LIST, m, "groups");
	}
}

/* Those that are not zero. */
static void print_counts(json_t *counts)
{
	const char *name;
	json_t *value;
	unsigned n = 0;
	json_object_foreach(counts, name, value)
	{
		if (json_integer_value(value) != 0)
			printf("%s%s %lld", n++ ? ", " : "", name,
				(long long)json_integer_value(value));
	}
	if (n == 0)
		fputs("none", stdout);
}

static void print_drops(const json_t *s)
{
	print_counts(json_object_get(s, "drops"));
}

static void print_nhrp_in(const json_t *s)
{
	print_counts(json_object_get(json_object_get(s, "nhrp"), "in"));
}

static void print_nhrp_out(const json_t *s)
{
	print_counts(json_object_get(json_object_get(s, "nhrp"), "out"));
}

static void print_daemon(const json_t *s)
{
	printf("warrend %s on %s, privileges: %s", text_of(s, "version"), text_of(s, "os"),
		text_of(s, "privileges"));
}

static const struct {
	const char *label;
	void (*print)(const json_t *status);
} rows[] = {
	{"addresses", print_addresses},
	{"underlay", print_underlay},
	{"interface", print_interface},
	{"hubs", print_hubs},
	{"peers", print_peers},
	{"shorter ways", print_shorter_ways},
	{"ciphers", print_ciphers},
	{"interop", print_interop},
	{"offloads", print_offloads},
	{"certificate", print_certificate},
	{"bundle", print_bundle},
	{"packets", print_overlay},
	{"datagrams", print_datagrams},
	{"relayed", print_relayed},
	{"multicast", print_multicast},
	{"dropped", print_drops},
	{"NHRP in", print_nhrp_in},
	{"NHRP out", print_nhrp_out},
	{"daemon", print_daemon},
};

void summary_print(const json_t *status)
{
	char uptime[CELL_MAX];
	/* As unsigned: a daemon of another version may send anything. */
	unsigned long long uptime_s = (unsigned long long)number_of(status, "uptime_s");
	json_t *ns = json_integer((json_int_t)(uptime_s * 1000000000));
	printf("%s (%s): %s, up %s\n", text_of(status, "name"), text_of(status, "role"),
		json_is_true(json_object_get(status, "ready")) ? "ready" : "not ready",
		table_cell(CELL_DURATION, ns, uptime));
	json_decref(ns);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		printf("  %-12s ", rows[i].label);
		rows[i].print(status);
		putchar('\n');
	}
	const json_t *warnings = json_object_get(status, "warnings");
	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const char *warning = json_string_value(json_array_get(warnings, i));
		printf("  warning: %s\n", warning ? warning : "-");
	}
}
