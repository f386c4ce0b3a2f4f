#include "core/cli/show.h"

#include "core/cli/specs.h"
#include "core/cli/when.h"
#include "core/crypto/primitives.h"

#include <inttypes.h>
#include <string.h>

json_t *show_key(const uint8_t key[32])
{
	char text[KEY_TEXT_SIZE];
	return json_string(prim_base64_encode(text, key, KEY_LEN));
}

json_t *show_hex(const uint8_t *data, size_t len)
{
	char text[2 * 64 + 1] = "";
	for (size_t i = 0; i < len && i < 64; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	return json_string(text);
}

static json_t *serial_json(uint64_t serial)
{
	char text[17];
	snprintf(text, sizeof text, "%016" PRIx64, serial);
	return json_string(text);
}

static json_t *when_json(uint64_t unix_s)
{
	char text[WHEN_TEXT_MAX];
	return json_string(when_format(unix_s, text));
}

static json_t *roles_json(uint8_t roles)
{
	json_t *list = json_array();
	if (roles & CERT_HUB)
		json_array_append_new(list, json_string("hub"));
	if (roles & CERT_SPOKE)
		json_array_append_new(list, json_string("spoke"));
	if (roles & CERT_DEFAULT)
		json_array_append_new(list, json_string("default"));
	return list;
}

static json_t *nets_json(const struct prefix *nets, uint8_t n)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_MAX];
	for (uint8_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(prefix_format(&nets[i], text)));
	return list;
}

static json_t *validity_json(uint64_t not_before, uint64_t not_after, uint64_t now_s)
{
	return json_string(now_s < not_before ? "not yet valid"
			: now_s > not_after   ? "expired"
					      : "valid");
}

json_t *show_certificate(const struct cert *cert, uint64_t now_s)
{
	json_t *groups = json_array(), *out = json_object();
	for (uint8_t i = 0; i < cert->n_groups; i++)
		json_array_append_new(groups, json_string(cert->groups[i]));
	json_object_set_new(out, "kind", json_string("certificate"));
	json_object_set_new(out, "name", json_string(cert->name));
	json_object_set_new(out, "roles", roles_json(cert->role));
	json_object_set_new(out, "addresses", nets_json(cert->addresses, cert->n_addresses));
	json_object_set_new(out, "prefixes", nets_json(cert->prefixes, cert->n_prefixes));
	json_object_set_new(out, "groups", groups);
	json_object_set_new(out, "not_before", when_json(cert->not_before));
	json_object_set_new(out, "not_after", when_json(cert->not_after));
	json_object_set_new(
		out, "validity", validity_json(cert->not_before, cert->not_after, now_s));
	json_object_set_new(out, "serial", serial_json(cert->serial));
	json_object_set_new(out, "issuer", show_hex(cert->issuer_id, CERT_ID_SIZE));
	return out;
}

static json_t *hub_json(const struct bundle_hub *hub)
{
	json_t *out = json_object(), *keys = json_array(), *endpoints = json_array();
	char text[BUNDLE_HOST_MAX + 16];
	for (uint8_t i = 0; i < hub->n_keys; i++)
		json_array_append_new(keys, show_key(hub->keys[i]));
	for (uint8_t i = 0; i < hub->n_endpoints; i++) {
		const struct bundle_endpoint *e = &hub->endpoints[i];
		snprintf(text, sizeof text, strchr(e->host, ':') ? "[%s]:%u" : "%s:%u", e->host,
			e->port);
		json_array_append_new(endpoints, json_string(text));
	}
	json_object_set_new(out, "name", json_string(hub->name));
	json_object_set_new(out, "keys", keys);
	json_object_set_new(out, "endpoints", endpoints);
	return out;
}

static json_t *issuer_json(const struct bundle_issuer *issuer)
{
	json_t *out = json_object();
	json_object_set_new(out, "id", show_hex(issuer->id, CERT_ID_SIZE));
	json_object_set_new(out, "key", show_key(issuer->key));
	json_object_set_new(out, "roles", roles_json(issuer->roles));
	json_object_set_new(out, "max_life_s", json_integer(issuer->max_life_s));
	json_object_set_new(out, "pools", nets_json(issuer->pools, issuer->n_pools));
	return out;
}

static json_t *ciphers_json(uint8_t ciphers)
{
	json_t *list = json_array();
	for (unsigned i = 0; specs_cipher_name(i); i++)
		if (ciphers & 1 << i)
			json_array_append_new(list, json_string(specs_cipher_name(i)));
	return list;
}

static json_t *revoked_json(const uint8_t *record)
{
	json_t *out = json_object();
	json_object_set_new(out, "issuer", show_hex(record, CERT_ID_SIZE));
	json_object_set_new(out, "serial", show_hex(record + CERT_ID_SIZE, 8));
	return out;
}

json_t *show_bundle(const struct bundle *bundle, uint64_t now_s)
{
	json_t *out = json_object(), *issuers = json_array(), *hubs = json_array();
	json_t *revoked = json_array(), *keys = json_array();
	for (uint8_t i = 0; i < bundle->n_issuers; i++)
		json_array_append_new(issuers, issuer_json(&bundle->issuers[i]));
	for (uint8_t i = 0; i < bundle->n_hubs; i++)
		json_array_append_new(hubs, hub_json(&bundle->hubs[i]));
	for (size_t i = 0; i < bundle->n_revoked; i++)
		json_array_append_new(
			revoked, revoked_json(bundle->revoked + i * BUNDLE_REVOKED_SIZE));
	for (size_t i = 0; i < bundle->n_revoked_keys; i++)
		json_array_append_new(keys, show_key(bundle->revoked_keys + i * CERT_KEY_SIZE));
	json_object_set_new(out, "kind", json_string("bundle"));
	json_object_set_new(out, "number", json_integer((json_int_t)bundle->number));
	json_object_set_new(out, "not_after", when_json(bundle->not_after));
	json_object_set_new(out, "validity", validity_json(0, bundle->not_after, now_s));
	json_object_set_new(out, "ciphers", ciphers_json(bundle->ciphers));
	json_object_set_new(out, "psk",
		json_string(bundle->flags & BUNDLE_PSK_REQUIRED ? "required" : "optional"));
	json_object_set_new(out, "hubs", hubs);
	json_object_set_new(out, "issuers", issuers);
	json_object_set_new(out, "revoked", revoked);
	json_object_set_new(out, "revoked_keys", keys);
	return out;
}

/* ---- Text */

static void print_name(const char *name, FILE *out)
{
	for (; *name; name++)
		fputc(*name == '_' ? ' ' : *name, out);
	fputc(':', out);
}

static void print_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		fprintf(out, " %s", json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, " %" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? " yes" : " no", out);
}

static void print_object(const json_t *object, const char *first, const char *indent, FILE *out)
{
	const char *name;
	json_t *value, *item;
	size_t i;

	/* Iterating does not change the object, but jansson's macro does not know that. */
	json_object_foreach((json_t *)object, name, value)
	{
		bool list = json_is_array(value);
		if (list && json_array_size(value) == 0)
			continue;
		fputs(first, out);
		first = indent;
		print_name(name, out);
		if (!list)
			print_scalar(value, out);
		else if (!json_is_object(json_array_get(value, 0)))
			json_array_foreach(value, i, item) print_scalar(item, out);
		fputc('\n', out);
		if (list && json_is_object(json_array_get(value, 0)))
			json_array_foreach(value, i, item) print_object(item, "  - ", "    ", out);
	}
}

void show_print(const json_t *object, FILE *out)
{
	print_object(object, "", "", out);
}
