#ifndef WARREN_TRUST_CANON_H
#define WARREN_TRUST_CANON_H

#include "core/base/addr.h"
#include "core/base/cursor.h"

/*
 * What certificates and bundles have in common: canonical lists. There is exactly one encoding of
 * a given content, so that a signed object cannot be re-encoded into a second one that means the
 * same. Readers return 0 or ERR_MALFORMED, ERR_VERSION; ERR_TRUNCATED when r has failed.
 */
#define CANON_NET_MAX 18 /* family, plen, address */

/* How the address of a list element is encoded. */
enum canon_net {
	CANON_ADDRESS, /* all its bytes: an interface address, host bits kept, unicast, plen > 0 */
	CANON_PREFIX,  /* ceil(plen / 8) bytes, host bits zero, nothing of multicast or the link */
};

/* A list with its count (u8): at most max elements to out, strictly ascending. */
int canon_read_nets(
	struct reader *r, enum canon_net kind, struct prefix *out, uint8_t *n, uint8_t max);
void canon_write_nets(struct writer *w, enum canon_net kind, const struct prefix *nets, uint8_t n);
/* Sorts into the order of the encoding and drops duplicates. */
void canon_sort_nets(struct prefix *nets, uint8_t *n);

/* Did encoding keep all of them? It cannot say host bits, which canon_write_nets leaves out. */
bool canon_same_nets(const struct prefix *a, const struct prefix *b, uint8_t n);

/* len u8, text: 1 to max characters, out has room for max + 1. Its content is not looked at. */
int canon_read_text(struct reader *r, char *out, size_t max);
void canon_write_text(struct writer *w, const char *text);

/*
 * Reads over extensions (len u16; type u8, zero u8, len u16, value), none of which version 1
 * knows. ERR_VERSION when one is critical (bit 7 of its type).
 */
int canon_skip_extensions(struct reader *r, uint16_t *ext_len);

/* Does the encoding b of b_len bytes come strictly after a? */
bool canon_ascends(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

#endif
