/* Sealing and opening: each cipher that works here, and ChaCha20-Poly1305 as libsodium alone has it. */
#include "test/bench/micro.h"

#include "core/crypto/chacha.h"
#include "core/crypto/sealed.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN_MAX 1436

struct packet {
	struct aead_key key;
	struct sealed_header header;
	size_t len, sealed_len;
	char seal_name[48], open_name[48];
	uint8_t plain[LEN_MAX];
	uint8_t sealed[SEALED_HEADER_LEN + LEN_MAX + AEAD_TAG_MAX];
	uint8_t out[SEALED_HEADER_LEN + LEN_MAX + AEAD_TAG_MAX];
};

/* From one buffer to another, as segments of a super-packet go. */
static void seal(void *ctx, unsigned n)
{
	struct packet *p = ctx;
	for (unsigned i = 0; i < n; i++) {
		p->header.sequence = i;
		sealed_seal(&p->key, &p->header, p->out, p->plain, p->len);
	}
}

static void open_(void *ctx, unsigned n)
{
	struct packet *p = ctx;
	p->header.sequence = 0;
	for (unsigned i = 0; i < n; i++)
		if (sealed_open(&p->key, &p->header, p->out, p->sealed, p->sealed_len) < 0)
			abort();
}

static void add(struct micro *m, uint8_t id, bool composed, size_t len)
{
	static const uint8_t secret[32] = {1};
	if (!aead_find(id))
		return;
	struct packet *p = micro_alloc(sizeof *p);
	if (aead_key_init(&p->key, id, secret) != 0)
		abort();
	const char *name = p->key.aead->name, *by = "";
	if (!composed) {
		((struct chacha_key *)(void *)p->key.state)->composed = false;
		by = ", not composed";
	}
	snprintf(p->seal_name, sizeof p->seal_name, "seal %s%s", name, by);
	snprintf(p->open_name, sizeof p->open_name, "open %s%s", name, by);
	p->len = len;
	p->header.index = 1;
	p->sealed_len = sealed_seal(&p->key, &p->header, p->sealed, p->plain, len);
	micro_add(m, &(struct micro_row){"crypto", p->seal_name, len, seal, p});
	micro_add(m, &(struct micro_row){"crypto", p->open_name, len, open_, p});
}

void micro_crypto(struct micro *m)
{
	static const size_t lengths[] = {64, 576, 1400, LEN_MAX};

	for (uint8_t id = 0; id <= AEAD_AEGIS_256; id++)
		for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
			add(m, id, true, lengths[i]);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		add(m, AEAD_CHACHA20_POLY1305, false, lengths[i]);
}
