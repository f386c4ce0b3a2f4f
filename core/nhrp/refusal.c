/* Registrations that were refused, by us or to us: remembered for status, logged when they are news. */
#include "core/nhrp/nhrp.h"

#include <string.h>

#define NEWS_NS (600 * NS_PER_S) /* logged again after so long without it */

static struct refusal *find(struct nhrp *n, const char *name, const struct prefix *prefix)
{
	for (unsigned i = 0; i < NHRP_REFUSALS; i++)
		if (n->refusals[i].code && prefix_equal(&n->refusals[i].prefix, prefix) &&
			strcmp(n->refusals[i].name, name) == 0)
			return &n->refusals[i];
	return NULL;
}

void refusal_note(struct nhrp *n, struct peer *p, const struct prefix *prefix, uint8_t code,
	bool by_us, uint64_t now)
{
	char buf[64], text[PREFIX_TEXT_MAX];
	const char *name = peer_name(p, buf);
	struct refusal *r = find(n, name, prefix);
	if (by_us)
		n->naks_sent++;
	else
		n->naks_received++;
	bool news = !r || r->code != code || now - r->at > NEWS_NS;
	if (!r)
		r = &n->refusals[n->n_refusals++ % NHRP_REFUSALS];
	*r = (struct refusal){.code = code, .prefix = *prefix, .at = now};
	memcpy(r->name, name, strlen(name) + 1);
	if (news && by_us)
		env_log(n->env, LOG_WARN, "%s: registration of %s refused: code %u, %s", name,
			prefix_format(prefix, text), code, nhrp_code_name(code));
	else if (news)
		env_log(n->env, LOG_ERROR, "hub %s refuses our registration of %s: code %u, %s",
			name, prefix_format(prefix, text), code, nhrp_code_name(code));
}

/* A registration is a full list: what was refused before and not in this one is not asked for any more. */
void refusal_settle(struct nhrp *n, const struct peer *p, uint8_t family, uint64_t now)
{
	char buf[64];
	const char *name = peer_name(p, buf);
	for (unsigned i = 0; i < NHRP_REFUSALS; i++) {
		struct refusal *r = &n->refusals[i];
		if (r->code && r->at != now && r->prefix.addr.family == family &&
			strcmp(r->name, name) == 0)
			r->code = 0;
	}
}
