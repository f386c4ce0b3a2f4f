#include "core/config/options.h"

#include "core/base/offload.h"
#include "core/trust/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Parsers --------------------------------------------------------------------------------- */

static bool parse_number(const struct option *o, const char *value, const char *path, void *field)
{
	(void)path;
	if (*value < '0' || *value > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(value, &end, 10);
	if (*end || errno || number < o->min || number > o->max)
		return false;
	memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
	return true;
}

/* A list's max counts its elements, so the numbers in it have a parser of their own. */
static bool parse_table(const struct option *o, const char *value, const char *path, void *field)
{
	struct option number = *o;
	number.max = UINT32_MAX;
	return parse_number(&number, value, path, field);
}

static bool parse_yes_no(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	bool yes = strcmp(value, "yes") == 0;
	*(bool *)field = yes;
	return yes || strcmp(value, "no") == 0;
}

static bool find_word(const char *const *words, const char *value, size_t len, uint32_t *index)
{
	for (uint32_t i = 0; words[i]; i++) {
		*index = i;
		if (strlen(words[i]) == len && memcmp(words[i], value, len) == 0)
			return true;
	}
	return false;
}

static bool parse_word(const struct option *o, const char *value, const char *path, void *field)
{
	(void)path;
	uint32_t index;
	if (!find_word(o->words, value, strlen(value), &index))
		return false;
	if (o->size == sizeof(bool))
		*(bool *)field = index == 1;
	else
		memcpy(field, &index, sizeof index);
	return true;
}

/* Words with blanks or commas between them: a bit each. */
static bool parse_word_set(const struct option *o, const char *value, const char *path, void *field)
{
	(void)path;
	static const char between[] = " \t,";
	uint32_t bits = 0, index;
	for (const char *at = value + strspn(value, between); *at; at += strspn(at, between)) {
		size_t len = strcspn(at, between);
		if (!find_word(o->words, at, len, &index))
			return false;
		bits |= UINT32_C(1) << index;
		at += len;
	}
	memcpy(field, &bits, sizeof bits);
	return bits != 0;
}

static bool parse_path(const struct option *o, const char *value, const char *path, void *field)
{
	const char *slash = strrchr(path, '/');
	size_t dir = *value == '/' || !slash ? 0 : (size_t)(slash - path) + 1;
	size_t len = strlen(value);
	if (len == 0 || dir + len >= o->size)
		return false;
	memcpy(field, path, dir);
	memcpy((char *)field + dir, value, len + 1);
	return true;
}

/* A user, a group, an interface: what systems agree on. */
static bool parse_name(const struct option *o, const char *value, const char *path, void *field)
{
	(void)path;
	size_t len = strlen(value);
	if (len == 0 || len >= o->size || *value == '-' || *value == '.')
		return false;
	if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
		len)
		return false;
	memcpy(field, value, len + 1);
	return true;
}

static bool parse_network(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	return trust_parse_network(value, field, (uint8_t *)field + 32) == 0;
}

static bool parse_address(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	struct ip_addr *a = field;
	return addr_parse(value, a) && !addr_is_multicast(a) && !addr_is_broadcast(a);
}

static bool parse_prefix(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	struct prefix p;
	if (!prefix_parse(value, &p))
		return false;
	struct prefix masked = prefix_masked(p);
	memcpy(field, &p, sizeof p);
	return prefix_equal(&p, &masked) && !addr_is_multicast(&p.addr);
}

static bool parse_group(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	struct prefix p;
	if (!prefix_parse(value, &p))
		return false;
	struct prefix masked = prefix_masked(p);
	memcpy(field, &p, sizeof p);
	return prefix_equal(&p, &masked) && addr_is_multicast(&p.addr) &&
		p.len >= (p.addr.family == 4 ? 4 : 8);
}

static bool parse_gre_key(const struct option *o, const char *value, const char *path, void *field)
{
	struct config_key *key = field;
	return key->given = parse_number(o, value, path, &key->value);
}

