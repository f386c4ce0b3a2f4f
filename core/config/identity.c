#include "core/config/identity.h"

#include "core/base/err.h"
#include "core/config/pem.h"
#include "core/crypto/primitives.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVED_BUNDLE    "bundle"
#define EXPIRES_SOON_S  (UINT64_C(14) * 86400)
#define MTU_MIN_IPV6    1280
#define SECRET_TEXT_MAX 1024 /* of a file with a token or pre-shared key */

static void pem_failed(struct config_errors *errors, const struct pem_error *error)
{
	config_error(errors, "%s", error->text);
}

/* ---- Bundle ----------------------------------------------------------------------------------- */

static void saved_bundle_path(const char *directory, char out[CONFIG_PATH_MAX + 16])
{
	snprintf(out, CONFIG_PATH_MAX + 16, "%s/" SAVED_BUNDLE, directory);
}

/* Reads and verifies one; its number, or 0 with a message. */
static uint64_t read_bundle(const char *path, const uint8_t network[64], uint8_t *out, size_t *len,
	struct config_errors *errors)
{
	struct pem_error error;
	int n = pem_read(path, PEM_BUNDLE, out, BUNDLE_MAX, &error);
	if (n < 0) {
		pem_failed(errors, &error);
		return 0;
	}
	struct bundle *b = malloc(sizeof *b);
	uint64_t number = 0;
	int rc = b ? bundle_decode(out, (size_t)n, b) : ERR_NO_SPACE;
	if (rc == 0)
		rc = bundle_verify(out, (size_t)n, network, network + 32);
	if (rc == 0)
		number = b->number;
	if (rc == ERR_AUTH)
		config_error(errors,
			"%s: the signature does not verify, expected a bundle of "
			"the network in the config",
			path);
	else if (rc != 0)
		config_error(errors, "%s: %s, expected a bundle", path, err_name(rc));
	else if (number == 0)
		config_error(errors, "%s: number 0, expected a bundle with a number", path);
	free(b);
	*len = (size_t)n;
	return number;
}

int identity_read_bundle(const struct config *config, uint8_t **out, size_t *out_len,
	struct config_errors *errors, struct config_errors *warnings)
{
	*out = NULL;
	*out_len = 0;
	uint8_t *given = malloc(BUNDLE_MAX), *saved = malloc(BUNDLE_MAX);
	size_t given_len = 0, saved_len = 0;
	uint64_t given_number = 0, saved_number = 0;
	int rc = ERR_MALFORMED;
	if (!given || !saved) {
		config_error(errors, "no memory for a bundle, expected 256 KiB");
		goto out;
	}
	if (config->node.bundle[0]) {
		given_number = read_bundle(
			config->node.bundle, config->node.network, given, &given_len, errors);
		if (given_number == 0)
			goto out;
	}
	char path[CONFIG_PATH_MAX + 16];
	saved_bundle_path(config->node.state_directory, path);
	if (access(path, F_OK) == 0)
		saved_number = read_bundle(path, config->node.network, saved, &saved_len, warnings);
	rc = 0;
	if (given_number == 0 && saved_number == 0)
		goto out;
	bool use_saved = saved_number > given_number;
	*out = use_saved ? saved : given;
	*out_len = use_saved ? saved_len : given_len;
out:
	if (*out != given)
		free(given);
	if (*out != saved)
		free(saved);
	return rc;
}

int identity_save_bundle(
	const char *directory, const uint8_t *bundle, size_t len, struct config_errors *errors)
{
	char path[CONFIG_PATH_MAX + 16];
	struct pem_error error;
	saved_bundle_path(directory, path);
	int rc = pem_write(path, PEM_BUNDLE, bundle, len, PEM_REPLACE | PEM_ONE_WRITER, &error);
	if (rc != 0)
		pem_failed(errors, &error);
	return rc;
}

/* ---- Key and certificate ---------------------------------------------------------------------- */

static void read_key(const struct config *config, struct identity *id, struct config_errors *errors)
{
	struct pem_error error;
	if (pem_read_private_key(config->node.key, id->secret, &error) != 0)
		pem_failed(errors, &error);
	else
		prim_dh_public(id->public_key, id->secret);
}

static void read_certificate(
	const struct config *config, struct identity *id, struct config_errors *errors)
{
	struct pem_error error;
	int n = pem_read(config->node.certificate, PEM_CERTIFICATE, id->certificate,
		sizeof id->certificate, &error);
	if (n < 0) {
		pem_failed(errors, &error);
		return;
	}
	int rc = cert_decode(id->certificate, (size_t)n, &id->cert);
	if (rc != 0)
		config_error(errors, "%s: %s, expected a certificate", config->node.certificate,
			err_name(rc));
	else
		id->certificate_len = (size_t)n;
}

