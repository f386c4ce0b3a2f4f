#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/gre.h"
#include "core/wire/icmp.h"
#include "core/wire/ip.h"
#include "test/vectors/nhrp_dump.h"
#include "test/vectors/nhrp_random.h"

#include <stdlib.h>

/*
 * Our decoder and encoder as a program, for tshark_check.py:
 *
 *	nhrp_tool dump FILE.hex ...   every packet decoded; its re-encoding must be the same bytes
 *	nhrp_tool emit SEED OUT.pcap  packets of every kind that we encode, each dumped to stdout
 */

#define PACKETS_EACH 40

static size_t read_hex(const char *path, uint8_t *out, size_t cap)
{
	FILE *f = fopen(path, "r");
	if (!f) {
		perror(path);
		exit(2);
	}
	size_t len = 0;
	unsigned byte;
	while (len < cap && fscanf(f, "%2x", &byte) == 1)
		out[len++] = (uint8_t)byte;
	fclose(f);
	return len;
}

static int dump_file(const char *path)
{
	uint8_t data[4096], again[4096];
	struct nhrp_packet p;
	size_t len = read_hex(path, data, sizeof data);
	int rc = nhrp_decode(data, len, &p);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", path, err_name(rc));
		return 1;
	}
	printf("packet %s\n", path);
	dump_packet(stdout, &p);
	rc = nhrp_encode(&p, again, sizeof again);
	printf("reencoded %s\n",
		rc == (int)len && memcmp(data, again, len) == 0 ? "same" : "differs");
	return 0;
}

static void write_le32(FILE *f, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		fputc((int)(v & 0xFF), f);
}

static void write_record(FILE *f, const uint8_t *data, size_t len)
{
	static uint32_t second = 1000000000;
	write_le32(f, second++);
	write_le32(f, 0);
	write_le32(f, (uint32_t)len);
	write_le32(f, (uint32_t)len);
	fwrite(data, 1, len, f);
}

/* IPv4, UDP and GRE around an NHRP packet, or IPv6 around those. */
static void write_nhrp(FILE *f, const uint8_t *nhrp, size_t len, bool v6)
{
	static const uint8_t v4_addrs[] = {192, 0, 2, 1, 192, 0, 2, 2};
	uint8_t pkt[2048] = {0};
	size_t hdr = v6 ? IP6_HDR_LEN : IP4_HDR_LEN, udp_len = 8 + GRE_PLAIN_LEN + len;
	struct ip_addr src, dst;
	if (v6) {
		pkt[0] = 0x60;
		store_u16(pkt + 4, (uint16_t)udp_len);
		pkt[6] = IP_PROTO_UDP;
		pkt[7] = 255;
		addr_parse("2001:db8::1", &src);
		addr_parse("2001:db8::2", &dst);
		memcpy(pkt + 8, src.bytes, 16);
		memcpy(pkt + 24, dst.bytes, 16);
	} else {
		pkt[0] = 0x45;
		store_u16(pkt + 2, (uint16_t)(hdr + udp_len));
		pkt[8] = 255;
		pkt[9] = IP_PROTO_UDP;
		memcpy(pkt + 12, v4_addrs, 8);
		src = addr_v4(v4_addrs);
		dst = addr_v4(v4_addrs + 4);
		store_u16(pkt + 10, ip_checksum(pkt, IP4_HDR_LEN));
	}
	uint8_t *udp = pkt + hdr;
	store_u16(udp, GRE_UDP_PORT);
	store_u16(udp + 2, GRE_UDP_PORT);
	store_u16(udp + 4, (uint16_t)udp_len);
	gre_inner_write(udp + 8, GRE_PROTO_NHRP);
	memcpy(udp + 8 + GRE_PLAIN_LEN, nhrp, len);
	store_u16(udp + 6, ip_checksum_transport(&src, &dst, IP_PROTO_UDP, udp, udp_len));
	write_record(f, pkt, hdr + udp_len);
}

static int emit_nhrp(FILE *f, uint64_t *state)
{
	for (int n = 0; n < PACKETS_EACH; n++)
		for (int type = NHRP_RESOLUTION_REQUEST; type <= NHRP_TRAFFIC_INDICATION; type++) {
			struct nhrp_packet p;
			uint8_t bytes[80], out[1900];
			if (type == NHRP_ERROR_INDICATION)
				continue;
			random_packet(state, (enum nhrp_type)type, &p, bytes);
			int len = nhrp_encode(&p, out, sizeof out);
			if (len < 0) {
				fprintf(stderr, "encode: %s\n", err_name(len));
				return 1;
			}
			write_nhrp(f, out, (size_t)len, n & 1);
			printf("packet nhrp\n");
			dump_packet(stdout, &p);
		}
	return 0;
}