/* What Cisco's, FRR's and OpenNHRP's authentication takes. */
static bool parse_word_secret(
	const struct option *o, const char *value, const char *path, void *field)
{
	(void)path;
	size_t len = strlen(value), good = 0;
	while (value[good] > ' ' && value[good] <= '~')
		good++;
	if (len == 0 || len >= o->size || good != len)
		return false;
	memcpy(field, value, len + 1);
	return true;
}

static bool parse_listen(const struct option *o, const char *value, const char *path, void *field)
{
	(void)o, (void)path;
	struct endpoint parsed, *e = field;
	if (!endpoint_parse(value, 8747, &parsed))
		return false;
	e->addr = parsed.addr; /* member by member: config_diff compares bytes, padding included */
	e->port = parsed.port;
	return e->port != 0 && !addr_is_multicast(&e->addr);
}

/* ---- The table ------------------------------------------------------------------------------- */

static const char *const cipher_words[] = {
	"chacha20-poly1305", "aes-256-gcm", "aegis-256", NULL}; /* in the order of their bits */
static const char *const relay_words[] = {"daemon", "kernel", NULL};
static const char *const role_words[] = {"spoke", "hub", NULL};
static const char *const framing_words[] = {"udp", "gre", NULL};
static const char *const level_words[] = {
	"error", "warning", "info", "debug", NULL}; /* in the order of enum log_level */

#define AT(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)
#define AT_EACH(field)                                                                             \
	offsetof(struct config_interop, field), sizeof(((struct config_interop *)0)->field)
#define AT_EACH_LIST(field)                                                                        \
	offsetof(struct config_interop, field), sizeof(((struct config_interop *)0)->field.v[0])
#define AT_LIST(field)     offsetof(struct config, field), sizeof(((struct config *)0)->field.v[0])
#define YES_NO             .parse = parse_yes_no, .expected = "yes or no"
#define PATH(what)         .parse = parse_path, .expected = what
#define NUMBER(lo, hi)     .parse = parse_number, .min = lo, .max = hi
#define WORDS(of)          .parse = parse_word, .words = of
#define PREFIXES(what)     .parse = parse_prefix, .max = CONFIG_LIST_MAX, .expected = what
#define PLACE(s, k, place) .section = s, .key = k, PLACE_(place)
#define PLACE_(...)        PLACE__(__VA_ARGS__)
#define PLACE__(o, n)      .offset = o, .size = n

