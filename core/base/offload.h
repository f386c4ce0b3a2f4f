#ifndef WARREN_BASE_OFFLOAD_H
#define WARREN_BASE_OFFLOAD_H

#include <stdint.h>

/*
 * What the system does for whole trains instead of each packet (pkt.h), as bits. The words for them, in
 * the order of the bits and with NULL behind the last, are those of the config file, log and status.
 */
#define TUN_CHECKSUM     0x01 /* read: L4 checksums may be left to us */
#define TUN_TSO          0x02 /* read: trains of TCP; brings TUN_CHECKSUM with it */
#define TUN_USO          0x04 /* read: trains of UDP; likewise */
#define TUN_COALESCE_TCP 0x08 /* write: trains of TCP */
#define TUN_COALESCE_UDP 0x10 /* write: trains of UDP */
#define TUN_OFFLOADS     0x1f
extern const char *const tun_offload_words[];

#define UDP_SEND_TRAINS    0x01 /* trains are cut by the system */
#define UDP_RECEIVE_TRAINS 0x02 /* datagrams arrive as trains; udp_recv takes them apart */
#define UDP_OFFLOADS       0x03
extern const char *const udp_offload_words[];

#define OFFLOAD_TEXT_MAX    64  /* all words of a kind, with a NUL */
#define OFFLOAD_SUMMARY_MAX 160 /* two of those, and the words between them */

/* "tso uso"; "none" when no bit is set. Returns out, of OFFLOAD_TEXT_MAX bytes. */
const char *offload_format(const char *const *words, uint32_t bits, char *out);
/* "tso; not on this system: uso": of those wanted. Returns out, of OFFLOAD_SUMMARY_MAX bytes. */
const char *offload_summary(const char *const *words, uint32_t wanted, uint32_t in_use, char *out);

#endif