static const char *why_not_trusted(int rc)
{
	switch ((enum err)rc) {
	case ERR_NOT_FOUND:
		return "nobody of this network's bundle signed it, expected a certificate of the "
		       "network in the config";
	case ERR_FORBIDDEN:
		return "it exceeds what its issuer may give, expected one within the issuer's "
		       "limits";
	case ERR_REVOKED:
		return "it is revoked, expected a new one";
	case ERR_AUTH:
		return "it is not for this key, or not of this network, expected one for the 'key' "
		       "in the config";
	case ERR_EXPIRED:
	case ERR_TRUNCATED:
	case ERR_MALFORMED:
	case ERR_VERSION:
	case ERR_NO_SPACE:
	case ERR_DUPLICATE:
	case ERR_SYSTEM:
	case ERR_BUSY:
	case ERR_UNSUPPORTED:
		break;
	}
	return err_name(rc);
}

static void check_validity(const struct config *config, struct identity *id, uint64_t wall_s,
	struct config_errors *warnings)
{
	const char *path = config->node.certificate;
	if (wall_s > id->cert.not_after)
		config_error(warnings,
			"%s: the certificate has expired, expected a new one, or is "
			"the clock wrong?",
			path);
	else if (wall_s < id->cert.not_before)
		config_error(warnings,
			"%s: the certificate is not valid yet, or the clock is wrong", path);
	else if (id->cert.not_after - wall_s < EXPIRES_SOON_S)
		config_error(warnings, "%s: the certificate expires in %u days", path,
			(unsigned)((id->cert.not_after - wall_s) / 86400));
}

/* Is the certificate for our key, and of our network? Needs all three files. */
static void check_trust(const struct config *config, struct identity *id, uint64_t wall_s,
	struct config_errors *errors, struct config_errors *warnings)
{
	struct trust *t = malloc(sizeof *t);
	struct cert checked;
	if (!t) {
		config_error(errors, "no memory, expected 64 KiB");
		return;
	}
	trust_init(t, config->node.network, config->node.network + 32);
	int rc = id->bundle ? trust_update_bundle(t, id->bundle, id->bundle_len) : 0;
	if (rc == 0)
		rc = trust_check_cert(
			t, id->certificate, id->certificate_len, id->public_key, wall_s, &checked);
	if (rc == ERR_EXPIRED) {
		/* A wrong clock must not keep a node down: look again at a time when it is valid. */
		id->expired = true;
		rc = trust_check_cert(t, id->certificate, id->certificate_len, id->public_key,
			id->cert.not_before, &checked);
	}
	if (rc != 0)
		config_error(errors, "%s: %s", config->node.certificate, why_not_trusted(rc));
	else
		id->cert = checked;
	if (id->bundle && trust_bundle_expired(t, wall_s))
		config_error(warnings,
			"the bundle has expired, expected a new one, or is the clock "
			"wrong?");
	check_validity(config, id, wall_s, warnings);
	trust_fini(t);
	free(t);
}

static void check_mtu(
	const struct config *config, const struct identity *id, struct config_errors *errors)
{
	for (unsigned i = 0; i < id->cert.n_addresses; i++)
		if (id->cert.addresses[i].addr.family == 6 && config->tun.mtu < MTU_MIN_IPV6) {
			config_error(errors,
				"'mtu = %u' in [tun], expected at least %d since the "
				"certificate has an IPv6 address",
				config->tun.mtu, MTU_MIN_IPV6);
			return;
		}
}

/* The hub has the last word, and answers such a registration with NAK 4: say so at once. */
static void check_prefixes(
	const struct config *config, const struct identity *id, struct config_errors *warnings)
{
	char text[PREFIX_TEXT_MAX];
	for (unsigned i = 0; i < config->nhrp.prefixes.n; i++)
		if (!cert_covers_prefix(&id->cert, &config->nhrp.prefixes.v[i]))
			config_error(warnings,
				"'prefix = %s' in [nhrp]: outside the certificate, hubs will "
				"refuse it",
				prefix_format(&config->nhrp.prefixes.v[i], text));
}

static void check_role(
	const struct config *config, const struct identity *id, struct config_errors *warnings)
{
	bool hub = id->cert.role & CERT_HUB;
	if (!hub && config->nhrp.advertise.n > 0)
		config_error(
			warnings, "'advertise' in [nhrp] has no effect: the node is not a hub");
	if (hub && config->nhrp.routes.n > 0)
		config_error(warnings, "'route' in [nhrp] has no effect: the node is a hub");
}