/* A TCP SYN to be clamped, with its MSS option at an even or odd offset. */
static size_t build_syn(uint8_t *ip, bool v6, bool odd)
{
	static const uint8_t even_options[] = {2, 4, 0x23, 0x28, 1, 3, 3, 7};
	static const uint8_t odd_options[] = {1, 2, 4, 0x23, 0x28, 3, 3, 7};
	struct ip_addr src, dst;
	size_t hdr = v6 ? IP6_HDR_LEN : IP4_HDR_LEN, tcp_len = 28;
	memset(ip, 0, hdr + tcp_len);
	if (v6) {
		ip[0] = 0x60;
		store_u16(ip + 4, (uint16_t)tcp_len);
		ip[6] = IP_PROTO_TCP;
		ip[7] = 64;
		addr_parse("2001:db8::1", &src);
		addr_parse("2001:db8::2", &dst);
		memcpy(ip + 8, src.bytes, 16);
		memcpy(ip + 24, dst.bytes, 16);
	} else {
		ip[0] = 0x45;
		store_u16(ip + 2, (uint16_t)(hdr + tcp_len));
		ip[8] = 64;
		ip[9] = IP_PROTO_TCP;
		addr_parse("192.0.2.1", &src);
		addr_parse("192.0.2.2", &dst);
		memcpy(ip + 12, src.bytes, 4);
		memcpy(ip + 16, dst.bytes, 4);
		store_u16(ip + 10, ip_checksum(ip, IP4_HDR_LEN));
	}
	uint8_t *tcp = ip + hdr;
	store_u16(tcp, 40000);
	store_u16(tcp + 2, 443);
	store_u32(tcp + 4, 12345);
	tcp[12] = 7 << 4;
	tcp[13] = 2;
	memcpy(tcp + 20, odd ? odd_options : even_options, 8);
	store_u16(tcp + 16, ip_checksum_transport(&src, &dst, IP_PROTO_TCP, tcp, tcp_len));
	return hdr + tcp_len;
}

/* ICMP errors about a SYN, and the SYN itself after every edit that a router makes. */
static int emit_ip(FILE *f)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct ip_addr source;
		addr_parse(v6 ? "2001:db8::ff" : "192.0.2.254", &source);
		for (int kind = ICMP_TIME_EXCEEDED; kind <= ICMP_ADMIN_PROHIBITED; kind++) {
			uint8_t ip[128], out[1280];
			size_t len = build_syn(ip, v6, false);
			int n = icmp_error(
				out, sizeof out, ip, len, (enum icmp_kind)kind, 1400, &source);
			if (n < 0)
				return 1;
			write_record(f, out, (size_t)n);
			printf("packet icmp\n");
		}
		for (int odd = 0; odd < 2; odd++) {
			uint8_t ip[128];
			size_t len = build_syn(ip, v6, odd);
			if (!ip_mss_clamp(ip, len, 1400) || !ip_ttl_decrement(ip))
				return 1;
			ip_set_tos(ip, 0xBA);
			if (ecn_decap(IP_ECN_CE, ip) < 0)
				return 1;
			write_record(f, ip, len);
			printf("packet tcp\nmss %d ttl 63 tos 0xbb\n", v6 ? 1340 : 1360);
		}
	}
	return 0;
}

static int emit(uint64_t seed, const char *path)
{
	FILE *f = fopen(path, "wb");
	if (!f) {
		perror(path);
		return 2;
	}
	write_le32(f, 0xa1b2c3d4);
	write_le32(f, 2 | 4 << 16);
	write_le32(f, 0);
	write_le32(f, 0);
	write_le32(f, 65535);
	write_le32(f, 101); /* bare IP */
	int rc = emit_nhrp(f, &seed);
	if (rc == 0)
		rc = emit_ip(f);
	return fclose(f) == 0 ? rc : 2;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "emit") == 0)
		return emit(strtoull(argv[2], NULL, 0), argv[3]);
	if (argc < 3 || strcmp(argv[1], "dump") != 0) {
		fprintf(stderr, "usage: %s dump FILE.hex ... | emit SEED OUT.pcap\n", argv[0]);
		return 2;
	}
	int rc = 0;
	for (int i = 2; i < argc; i++)
		rc |= dump_file(argv[i]);
	return rc;
}