/* clang-format off */
const struct option option_table[] = {
	{PLACE("node", "key", AT(node.key)), PATH("the path of the node's private key"),
		.flags = OPTION_REQUIRED},
	{PLACE("node", "certificate", AT(node.certificate)), PATH("the path of the node's certificate"),
		.flags = OPTION_REQUIRED},
	{PLACE("node", "network", AT(node.network)), .parse = parse_network,
		.expected = "the network's line of 88 base64 characters, as 'warren ca init' prints it",
		.flags = OPTION_REQUIRED},
	{PLACE("node", "bundle", AT(node.bundle)), PATH("the path of the newest bundle"),
		.flags = OPTION_RELOAD},
	{PLACE("node", "psk-file", AT(node.psk_file)), PATH("the path of a pre-shared key")},
	{PLACE("node", "state-directory", AT(node.state_directory)), PATH("the path of a directory"),
		.preset = "/var/lib/warren"},
	{PLACE("node", "strict", AT(node.strict)), YES_NO, .preset = "no", .flags = OPTION_RELOAD},
	{PLACE("node", "user", AT(node.user)), .parse = parse_name, .expected = "the name of a user"},

	{PLACE("tun", "name", AT(tun.name)), .parse = parse_name, .preset = "warren0",
		.expected = "an interface name of at most 15 characters"},
	{PLACE("tun", "mtu", AT(tun.mtu)), NUMBER(576, 1872), .preset = "1400",
		.expected = "a number of bytes from 576 to 1872"},
	{PLACE("tun", "table", AT_LIST(tun.tables)), .parse = parse_table, .min = 1,
		.max = CONFIG_LIST_MAX, .flags = OPTION_LIST, .expected = "the number of a routing table"},
	{PLACE("tun", "offloads", AT(tun.offloads)), .parse = parse_word_set, .words = tun_offload_words,
		.nothing = "none", .preset = "checksum tso uso coalesce-tcp coalesce-udp",
		.expected = "none, or a list of checksum, tso, uso, coalesce-tcp, coalesce-udp"},

	{PLACE("udp", "address", AT(udp.address)), .parse = parse_address,
		.expected = "an IPv4 or IPv6 address of this machine"},
	{PLACE("udp", "port", AT(udp.port)), NUMBER(0, 65535), .preset = "4754",
		.expected = "a port from 1 to 65535, or 0 for a random one"},
	{PLACE("udp", "workers", AT(udp.workers)), NUMBER(1, 15), .nothing = "auto", .preset = "auto",
		.expected = "auto or a number from 1 to 15"},
	{PLACE("udp", "ciphers", AT(udp.ciphers)), .parse = parse_word_set, .words = cipher_words,
		.expected = "a list of chacha20-poly1305, aes-256-gcm, aegis-256"},
	{PLACE("udp", "offloads", AT(udp.offloads)), .parse = parse_word_set, .words = udp_offload_words,
		.nothing = "none", .preset = "gso gro", .expected = "none, or a list of gso, gro"},

	{PLACE("nhrp", "holding-time", AT(nhrp.holding_time_s)), NUMBER(30, 65535), .preset = "600",
		.flags = OPTION_RELOAD, .expected = "a number of seconds from 30 to 65535"},
	{PLACE("nhrp", "redirect", AT(nhrp.redirect)), YES_NO, .preset = "yes", .flags = OPTION_RELOAD},
	{PLACE("nhrp", "shortcut", AT(nhrp.shortcut)), YES_NO, .preset = "yes", .flags = OPTION_RELOAD},
	{PLACE("nhrp", "install-routes", AT(nhrp.install_routes)), YES_NO, .preset = "yes",
		.flags = OPTION_RELOAD},
	{PLACE("nhrp", "relay", AT(nhrp.relay_kernel)), WORDS(relay_words), .preset = "daemon",
		.expected = "daemon or kernel"},
	{PLACE("nhrp", "relay-plaintext", AT(nhrp.relay_plaintext)), YES_NO, .preset = "no"},
	{PLACE("nhrp", "prefix", AT_LIST(nhrp.prefixes)), .flags = OPTION_LIST | OPTION_RELOAD,
		PREFIXES("a prefix without host bits, as in 10.1.0.0/16")},
	{PLACE("nhrp", "advertise", AT_LIST(nhrp.advertise)), .flags = OPTION_LIST | OPTION_RELOAD,
		PREFIXES("a prefix without host bits, as in 10.0.0.0/8")},
	{PLACE("nhrp", "route", AT_LIST(nhrp.routes)), .flags = OPTION_LIST | OPTION_RELOAD,
		PREFIXES("a prefix without host bits, as in 10.0.0.0/8")},

	{PLACE("multicast", "group", AT_LIST(multicast.groups)), .flags = OPTION_LIST | OPTION_RELOAD,
		.parse = parse_group, .max = CONFIG_LIST_MAX,
		.expected = "multicast groups without host bits, as in 239.1.0.0/16 or ff05::/16"},
	{PLACE("multicast", "rate", AT(multicast.rate)), NUMBER(1, 100000), .preset = "100",
		.flags = OPTION_RELOAD, .expected = "a number of packets per second from 1 to 100000"},

	{PLACE("interop", "role", AT_EACH(hub)), WORDS(role_words), .expected = "hub or spoke",
		.flags = OPTION_INTEROP | OPTION_REQUIRED},
	{PLACE("interop", "underlay", AT_EACH(underlay)), .parse = parse_prefix,
		.flags = OPTION_INTEROP | OPTION_REQUIRED,
		.expected = "an address of the underlay, or a prefix without host bits"},
	{PLACE("interop", "allow", AT_EACH_LIST(allow)),
		PREFIXES("a protocol address, or a prefix without host bits"),
		.flags = OPTION_INTEROP | OPTION_LIST | OPTION_REQUIRED},
	{PLACE("interop", "key", AT_EACH(key)), .parse = parse_gre_key, .max = UINT32_MAX,
		.flags = OPTION_INTEROP, .expected = "a GRE key from 0 to 4294967295"},
	{PLACE("interop", "authentication", AT_EACH(word)), .parse = parse_word_secret,
		.flags = OPTION_INTEROP | OPTION_SECRET, .expected = "a word of 1 to 8 printable characters"},
	{PLACE("interop", "authentication-file", AT_EACH(word_file)), .flags = OPTION_INTEROP,
		PATH("the path of a file with a word")},
	{PLACE("interop", "framing", AT_EACH(raw)), WORDS(framing_words), .preset = "udp",
		.flags = OPTION_INTEROP, .expected = "udp or gre"},

	{PLACE("paths", "host-candidates", AT(paths.host_candidates)), YES_NO, .preset = "yes"},

	{PLACE("limits", "peers", AT(limits.peers)), NUMBER(2, 1000000),
		.expected = "a number from 2 to 1000000"},
	{PLACE("limits", "routes", AT(limits.routes)), NUMBER(64, 10000000),
		.expected = "a number from 64 to 10000000"},

	{PLACE("control", "socket", AT(control.socket)), PATH("the path of a Unix socket"),
		.preset = "/run/warren/warren.sock"},
	{PLACE("control", "group", AT(control.group)), .parse = parse_name,
		.expected = "the name of a group"},

	{PLACE("http", "listen", AT(http.listen)), .parse = parse_listen, .nothing = "no",
		.preset = "127.0.0.1:8747", .expected = "an address and port, as in 127.0.0.1:8747, or no"},
	{PLACE("http", "token-file", AT(http.token_file)), PATH("the path of a file with a token")},

	{PLACE("log", "level", AT(log.level)), WORDS(level_words), .preset = "info",
		.flags = OPTION_RELOAD, .expected = "error, warning, info or debug"},
};
/* clang-format on */
const unsigned option_count = sizeof option_table / sizeof *option_table;

