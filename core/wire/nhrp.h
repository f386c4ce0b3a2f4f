#ifndef WARREN_WIRE_NHRP_H
#define WARREN_WIRE_NHRP_H

#include "core/base/addr.h"

/*
 * NHRP packets (RFC 2332), with the Traffic Indication and NAT address extension that Cisco added and
 * FRR and OpenNHRP share, and our own Vendor-Private extension. nhrp_decode turns bytes into the
 * plain struct below, nhrp_encode turns it back; both know formats, neither knows policy. All numbers
 * are in host order, all lists bounded, and a decoded packet may be changed and encoded again: the
 * order of its extensions is kept (RFC 2332 s.5.3).
 *
 *   fixed part 20 | mandatory part: header 8, addresses, CIEs or payload | extensions | End
 */
#define NHRP_PACKET_MAX 1180 /* longest packet that we send (the decoder has no such limit) */
#define NHRP_HOP_COUNT  255  /* what we send; Cisco drops 0 even when it is the destination */

#define NHRP_PREFIX_HOST 255 /* prefix length that means one address, as 0 does */

#define NHRP_AFN_IPV4 1
#define NHRP_AFN_IPV6 2

#define NHRP_CIES_MAX    20
#define NHRP_TRANSIT_MAX 8
#define NHRP_NAT_MAX     4
#define NHRP_EXTS_MAX    16 /* extensions of all kinds, End not counted */
#define NHRP_AUTH_MAX    64 /* authentication data after its 4-byte head */

enum nhrp_type {
	NHRP_RESOLUTION_REQUEST = 1,   /* RFC 2332 s.5.2.1 */
	NHRP_RESOLUTION_REPLY = 2,     /* s.5.2.2 */
	NHRP_REGISTRATION_REQUEST = 3, /* s.5.2.3 */
	NHRP_REGISTRATION_REPLY = 4,   /* s.5.2.4 */
	NHRP_PURGE_REQUEST = 5,        /* s.5.2.5 */
	NHRP_PURGE_REPLY = 6,          /* s.5.2.6 */
	NHRP_ERROR_INDICATION = 7,     /* s.5.2.7 */
	NHRP_TRAFFIC_INDICATION = 8,   /* Cisco; draft-detienne-dmvpn-01 */
};

/* Flags of resolution packets (s.5.2.1, s.5.2.2). */
#define NHRP_RES_ROUTER        0x8000 /* Q: the requester is a router */
#define NHRP_RES_AUTHORITATIVE 0x4000 /* A */
#define NHRP_RES_DEST_STABLE   0x2000 /* D */
#define NHRP_RES_UNIQUE        0x1000 /* U */
#define NHRP_RES_SOURCE_STABLE 0x0800 /* S */
#define NHRP_REG_UNIQUE        0x8000 /* U of registration packets (s.5.2.3) */
#define NHRP_PURGE_NO_REPLY    0x8000 /* N of purge packets (s.5.2.5) */
#define NHRP_FLAG_NAT          0x0002 /* all of the above types; Cisco, not in the RFC */

/* CIE codes (s.5.2.2, s.5.2.4). */
enum nhrp_code {
	NHRP_CODE_SUCCESS = 0,
	NHRP_CODE_PROHIBITED = 4,
	NHRP_CODE_NO_RESOURCES = 5,
	NHRP_CODE_NO_BINDING_LEGACY = 11, /* FRR and OpenNHRP send it for 12; never sent here */
	NHRP_CODE_NO_BINDING = 12,
	NHRP_CODE_NOT_UNIQUE = 13,
	NHRP_CODE_ALREADY_REGISTERED = 14,
};

/* Error codes of error indications (s.5.2.7; 16 and 17: RFC 2735). */
enum nhrp_error {
	NHRP_ERROR_NONE = 0,
	NHRP_ERROR_UNRECOGNIZED_EXTENSION = 1,
	NHRP_ERROR_LOOP_LEGACY = 2, /* FRR and OpenNHRP send it for 3; never sent here */
	NHRP_ERROR_LOOP = 3,
	NHRP_ERROR_UNREACHABLE = 6,
	NHRP_ERROR_PROTOCOL = 7,
	NHRP_ERROR_SDU_SIZE = 8,
	NHRP_ERROR_INVALID_EXTENSION = 9,
	NHRP_ERROR_INVALID_REPLY = 10,
	NHRP_ERROR_AUTHENTICATION = 11,
	NHRP_ERROR_HOP_COUNT = 15,
	NHRP_ERROR_VPN_MISMATCH = 16,
	NHRP_ERROR_VPN_UNSUPPORTED = 17,
};

