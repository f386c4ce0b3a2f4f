#ifndef WARREN_WIRE_COALESCE_H
#define WARREN_WIRE_COALESCE_H

#include "core/base/pkt.h"

/*
 * Packets on their way into the TUN become trains: of those with PKT_WRITE_TUN, neighbours of one flow
 * that differ in nothing but what counts up are chained, and the kernel meets them as one. Nothing is
 * copied, and nothing is kept between calls: what is not full at the end of a batch goes as it is.
 */

/*
 * Makes trains of TCP, of UDP, or of both. A train's head keeps its bytes and gets the train's headers:
 * lengths, IPv4 checksum, PSH of the last, pseudo header's sum in the L4 checksum; gso_size, gso_type,
 * l4_off, csum_off, hdr_len and PKT_CSUM_PARTIAL say so. The others become PKT_MERGED, and their data
 * and len are the L4 payload; their headers stay in front of it.
 *
 * In a train are only packets that taking it apart gives back bit by bit, except IPv4 ids that did not
 * count up (DF only: RFC 6864 s.4.1 gives them no meaning). Packets of a flow never overtake each other.
 */
void coalesce(struct pkt_batch *b, bool tcp, bool udp);

/*
 * Every train that still has PKT_WRITE_TUN becomes the very packets that it was made of, in their places
 * in the batch: for a kernel that refused it.
 */
void coalesce_undo(struct pkt_batch *b);

#endif
