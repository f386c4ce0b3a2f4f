#include "core/config/interop.h"

#include <string.h>

#define SECTION "interop"

bool interop_is_section(const char *section, const char **name)
{
	size_t len = sizeof SECTION - 1;
	if (strncmp(section, SECTION, len) != 0 || (section[len] && section[len] != ' '))
		return false;
	*name = section + len + strspn(section + len, " ");
	return true;
}

const char *interop_begin(struct config *config, const char *name)
{
	size_t len = strlen(name);
	struct config_interop *v = config->interop.v;
	if (len == 0 || len >= sizeof v->name ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len)
		return "[interop NAME] with a name of at most 15 characters a-z, 0-9, '.' and '-'";
	for (unsigned i = 0; i < config->interop.n; i++)
		if (strcmp(v[i].name, name) == 0)
			return "each section once";
	if (config->interop.n == CONFIG_INTEROP_MAX)
		return "no more than 16 [interop NAME] sections";
	memcpy(v[config->interop.n++].name, name, len + 1);
	return NULL;
}

static bool is_host(const struct prefix *p)
{
	return p->len == addr_bits(p->addr.family);
}

static void check_section(const struct config *config, const struct config_interop *s,
	const char *where, struct config_errors *errors)
{
	bool address = false;
	for (unsigned i = 0; i < s->allow.n; i++)
		address |= is_host(&s->allow.v[i]);
	if (s->hub && s->allow.n > 0 && !address)
		config_error(errors,
			"%s: 'allow' in [interop %s], expected the hub's own protocol address "
			"among them",
			where, s->name);
	if (s->hub && s->underlay.addr.family && !is_host(&s->underlay))
		config_error(errors,
			"%s: 'underlay' in [interop %s], expected one address since 'role = hub'",
			where, s->name);
	if (s->word[0] && s->word_file[0])
		config_error(errors,
			"%s: 'authentication' and 'authentication-file' in [interop %s], expected "
			"one of them",
			where, s->name);
	if (!s->raw && config->udp.port != 4754)
		config_error(errors,
			"%s: 'port = %u' in [udp], expected 4754 since [interop %s] has 'framing = "
			"udp'",
			where, config->udp.port, s->name);
}

void interop_check(const struct config *config, const char *where, struct config_errors *errors)
{
	for (unsigned i = 0; i < config->interop.n; i++)
		check_section(config, &config->interop.v[i], where, errors);
}