/* Extension types (s.5.3); 14 bits. */
enum nhrp_ext_type {
	NHRP_EXT_END = 0,
	NHRP_EXT_RESPONDER = 3,
	NHRP_EXT_FORWARD = 4, /* Forward Transit NHS Record */
	NHRP_EXT_REVERSE = 5, /* Reverse Transit NHS Record */
	NHRP_EXT_AUTH = 7,
	NHRP_EXT_VENDOR = 8, /* Vendor-Private */
	NHRP_EXT_NAT = 9,    /* Cisco; with 8 bytes it is RFC 2735's, which is kept raw */
};

/* Client Information Entry (s.5.2.0.1). */
struct nhrp_cie {
	uint8_t code;       /* enum nhrp_code, or anything */
	uint8_t prefix_len; /* bits as on the wire: 0 and 255 also mean a host; see nhrp_cie_is_host */
	uint16_t mtu;       /* bytes; 0 = default. Cisco's 17912 says nothing about a path */
	uint16_t holding_time_s;
	uint8_t preference;   /* higher wins */
	struct ip_addr nbma;  /* family 0: length 0 on the wire. Claimed, never observed */
	struct ip_addr proto; /* likewise; see nhrp_cie_proto */
};

struct nhrp_cies {
	uint8_t n;
	struct nhrp_cie v[NHRP_CIES_MAX];
};

/*
 * One extension, in the place where it stands. Of the types that have a field of their own in struct
 * nhrp_packet only type and compulsory count; the others, with `raw` set, carry their value along.
 */
struct nhrp_ext {
	uint16_t type; /* 14 bits, never NHRP_EXT_END */
	bool compulsory;
	bool raw;
	uint16_t offset;     /* where it stood in the decoded packet; not encoded */
	uint16_t len;        /* raw: bytes of the value */
	const uint8_t *data; /* raw: borrowed */
};

/* --- Our Vendor-Private extension: id 56 52 4E, version 1, then TLVs `type u8, zero u8, len u16`. */

#define NHRP_CANDIDATES_MAX    8
#define NHRP_PREFIXES_MAX      16
#define NHRP_NAME_MAX          63
#define NHRP_VENDOR_OTHERS_MAX 4

enum nhrp_candidate_kind {
	NHRP_CANDIDATE_SEEN = 0,      /* observed by a hub */
	NHRP_CANDIDATE_HOST = 1,      /* an address of the node's own */
	NHRP_CANDIDATE_MAPPED = 2,    /* a port mapping that the node obtained */
	NHRP_CANDIDATE_PREDICTED = 3, /* supplied by a hub */
};

/* 20 bytes on the wire: kind u8, family u8, port u16, address 16. */
struct nhrp_candidate {
	uint8_t kind;             /* enum nhrp_candidate_kind, or anything */
	struct endpoint endpoint; /* family 4 or 6 */
};

/* TLV types 1 to 6 in the order of the fields; an empty list or text is not sent. */
struct nhrp_vendor {
	uint8_t n_candidates;
	struct nhrp_candidate candidates[NHRP_CANDIDATES_MAX];
	bool have_punch;
	uint32_t token_id;
	uint8_t punch_key[32];
	bool have_static_key;
	uint8_t static_key[32];
	char name[NHRP_NAME_MAX + 1];  /* [a-z0-9.-]; "" = absent */
	char group[NHRP_NAME_MAX + 1]; /* no control characters; "" = absent */
	uint8_t n_prefixes;
	struct prefix prefixes[NHRP_PREFIXES_MAX]; /* of both families; host bits zero */
	/* TLVs of types that we do not know: kept for the next hop, after the known ones. Borrowed. */
	uint8_t n_others;
	struct nhrp_vendor_tlv {
		uint8_t type; /* 7 .. 255 */
		uint16_t len;
		const uint8_t *data;
	} others[NHRP_VENDOR_OTHERS_MAX];
};

