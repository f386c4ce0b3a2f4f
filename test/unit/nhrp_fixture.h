#ifndef WARREN_TEST_NHRP_FIXTURE_H
#define WARREN_TEST_NHRP_FIXTURE_H

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/ip.h"
#include "core/wire/nhrp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define FIXTURE_MAX 2048

/* test/vectors/nhrp/NAME.hex. Returns its length. */
static inline size_t fixture_load(const char *name, uint8_t out[FIXTURE_MAX])
{
	char path[512];
	snprintf(path, sizeof path, TEST_VECTORS "/nhrp/%s.hex", name);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s", path);
	size_t len = 0;
	unsigned byte;
	while (len < FIXTURE_MAX && fscanf(f, "%2x", &byte) == 1)
		out[len++] = (uint8_t)byte;
	fclose(f);
	return len;
}

static inline void fixture_fix_checksum(uint8_t *data, size_t len)
{
	store_u16(data + 12, 0);
	store_u16(data + 12, ip_checksum(data, len));
}

static inline struct ip_addr fixture_addr(const char *text)
{
	struct ip_addr a = {0};
	if (strcmp(text, "-") != 0 && !addr_parse(text, &a))
		fail_msg("%s", text);
	return a;
}

static inline void expect_addr(const char *what, const struct ip_addr *a, const char *expected)
{
	struct ip_addr e = fixture_addr(expected);
	if (!addr_equal(a, &e))
		fail_msg("%s is not %s", what, expected);
}

static inline void expect_exts(const struct nhrp_packet *p, const char *expected)
{
	char text[128] = "";
	for (unsigned i = 0; i < p->n_exts; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", p->exts[i].type);
	assert_string_equal(text, expected);
}

#endif
