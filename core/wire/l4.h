#ifndef WARREN_WIRE_L4_H
#define WARREN_WIRE_L4_H

#include <stddef.h>
#include <stdint.h>

/* Offsets and lengths in the headers above IP, for code that has checked the length. */

/* RFC 9293 s.3.1 */
#define TCP_HDR_LEN  20
#define TCP_SEQ      4
#define TCP_ACK_NR   8
#define TCP_OFFSET   12
#define TCP_FLAGS    13
#define TCP_WINDOW   14
#define TCP_CHECKSUM 16
#define TCP_URGENT   18

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_CWR 0x80

/* RFC 768 */
#define UDP_HDR_LEN  8
#define UDP_LENGTH   4
#define UDP_CHECKSUM 6

static inline size_t tcp_hdr_len(const uint8_t *tcp)
{
	return (tcp[TCP_OFFSET] >> 4) * 4u;
}

#endif