struct nhrp_packet {
	enum nhrp_type type;
	uint8_t nbma_family;  /* 4 or 6 (ar$afn): the only family that NBMA addresses may have */
	uint8_t proto_family; /* 4 or 6 (ar$pro.type): likewise for protocol addresses */
	uint8_t hop_count;
	uint16_t flags;          /* types 1 .. 6 */
	uint32_t request_id;     /* types 1 .. 6 */
	struct ip_addr src_nbma; /* claimed, family 0: length 0. In indications the detector's */
	struct ip_addr src_proto, dst_proto;
	struct nhrp_cies cies; /* types 1 .. 6; at most NHRP_CIES_MAX */

	uint16_t error_code;    /* ERROR_INDICATION: enum nhrp_error, or anything */
	uint16_t error_offset;  /* ERROR_INDICATION: bytes from the start of the refused packet */
	uint16_t traffic_code;  /* TRAFFIC_INDICATION: 0 = redirect */
	uint16_t payload_len;   /* both indications: start of the packet they are about */
	const uint8_t *payload; /* borrowed; NULL when empty */

	/* Which extensions there are, in wire order; their values are in the fields below. */
	uint8_t n_exts;
	struct nhrp_ext exts[NHRP_EXTS_MAX];
	bool have_end;              /* an End is there; n_exts > 0 implies it */
	struct nhrp_cies responder; /* at most 1; empty until the responder has filled it */
	struct nhrp_cies forward;   /* at most NHRP_TRANSIT_MAX */
	struct nhrp_cies reverse;   /* at most NHRP_TRANSIT_MAX */
	struct nhrp_cies nat;       /* at most NHRP_NAT_MAX */
	uint16_t auth_spi;          /* 1: cleartext word, what all implementations use */
	uint16_t auth_len;          /* at most NHRP_AUTH_MAX */
	const uint8_t *auth;        /* borrowed */
	struct nhrp_vendor vendor;
};

/*
 * Decodes one packet of len bytes; trailing bytes behind its own length are ignored. *out is
 * overwritten; its payload, auth and raw extensions point into data, which must outlive it.
 *
 * Checked: checksum, version, every length and offset, known types and families, addresses that have
 * length 0 or that of their family, no duplicate extension (Vendor-Private apart), an End extension
 * when there are any. Accepted: addresses with a subaddress (skipped, not kept) and the type bits of
 * address lengths, any codes, any order of extensions, the prefix lengths 0 and 255, extensions on
 * error indications and zeros behind End.
 *
 * Returns 0, ERR_TRUNCATED, ERR_MALFORMED, ERR_VERSION (not NHRP version 1), ERR_UNSUPPORTED (type,
 * address family), ERR_NO_SPACE (more entries than the bounds above), ERR_DUPLICATE (extension).
 * On failure out->error_code is what an error indication about it would carry (s.5.2.7),
 * NHRP_ERROR_PROTOCOL or NHRP_ERROR_INVALID_EXTENSION, with out->error_offset and as much of the
 * families and the header's addresses as could be read; or 0: send none (it is cut, or may be an error
 * indication itself). Other fields are not to be used.
 */
int nhrp_decode(const void *data, size_t len, struct nhrp_packet *out);
/*
 * The beginning of a packet as an error indication quotes it: type, families, hop count, flags, request
 * id and the header's addresses, whatever its length and checksum say of the rest. ERR_*.
 */
int nhrp_decode_quoted(const void *data, size_t len, struct nhrp_packet *out);

/*
 * Encodes in into out: checksum, lengths and the End extension are computed. Returns the length.
 * ERR_NO_SPACE: cap, or 65535 bytes; ERR_MALFORMED: the struct breaks a bound or rule that nhrp_decode
 * checks (a counter, an address of the wrong family). in and out must not overlap, what in points to
 * included.
 */
int nhrp_encode(const struct nhrp_packet *in, void *out, size_t cap);

/* An empty packet of this type, hop count NHRP_HOP_COUNT, without extensions. Families: 4 or 6. */
void nhrp_init(
	struct nhrp_packet *p, enum nhrp_type type, uint8_t nbma_family, uint8_t proto_family);