/* ---- Access ---------------------------------------------------------------------------------- */

const struct option *option_find(const char *section, const char *key)
{
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		if (strcmp(o->section, section) == 0 && strcmp(o->key, key) == 0)
			return o;
	}
	return NULL;
}

bool option_section_exists(const char *section)
{
	for (unsigned i = 0; i < option_count; i++)
		if (strcmp(option_table[i].section, section) == 0)
			return true;
	return false;
}

const char *option_set(const struct option *o, void *in, const char *value, const char *path)
{
	uint8_t *field = (uint8_t *)in + o->offset;
	uint32_t n = 0;
	if (o->flags & OPTION_LIST) {
		memcpy(&n, field, sizeof n);
		if (n >= o->max)
			return "no more than 16 lines of this option";
	}
	uint8_t *place = o->flags & OPTION_LIST ? field + sizeof n + n * o->size : field;
	memset(place, 0, o->size);
	bool nothing = o->nothing && strcmp(value, o->nothing) == 0;
	if (!nothing && !o->parse(o, value, path, place)) {
		memset(place, 0, o->size);
		return o->expected;
	}
	n++;
	if (o->flags & OPTION_LIST)
		memcpy(field, &n, sizeof n);
	return NULL;
}

_Static_assert(
	offsetof(struct config_prefixes, v) == sizeof(uint32_t), "a list is a count, then v");
_Static_assert(offsetof(struct config_numbers, v) == sizeof(uint32_t), "a list is a count, then v");
