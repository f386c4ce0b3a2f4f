#ifndef WARREN_ENGINE_DATA_H
#define WARREN_ENGINE_DATA_H

#include "core/base/pkt.h"

/*
 * The data path: takes a batch and leaves a verdict per packet. Called by workers, each with its own
 * number, lane and counters; reads only what the control loop has published. No allocation, no log
 * line, no system call; one atomic a batch, a lock a run of packets.
 *
 * A train from the TUN becomes a train of datagrams of the same size. What is opened stays where it
 * is; what is sealed, and each ICMP error, lies in the worker's own memory until its next batch.
 * Packets from the TUN need GRE_PLAIN_LEN bytes before them.
 */
struct engine;
struct worker;

/* Worker 0 .. workers - 1, made by engine_new. */
struct worker *engine_worker(struct engine *e, unsigned number);

/* Packets read from the TUN -> PKT_SEND_UDP, PKT_WRITE_TUN (an ICMP error), PKT_CONSUMED, PKT_DROP. */
void data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now);
/* Datagrams -> PKT_WRITE_TUN, PKT_SEND_UDP (hairpin), PKT_CONSUMED (for the control loop), PKT_DROP. */
void data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now);
/* After the I/O: count what the platform made PKT_DROP. */
void data_count_failed(struct worker *w, const struct pkt_batch *b);
/* Has this worker put anything in its ring since the last engine_drain? Then ring the control loop. */
bool data_wants_control(const struct worker *w);

#endif