/*
 * Lists the extensions of a packet that we originate in our order: 3, 4, 5, with_auth 7, 9,
 * with_vendor 8 (compulsory bits as the RFC has them). Replaces what was listed.
 */
void nhrp_ext_standard(struct nhrp_packet *p, bool with_auth, bool with_vendor);
/*
 * Appends a type that has its own fields (3, 4, 5, 7, 8, 9) unless it is listed; the value goes into
 * those fields. ERR_NO_SPACE; ERR_UNSUPPORTED: another type.
 */
int nhrp_ext_add(struct nhrp_packet *p, enum nhrp_ext_type type);
/*
 * The listed extension of a type that has its own fields, or NULL: that of 8 is ours, a foreign
 * vendor's is raw. The value may be empty.
 */
const struct nhrp_ext *nhrp_ext_find(const struct nhrp_packet *p, enum nhrp_ext_type type);
/*
 * Unlists it and empties its fields (authentication is hop by hop; a responder replaces ours). No-op
 * when it is not listed.
 */
void nhrp_ext_remove(struct nhrp_packet *p, enum nhrp_ext_type type);
/* The first compulsory extension of a type that we do not know, or NULL (s.5.3: error 1). */
const struct nhrp_ext *nhrp_ext_unknown(const struct nhrp_packet *p);

/* Appends a copy of cie to the mandatory part. ERR_NO_SPACE, and no change, when full. */
int nhrp_add_cie(struct nhrp_packet *p, const struct nhrp_cie *cie);
/*
 * The same for the list of extension NHRP_EXT_RESPONDER, _FORWARD, _REVERSE or _NAT (s.5.3.1 to
 * s.5.3.3), which is listed first if it was not. ERR_NO_SPACE; ERR_UNSUPPORTED: another type.
 */
int nhrp_ext_add_cie(struct nhrp_packet *p, enum nhrp_ext_type type, const struct nhrp_cie *cie);

/*
 * Does the CIE stand for one address? Prefix length 0, 255, or at least the family's bits; but 0 with
 * 0.0.0.0 or :: is the default route.
 */
bool nhrp_cie_is_host(const struct nhrp_packet *p, const struct nhrp_cie *cie);
/* Its prefix length in bits with "host" made explicit: 0 .. 32 or 128; 0 = default route. */
uint8_t nhrp_cie_bits(const struct nhrp_packet *p, const struct nhrp_cie *cie);
/*
 * Its protocol and NBMA addresses; those of the common header when it has none, as a registration
 * request means it (s.5.2.3).
 */
const struct ip_addr *nhrp_cie_proto(const struct nhrp_packet *p, const struct nhrp_cie *cie);
const struct ip_addr *nhrp_cie_nbma(const struct nhrp_packet *p, const struct nhrp_cie *cie);
/* addr if it may stand in an NBMA field of p, else no address (length 0). */
struct ip_addr nhrp_nbma(const struct nhrp_packet *p, const struct ip_addr *addr);

/* 12, or 11 as FRR and OpenNHRP send it; loop detected: 3, or their 2. */
static inline bool nhrp_code_is_no_binding(uint8_t code)
{
	return code == NHRP_CODE_NO_BINDING || code == NHRP_CODE_NO_BINDING_LEGACY;
}

static inline bool nhrp_error_is_loop(uint16_t code)
{
	return code == NHRP_ERROR_LOOP || code == NHRP_ERROR_LOOP_LEGACY;
}

static inline bool nhrp_type_is_request(enum nhrp_type type)
{
	return type == NHRP_RESOLUTION_REQUEST || type == NHRP_REGISTRATION_REQUEST ||
		type == NHRP_PURGE_REQUEST;
}

static inline bool nhrp_type_is_reply(enum nhrp_type type)
{
	return type == NHRP_RESOLUTION_REPLY || type == NHRP_REGISTRATION_REPLY ||
		type == NHRP_PURGE_REPLY;
}

/* Names for logs and status ("resolution-request", "no-binding", "hop-count-exceeded"); never NULL. */
const char *nhrp_type_name(uint8_t type);
const char *nhrp_code_name(uint8_t code);
const char *nhrp_error_name(uint16_t code);

#endif
