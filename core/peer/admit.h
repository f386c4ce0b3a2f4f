#ifndef WARREN_PEER_ADMIT_H
#define WARREN_PEER_ADMIT_H

#include "core/base/bucket.h"
#include "core/base/env.h"

/*
 * What strangers may make us do: how many handshakes, COOKIEs and RESETs, from whom, and how many
 * handshakes may wait for their first packet. Source addresses can be forged, so nothing that a forged
 * one uses up is missed by its owner: who shows a cookie draws on buckets that forgers do not reach, and
 * who is a member draws on ones that strangers do not.
 */
#define ADMIT_SOURCES       16384 /* sources of INITIATIONs remembered */
#define ADMIT_RESET_SOURCES 4096  /* of data that earned a RESET */
#define ADMIT_HALF_OPEN     4096  /* handshakes answered and not yet confirmed */

/* Numbers a second. A handshake costs about 0.2 ms, so WORK is less than half of a core. */
#define ADMIT_LOAD_PER_S     500  /* INITIATIONs without mac2, above which cookies are asked for */
#define ADMIT_WORK_PER_S     2000 /* handshakes begun, from everybody together */
#define ADMIT_MEMBERS_PER_S  500  /* besides, from where members are */
#define ADMIT_SOURCE_PER_S   20   /* from one source */
#define ADMIT_MEMBER_PER_S   100 /* from one source, behind which a member is: perhaps a whole site */
#define ADMIT_COOKIES_PER_S  50000 /* COOKIEs, besides those to where members are */
#define ADMIT_RESETS_PER_S   1000
#define ADMIT_LOADED_NS      NS_PER_S /* how long cookies are asked for once it has begun */
#define ADMIT_MEMBER_KEPT_NS (300 * NS_PER_S)

/* One source: an IPv4 address, or an IPv6 /64. */
struct source {
	struct ip_addr addr; /* family 0: free */
	bool member;         /* a session was confirmed from here */
	uint64_t used;       /* when it was last looked up */
	struct bucket unproven, proven, cookies, resets;
};

/* Open addressing; where all places are taken, the one used longest ago gives way. */
struct sources {
	struct source *v;
	uint32_t mask;
	uint64_t seed[2];
};

struct half_open {
	uint32_t peer, session,
		index; /* peer id; session id, and its index to know a reused slot */
};

struct admission {
	struct sources initiators, reset_to;
	struct bucket load, work, members, cookies, resets;
	uint64_t loaded_until;
	struct half_open *half_open; /* a ring: the oldest one is overwritten */
	uint32_t n_half_open;        /* ever */
};

enum admit {
	ADMIT_NO,
	ADMIT_COOKIE, /* let it show that it is where it says */
	ADMIT_YES,
};

/* ERR_NO_SPACE. */
int admit_init(struct admission *a, const struct env *env);
void admit_fini(struct admission *a);
/* May an INITIATION with a right mac1 cost us a DH? proven: its mac2 is right too. */
enum admit admit_initiation(
	struct admission *a, const struct ip_addr *from, bool proven, uint64_t now);
/* Are cookies asked for? */
static inline bool admit_loaded(const struct admission *a, uint64_t now)
{
	return now < a->loaded_until;
}
bool admit_cookie(struct admission *a, const struct ip_addr *to, uint64_t now);
bool admit_reset(struct admission *a, const struct ip_addr *to, uint64_t now);
/* A session was confirmed by a packet from there. */
void admit_member(struct admission *a, const struct ip_addr *from, uint64_t now);
/* Notes a half-open handshake. *oldest is the one that has to go for it, if it still waits. */
void admit_half_open(struct admission *a, const struct half_open *new, struct half_open *oldest);

#endif
