#ifndef WARREN_PEER_PLAIN_H
#define WARREN_PEER_PLAIN_H

#include "core/base/addr.h"
#include "core/base/bucket.h"

/*
 * Interop mode (docs/protocol.md section 9): who may talk to us in plaintext GRE, and who does. A member
 * is a struct peer without keys: its slot (session.h) says what goes in front of its packets, and its
 * certificate is made from the section of the config that lists its NBMA address. There are no members
 * without sections, and there is no way from a sealed peer to a member or back.
 */
#define PLAIN_SECTIONS_MAX 16
#define PLAIN_ALLOW_MAX    16
#define PLAIN_NAME_MAX     15
#define PLAIN_WORD_MAX     8
#define PLAIN_MEMBERS_MAX  1024

struct peer;
struct peers;

struct plain_section {
	char name[PLAIN_NAME_MAX + 1];
	bool hub; /* the other side is one: we register there */
	bool raw; /* GRE is IP protocol 47; else in UDP (RFC 8086) */
	bool have_key;
	uint32_t key;           /* GRE key */
	struct prefix underlay; /* NBMA addresses; of a hub, one */
	uint8_t n_allow;
	struct prefix allow[PLAIN_ALLOW_MAX]; /* protocol addresses and prefixes */
	uint8_t word_len;                     /* 0 = no authentication */
	char word[PLAIN_WORD_MAX];
};

/* Constant after the start, except for what only the control loop reads. */
struct plain {
	unsigned n;
	struct plain_section v[PLAIN_SECTIONS_MAX];
	bool relay; /* between sealed and plaintext members too */
	/* the control loop's */
	uint32_t n_members;
	struct bucket births;
};

/* The section with the longest underlay prefix around this address; NULL: it is not listed. */
const struct plain_section *plain_section_for(
	const struct plain *x, const struct ip_addr *nbma, bool raw);
/* Is the protocol address inside what the section allows? */
bool plain_allows(const struct plain_section *s, const struct ip_addr *a);

/* Makes members of the hubs, and reports them up. */
void plain_start(struct peers *t, uint64_t now);
/* The member at this NBMA address, or NULL. */
struct peer *plain_find(const struct peers *t, const struct ip_addr *nbma);
/*
 * Finds it or makes one, to be forgotten 30 s from now unless something keeps it. NULL: no section
 * lists it, a session ends there, or there are too many.
 */
struct peer *plain_obtain(struct peers *t, const struct ip_addr *nbma, bool raw, uint64_t now);
/* It is the section's member with this protocol address, and may send and get user data until then. */
void plain_accept(
	struct peers *t, struct peer *p, const struct ip_addr *proto, uint64_t until, uint64_t now);
/* A packet of the member's came from there; natted: it says that it is elsewhere. */
void plain_heard(
	struct peers *t, struct peer *p, const struct endpoint *from, const struct ip_addr *local);
void plain_set_natted(struct peers *t, struct peer *p, bool natted, const struct endpoint *from);
/* A session's endpoint is there now: nothing goes there in the clear from this moment on. */
void plain_yield(struct peers *t, const struct ip_addr *nbma);
/* It leaves the table. */
void plain_gone(struct peers *t, struct peer *p);
/* IPv4, IPv6 or NHRP. ERR_NOT_FOUND; ERR_UNSUPPORTED: another protocol; ERR_NO_SPACE: over 1400 bytes. */
int plain_send(struct peers *t, struct peer *p, uint16_t protocol, const void *payload, size_t len);
const struct plain_section *plain_section_of(const struct peers *t, const struct peer *p);

#endif