/* ---- Small secrets ---------------------------------------------------------------------------- */

/* The one word in a file that nobody else can read, or false with an error. */
static bool read_word(const char *path, char *out, size_t cap, struct config_errors *errors)
{
	struct pem_error error;
	int n = pem_read_text(path, true, out, cap, &error);
	if (n < 0) {
		pem_failed(errors, &error);
		return false;
	}
	while (n > 0 && strchr(" \t\r\n", out[n - 1]))
		out[--n] = '\0';
	return true;
}

static void read_psk(const struct config *config, struct identity *id, struct config_errors *errors)
{
	char text[SECRET_TEXT_MAX];
	const char *path = config->node.psk_file;
	if (!*path)
		return;
	if (read_word(path, text, sizeof text, errors) && prim_key_parse(id->psk, text) != 0)
		config_error(
			errors, "%s: not a key, expected 32 bytes as 44 base64 characters", path);
	prim_wipe(text, sizeof text);
}

static void read_token(
	const struct config *config, struct identity *id, struct config_errors *errors)
{
	char text[SECRET_TEXT_MAX];
	const char *path = config->http.token_file;
	if (!*path)
		return;
	if (read_word(path, text, sizeof text, errors)) {
		size_t len = strlen(text), good = 0;
		while (text[good] > ' ' && text[good] <= '~')
			good++;
		if (good != len || len < IDENTITY_TOKEN_MIN || len > IDENTITY_TOKEN_MAX)
			config_error(errors,
				"%s: not a token, expected one line of %d to %d printable "
				"characters",
				path, IDENTITY_TOKEN_MIN, IDENTITY_TOKEN_MAX);
		else
			memcpy(id->token, text, len + 1);
	}
	prim_wipe(text, sizeof text);
}

static void read_words(
	const struct config *config, struct identity *id, struct config_errors *errors)
{
	char text[SECRET_TEXT_MAX];
	for (unsigned i = 0; i < config->interop.n; i++) {
		const struct config_interop *s = &config->interop.v[i];
		memcpy(id->words[i], s->word, sizeof id->words[i]);
		if (!s->word_file[0] || !read_word(s->word_file, text, sizeof text, errors))
			continue;
		size_t len = strlen(text), good = 0;
		while (text[good] > ' ' && text[good] <= '~')
			good++;
		if (good != len || len == 0 || len >= CONFIG_WORD_MAX)
			config_error(errors,
				"%s: not an authentication word, expected 1 to %d printable "
				"characters",
				s->word_file, CONFIG_WORD_MAX - 1);
		else
			memcpy(id->words[i], text, len + 1);
	}
	prim_wipe(text, sizeof text);
}

/* ---- All of it -------------------------------------------------------------------------------- */

int identity_load(const struct config *config, uint64_t wall_s, struct identity *out,
	struct config_errors *errors, struct config_errors *warnings)
{
	unsigned before = errors->n;
	memset(out, 0, sizeof *out);
	read_key(config, out, errors);
	read_certificate(config, out, errors);
	int rc = identity_read_bundle(config, &out->bundle, &out->bundle_len, errors, warnings);
	if (rc == 0 && !out->bundle && config->interop.n == 0)
		config_error(errors,
			"'bundle' in [node] is missing, expected the path of the network's "
			"bundle, which names the hubs");
	read_psk(config, out, errors);
	read_token(config, out, errors);
	read_words(config, out, errors);
	if (errors->n == before)
		check_trust(config, out, wall_s, errors, warnings);
	if (errors->n == before) {
		check_mtu(config, out, errors);
		check_prefixes(config, out, warnings);
		check_role(config, out, warnings);
	}
	return errors->n == before ? 0 : ERR_MALFORMED;
}

void identity_fini(struct identity *id)
{
	free(id->bundle);
	prim_wipe(id, sizeof *id);
}

int identity_check(const char *config_path, uint64_t wall_s, struct config_errors *errors,
	struct config_errors *warnings)
{
	struct config *config = malloc(sizeof *config);
	struct identity *id = malloc(sizeof *id);
	int rc = config && id ? config_load(config_path, config, errors) : ERR_NO_SPACE;
	if (rc == 0) {
		rc = identity_load(config, wall_s, id, errors, warnings);
		if (rc == 0 && id->expired)
			rc = ERR_EXPIRED; /* the warning says it */
		identity_fini(id);
	}
	free(id);
	free(config);
	return rc == 0 ? 0 : ERR_MALFORMED;
}
