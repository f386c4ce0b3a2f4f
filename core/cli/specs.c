#include "core/cli/specs.h"

#include "core/cli/args.h"
#include "core/cli/cli.h"
#include "core/cli/keyfile.h"
#include "core/trust/canon.h"

#include <stdio.h>
#include <string.h>

#define DAY_S       86400
#define ISSUER_DAYS 7
#define SPEC_MAX    4096

static const char *const cipher_names[] = {"chacha20-poly1305", "aes-256-gcm", "aegis-256"};
#define CIPHERS (sizeof cipher_names / sizeof *cipher_names)

const char *specs_cipher_name(unsigned i)
{
	return i < CIPHERS ? cipher_names[i] : NULL;
}

static int copy_spec(const char *option, const char *text, char out[SPEC_MAX])
{
	if (strlen(text) >= SPEC_MAX)
		return cli_usage(
			"--%s: too long, expected less than %d characters", option, SPEC_MAX);
	strcpy(out, text);
	return CLI_OK;
}

/* Cuts the next item off a list in place; NULL at its end. */
static char *next_item(char **list)
{
	char *item = *list;
	if (!item)
		return NULL;
	char *comma = strchr(item, ',');
	*list = comma ? comma + 1 : NULL;
	if (comma)
		*comma = '\0';
	return item;
}

int specs_days(const char *text, uint32_t *out)
{
	*out = args_number(text, SPECS_DAYS_MAX);
	if (*out == 0)
		return cli_usage("--days %s: expected a number from 1 to %d", text, SPECS_DAYS_MAX);
	return CLI_OK;
}

int specs_role(const char *text, uint8_t *out)
{
	static const struct {
		const char *name;
		uint8_t bits;
	} roles[] = {
		{"hub", CERT_HUB}, {"spoke", CERT_SPOKE}, {"hub,spoke", CERT_HUB | CERT_SPOKE}};
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i].name, text) == 0) {
			*out = roles[i].bits;
			return CLI_OK;
		}
	return cli_usage("--role %s: expected hub or spoke", text);
}

int specs_ciphers(const char *text, uint8_t *out)
{
	char copy[SPEC_MAX], *list = copy, *item;
	if (copy_spec("ciphers", text, copy) != CLI_OK)
		return CLI_USAGE;
	*out = 0;
	while ((item = next_item(&list))) {
		size_t i = 0;
		while (i < CIPHERS && strcmp(cipher_names[i], item) != 0)
			i++;
		if (i == CIPHERS)
			return cli_usage("--ciphers: unknown cipher '%s', expected some of "
					 "chacha20-poly1305, aes-256-gcm and aegis-256",
				item);
		*out |= (uint8_t)(1 << i);
	}
	return CLI_OK;
}

/* ---- Addresses */

int specs_address(const char *text, struct prefix *out)
{
	if (!strchr(text, '/') || !prefix_parse(text, out))
		return cli_usage(
			"--address %s: expected an address with the length of the overlay's "
			"subnet, such as 10.9.0.5/24",
			text);
	if (out->len == 0 || !addr_is_unicast(&out->addr) ||
		(out->addr.family == 6 && addr_is_link_local(&out->addr)))
		return cli_usage("--address %s: expected a unicast address of a host", text);
	struct prefix network = prefix_masked(*out);
	if (out->len + 1 < addr_bits(out->addr.family) && prefix_equal(&network, out))
		return cli_usage(
			"--address %s: that is the subnet itself, expected an address in it", text);
	return CLI_OK;
}

int specs_prefix(const char *text, struct prefix *out)
{
	char suggestion[PREFIX_TEXT_MAX];
	if (!prefix_parse(text, out))
		return cli_usage("--prefix %s: expected a prefix, such as 192.168.7.0/24", text);
	struct prefix masked = prefix_masked(*out);
	if (!prefix_equal(&masked, out))
		return cli_usage(
			"--prefix %s: has bits set beyond its length, expected %s or a host", text,
			prefix_format(&masked, suggestion));
	if (addr_is_multicast(&out->addr) || addr_is_loopback(&out->addr) ||
		(out->addr.family == 6 && addr_is_link_local(&out->addr)))
		return cli_usage("--prefix %s: expected a prefix of unicast addresses", text);
	return CLI_OK;
}

/* ---- Hubs */

