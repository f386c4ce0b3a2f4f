#ifndef WARREN_WIRE_NHRP_PRIVATE_H
#define WARREN_WIRE_NHRP_PRIVATE_H

#include "core/base/cursor.h"
#include "core/wire/nhrp.h"

/* What the files of the NHRP codec share; nobody else includes it. */

#define NHRP_FIXED_LEN   20
#define NHRP_HEADER_LEN  28 /* fixed part and the mandatory part up to the addresses */
#define NHRP_VERSION     1
#define NHRP_LEN_MASK    0x3F /* length bits of a type/length octet (s.5.1) */
#define NHRP_COMPULSORY  0x8000
#define NHRP_TYPE_MASK   0x3FFF
#define NHRP_CAPS_2735   8           /* length of RFC 2735's extension 9, which is not Cisco's */
#define NHRP_VENDOR_HEAD 0x56524E01u /* id 56 52 4E, version 1 */
#define NHRP_ETHER_IPV4  0x0800
#define NHRP_ETHER_IPV6  0x86DD

/* The list of an extension that consists of CIEs, and its bound; NULL for other types. */
struct nhrp_cies *nhrp_ext_cies(struct nhrp_packet *p, uint16_t type, uint8_t *max);
/* Is this the type of an extension that has fields of its own in the packet? */
bool nhrp_ext_has_fields(uint16_t type);
/* Must a value of this type be kept raw? data: its len bytes. */
bool nhrp_ext_is_raw(uint16_t type, const uint8_t *data, uint16_t len);

/* The TLVs behind the head of our Vendor-Private extension. ERR_*. */
int nhrp_vendor_decode(struct reader *r, struct nhrp_vendor *out);
/* Head and TLVs. ERR_MALFORMED: a bound or rule is broken; lack of room shows in w. */
int nhrp_vendor_encode(struct writer *w, const struct nhrp_vendor *in);

#endif
