#ifndef WARREN_LAB_MIXED_H
#define WARREN_LAB_MIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * Mixed traffic whose every byte is known beforehand: see mixed.c. Both ends have the same table of
 * flows and the same seed, and so the receiver knows what is due.
 */
#define FLOW_PORT_FIRST 6000 /* and so on, as they stand in the table */

enum feature {
	/* Both kinds. */
	OPTIONS = 1 << 0,     /* IPv4: IP options; IPv6: a destination options header */
	HOP_OPTIONS = 1 << 1, /* IPv6: a hop-by-hop options header */
	/* TCP. */
	NODELAY = 1 << 2,
	MORE = 1 << 3, /* some writes say that more follows */
	NO_TIMESTAMPS = 1 << 4,
	ECN = 1 << 5,
	NEW_TOS = 1 << 6, /* DSCP changes on the way */
	URGENT = 1 << 7,  /* some bytes are sent as urgent ones */
	DUPLEX = 1 << 8,  /* both ends send and receive at the same time */
	NARROW = 1 << 9,  /* the receiver's buffer is small: its window closes */
	/* UDP. */
	SEGMENT = 1 << 10,      /* a group is one write with UDP_SEGMENT */
	GROUPED = 1 << 11,      /* the receiver takes groups, with UDP_GRO */
	NO_CHECKSUM = 1 << 12,  /* IPv4: checksum 0 */
	BAD_CHECKSUM = 1 << 13, /* each third has a wrong checksum and must not arrive */
	NO_DF = 1 << 14,        /* IPv4: may be fragmented on the way */
	LABELS = 1 << 15,       /* IPv6: flow labels change on the way */
};

struct flow {
	const char *name; /* NULL ends the table */
	bool tcp;         /* else UDP */
	uint8_t family;   /* 4 or 6 */
	uint32_t features;
	unsigned weight;        /* its share of the bytes */
	unsigned min, max;      /* bytes of a write, a datagram; max 0 = what fits in the MTU */
	unsigned group;         /* UDP: 1 to 64 of equal length in a row, the last one shorter */
	unsigned mss;           /* TCP: 0 = the system's choice */
	const char *congestion; /* TCP: where the system has it; NULL = the system's choice */
};

extern const struct flow flows[];

struct run {
	uint64_t seed;
	uint64_t bytes;                  /* of all flows together */
	unsigned mtu;                    /* of the path */
	bool marks;                      /* routers may set CE where ECT was sent */
	const char *address4, *address6; /* the sender's: whom to send to */
};

/* What one flow has come to, at one end. UDP counts datagrams that are to arrive, TCP bytes. */
struct tally {
	uint64_t sent, received;
	uint64_t bytes;   /* received */
	uint64_t wrong;   /* changed, cut, merged, or not to arrive */
	uint64_t late;    /* behind a later one, or twice */
	uint64_t marked;  /* CE where ECT was sent */
	uint64_t refused; /* writes that the system refused */
	double seconds;   /* sender: to the flow's end */
	int hops;         /* UDP: routers on the way; -1 = not known yet */
};

/* One end of one flow, with a thread of its own. */
struct end {
	const struct run *run;
	const struct flow *flow;
	unsigned index; /* in the table */
	uint64_t share; /* bytes of this flow */
	int fd;
	struct tally tally;
};

/* A number that follows from the seed, the flow and two more. */
uint64_t draw(const struct end *e, uint64_t kind, uint64_t number);
/* Bytes offset .. offset + len of the endless stream `key`. */
void stream_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len);
/* Says once or twice what is wrong, and counts it. */
__attribute__((format(printf, 2, 3))) void wrong(struct end *e, const char *what, ...);
/* Compares; where they differ it is said and counted. `what`: of what the bytes are, with a number. */
bool same_bytes(struct end *e, const char *what, uint64_t number, const uint8_t *got,
	const uint8_t *due, size_t len);
/* Ends the process. */
__attribute__((noreturn)) void die(const struct end *e, const char *what);
/* Makes e->fd, without options: `type` as of socket(2). An IPv6 socket takes no IPv4. */
void open_socket(struct end *e, int type);
/* An option of e->fd; ends the process where the system refuses it. */
void set_int(const struct end *e, int level, int option, int value, const char *what);
/* The flow's address: where to listen, or whom to send to. */
socklen_t address_of(const struct end *e, bool to, struct sockaddr_storage *out);
/* What OPTIONS and HOP_OPTIONS add to a socket's packets, and how many bytes an IP header gains. */
void set_options(const struct end *e);
size_t options_len(const struct flow *f);
extern const uint8_t ipv4_options[8], ipv6_options[8];

/* Make e->fd: listen, or connect. Called one after another. */
void tcp_listen(struct end *e);
void tcp_connect(struct end *e);
void udp_listen(struct end *e);
void udp_connect(struct end *e);
/* Run to the flow's end (UDP receivers: for ever). */
void tcp_serve(struct end *e);
void tcp_send(struct end *e);
void udp_serve(struct end *e);
void udp_send(struct end *e);

#endif