/* HOST, HOST:PORT, [IPV6]:PORT or IPV6 */
static int parse_endpoint(char *text, struct bundle_endpoint *out)
{
	char *host = text, *port = NULL, *colon = strrchr(text, ':');
	if (*text == '[') {
		char *bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return cli_usage("--hub: endpoint '%s', expected [IPV6]:PORT", text);
		host = text + 1;
		port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
	} else if (colon && strchr(text, ':') == colon) {
		*colon = '\0';
		port = colon + 1;
	}
	out->port = port ? (uint16_t)args_number(port, UINT16_MAX) : SPECS_PORT;
	if (out->port == 0)
		return cli_usage("--hub: port '%s', expected a number from 1 to 65535", port);
	struct ip_addr a;
	bool address_needed = *text == '[' || strchr(host, ':');
	if (!bundle_host_valid(host) || (address_needed && !addr_parse(host, &a)))
		return cli_usage("--hub: host '%s', expected a name or an address", host);
	strcpy(out->host, host);
	return CLI_OK;
}

static int parse_endpoints(char *list, struct bundle_hub *out)
{
	char *item;
	while ((item = next_item(&list))) {
		if (out->n_endpoints == BUNDLE_ENDPOINTS_MAX)
			return cli_usage("--hub %s: expected at most %d endpoints", out->name,
				BUNDLE_ENDPOINTS_MAX);
		if (parse_endpoint(item, &out->endpoints[out->n_endpoints]) != CLI_OK)
			return CLI_USAGE;
		out->n_endpoints++;
	}
	return CLI_OK;
}

static int parse_keys(char *list, struct bundle_hub *out)
{
	struct pem_error error;
	char *item;
	while ((item = next_item(&list))) {
		if (out->n_keys == BUNDLE_HUB_KEYS_MAX)
			return cli_usage("--hub %s: expected at most %d keys", out->name,
				BUNDLE_HUB_KEYS_MAX);
		if (keyfile_public_key(item, out->keys[out->n_keys], &error) != 0)
			return cli_usage("--hub %s: %s", out->name, error.text);
		out->n_keys++;
	}
	return CLI_OK;
}

int specs_hub(const char *text, struct bundle_hub *out)
{
	char copy[SPEC_MAX];
	if (copy_spec("hub", text, copy) != CLI_OK)
		return CLI_USAGE;
	memset(out, 0, sizeof *out);
	char *keys = strchr(copy, '=');
	if (!keys)
		return cli_usage("--hub %s: expected NAME=KEY@HOST:PORT", text);
	*keys++ = '\0';
	if (!cert_name_valid(copy))
		return cli_usage("--hub: name '%s', expected 1 to %d of a-z, 0-9, '.' and '-'",
			copy, CERT_NAME_MAX);
	strcpy(out->name, copy);
	char *endpoints = strrchr(keys, '@');
	if (endpoints)
		*endpoints++ = '\0';
	int status = parse_keys(keys, out);
	return status || !endpoints ? status : parse_endpoints(endpoints, out);
}

/* ---- Issuers */

static int parse_issuer_item(char *item, struct bundle_issuer *out)
{
	uint32_t days = 0;
	uint8_t role = 0;
	if (strncmp(item, "role=", 5) == 0) {
		int status = specs_role(item + 5, &role);
		out->roles |= status == CLI_OK ? role : 0;
		return status;
	}
	if (strncmp(item, "days=", 5) == 0) {
		int status = specs_days(item + 5, &days);
		out->max_life_s = days * DAY_S;
		return status;
	}
	if (out->n_pools == BUNDLE_POOLS_MAX)
		return cli_usage("--issuer: expected at most %d prefixes", BUNDLE_POOLS_MAX);
	return specs_prefix(item, &out->pools[out->n_pools++]);
}

int specs_issuer(const char *text, struct bundle_issuer *out)
{
	char copy[SPEC_MAX], *list = copy, *item;
	if (copy_spec("issuer", text, copy) != CLI_OK)
		return CLI_USAGE;
	*out = (struct bundle_issuer){.max_life_s = ISSUER_DAYS * DAY_S};
	if (prim_key_parse(out->key, next_item(&list)) != 0)
		return cli_usage("--issuer: expected an Ed25519 public key of 44 base64 characters "
				 "first");
	while ((item = next_item(&list)))
		if (parse_issuer_item(item, out) != CLI_OK)
			return CLI_USAGE;
	if (out->n_pools == 0)
		return cli_usage("--issuer: expected the prefixes that it may give addresses from");
	if (out->roles == 0)
		out->roles = CERT_SPOKE;
	canon_sort_nets(out->pools, &out->n_pools);
	return CLI_OK;
}
