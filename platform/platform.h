#ifndef WARREN_PLATFORM_H
#define WARREN_PLATFORM_H

#include "core/base/addr.h"
#include "core/base/env.h"
#include "core/base/offload.h"
#include "core/base/pkt.h"

/*
 * The contract between the daemon and an operating system. It deals in batches, hides every #if,
 * and includes nothing of core above core/base. All descriptors are nonblocking, made for uv_poll,
 * and readable as long as something is left to read. What opens or changes something returns a
 * negative ERR_* after logging why through env; what is called per batch never logs. A multi-queue
 * object is used by one thread per queue. `struct env` and the config are copied, not kept.
 */

/* ---- TUN ------------------------------------------------------------------------------------ */

struct tun;

struct tun_config {
	char name[16];     /* with its NUL; "" = the system's choice, "warren%d" = the first free */
	uint16_t mtu;      /* bytes of an inner IP packet, at most PKT_ROOM */
	unsigned queues;   /* wanted; 1 where the system has no multi-queue */
	uint32_t offloads; /* TUN_* bits wanted; each is used where the system has it */
	unsigned n_addresses;
	struct prefix
		addresses[8]; /* interface addresses with subnet length, link-local included */
};

/*
 * Makes the device, sets MTU and addresses, switches the kernel's own link-local address and router
 * advertisements off, brings it up. Of several queues a flow is always read from the same one, where the
 * system can be told so. ERR_SYSTEM, also when a device of that name exists; ERR_UNSUPPORTED: MTU. IPv6
 * addresses are left out, with a warning, where the system has no IPv6.
 */
int tun_open(struct tun **out, const struct tun_config *config, const struct env *env);
/* Puts an address back that somebody has removed. 0 or ERR_SYSTEM. */
int tun_add_address(struct tun *tun, const struct prefix *address);
/* Closes it; the device and its routes go away. */
void tun_close(struct tun *tun);
unsigned tun_queues(const struct tun *tun); /* got */
/*
 * The TUN_* bits in use (offload.h): tun_read delivers trains and PKT_CSUM_PARTIAL, tun_write takes
 * trains, only where the bit says so. A bit of writing goes, for good, while packets flow when the
 * system turns out to refuse it.
 */
uint32_t tun_offloads(const struct tun *tun);
const char *tun_name(const struct tun *tun);
unsigned tun_ifindex(const struct tun *tun);
int tun_fd(const struct tun *tun, unsigned queue);
/*
 * Fills b with whole IP packets and trains until it would block, b is full (of packets, or less than
 * a train's room is left) or byte_budget is spent; sets b->n and returns it. Each has PKT_HEADROOM
 * before it and PKT_TAILROOM behind. Of a train gso_size, gso_type and PKT_CSUM_PARTIAL are set, of
 * a single packet PKT_CSUM_PARTIAL where it holds; with that flag l4_off (within the packet) and csum_off
 * are what the system says, to be believed no more than the rest of the packet; hdr_len is 0. A train
 * longer than a small batch is cut, which its headers tell.
 * 0 = would block, ERR_NOT_FOUND = the device is gone, ERR_SYSTEM = reading failed for another reason,
 * which may pass.
 */
int tun_read(struct tun *tun, unsigned queue, struct pkt_batch *b, size_t byte_budget);
/*
 * Writes the packets and trains (pieces chained by `next`) whose verdict is PKT_WRITE_TUN. One that
 * fails becomes PKT_DROP (SEND_FAILED). Returns how many trains the system refused as such: they keep
 * their verdict, have not been written, and from now on the bit of their kind is gone from
 * tun_offloads; all others are PKT_CONSUMED or PKT_DROP after the call, so that it may be called again
 * when the trains have been taken apart.
 */
unsigned tun_write(struct tun *tun, unsigned queue, struct pkt_batch *b);

/* ---- UDP ------------------------------------------------------------------------------------ */

struct udp;

struct udp_config {
	struct ip_addr address; /* to bind, family 0 = all, both families */
	uint16_t port;          /* 0 = a random one */
	unsigned workers;       /* sockets 1 .. workers take sealed data; socket 0 handshakes */
	uint32_t offloads;      /* UDP_* bits wanted; each is used where the system has it */
	bool plaintext;         /* what is neither goes to socket 1: interop mode wants it */
};

/*
 * 1 + workers sockets on one port. Where the system can (SO_REUSEPORT with a classic BPF program)
 * sealed data (GRE word 0x300088B5) is steered by its Key to sockets 1 .. workers, handshake
 * messages (0x000088B6, then type, version 1 and two zero bytes) to socket 0, and all else, and what
 * is shorter than 32 bytes, is dropped, unless `plaintext` has it at socket 1. Where it cannot, or with no workers, everything may arrive
 * anywhere and the caller copes. IPv4 comes and
 * goes as IPv4 (struct endpoint family 4), never as a mapped IPv6 address. With a specific address
 * only that family is open; without IPv6 on the system only IPv4.
 * ERR_SYSTEM (the port is taken, even if by ourselves), ERR_UNSUPPORTED: too many workers.
 */
int udp_open(struct udp **out, const struct udp_config *config, const struct env *env);
void udp_close(struct udp *udp);
uint16_t udp_port(const struct udp *udp);
/*
 * The UDP_* bits in use (offload.h). UDP_SEND_TRAINS goes for a minute when a device turns out to
 * refuse it. Nothing is lost by that.
 */
uint32_t udp_offloads(const struct udp *udp);
/* A socket has one descriptor for each family that is open: family 4 or 6; -1 when closed. */
int udp_fd(const struct udp *udp, unsigned socket, uint8_t family);
/*
 * Like tun_read: fills data, len, remote, local, tos of single datagrams, never of trains; at most as
 * many as b has room for. Reads the descriptor of that family. What lies before and behind a datagram
 * belongs to its neighbours. One longer than PKT_ROOM comes with len 0.
 * With UDP_RECEIVE_TRAINS a train arrives at the socket that its first datagram is steered to, whatever
 * the others are, and one call takes some 256 KiB. It wants 64 packets and 64 KiB of b for each message
 * that it asks the system for; with less than that what does not fit is lost, and counted.
 */
int udp_recv(struct udp *udp, unsigned socket, uint8_t family, struct pkt_batch *b);
/*
 * Sends the packets and trains whose verdict is PKT_SEND_UDP: remote, local (sticky source;
 * unspecified = the system's choice, also when this host no longer has it), tos, ttl. A train
 * (gso_size: bytes of each datagram, the last may be shorter) may have any length: it is cut into as many
 * pieces as the system takes at once, or into datagrams; what lies one behind the other in memory and
 * goes the same way may go as one train. One that fails becomes PKT_DROP
 * (SEND_FAILED) and the others go on; when the socket is full the rest is dropped. IPv6 link-local
 * remotes cannot be sent to: an endpoint has no interface.
 */
void udp_send(struct udp *udp, unsigned socket, struct pkt_batch *b);
/* One datagram from socket 0 (control loop); from may be NULL. 0 or ERR_SYSTEM (not logged). */
int udp_send_one(struct udp *udp, const struct endpoint *to, const struct ip_addr *from,
	uint8_t ttl, const void *data, size_t len);

/* Datagrams that the system dropped, since the last call. */
struct udp_losses {
	uint64_t full;    /* receive buffer full; seldom, a wrong UDP checksum */
	uint64_t foreign; /* neither sealed data nor a handshake message */
};
struct udp_losses udp_take_losses(struct udp *udp);

/* ---- GRE directly in IP ---------------------------------------------------------------------- */

/*
 * IP protocol 47 without UDP, for interop mode: one raw socket a family. The kernel may have GRE
 * interfaces of its own; both hear what comes. Needs the privilege for raw sockets, at opening alone.
 */
struct ipgre;

/* address: as of udp_config. ERR_SYSTEM; ERR_UNSUPPORTED: not on this system. */
int ipgre_open(struct ipgre **out, const struct ip_addr *address, const struct env *env);
/* NULL is allowed. */
void ipgre_close(struct ipgre *gre);
/* -1: that family is closed. */
int ipgre_fd(const struct ipgre *gre, uint8_t family);
/*
 * Fills data (from the GRE header on), len, remote (port 0), local, tos and PKT_GRE, at most as many as
 * b has slots for; sets b->n and returns it. One longer than PKT_ROOM comes with len 0. 0 = would
 * block; ERR_SYSTEM. One thread reads.
 */
int ipgre_recv(struct ipgre *gre, uint8_t family, struct pkt_batch *b);
/*
 * Sends the packets and trains whose verdict is PKT_SEND_GRE, as udp_send does, each datagram of a train
 * by itself. Any thread.
 */
void ipgre_send(struct ipgre *gre, struct pkt_batch *b);
/* One packet; from may be NULL. 0 or ERR_SYSTEM (not logged). */
int ipgre_send_one(struct ipgre *gre, const struct ip_addr *to, const struct ip_addr *from,
	const void *data, size_t len);

/* ---- Routes and addresses ------------------------------------------------------------------- */

enum route_kind {
	ROUTE_UNICAST,
	ROUTE_LOCAL,  /* our own address, or broadcast */
	ROUTE_REJECT, /* blackhole, unreachable, prohibit, throw */
};

/*
 * A kernel route. Its key, for replacement and removal, is (table, prefix, metric, tos): one that
 * is announced takes the place of the one before. Of several that the kernel has under one key, the
 * first that is alive is announced.
 */
struct kernel_route {
	struct prefix prefix;
	struct ip_addr gateway; /* family 0 = on link; may be of the other family (RTA_VIA) */
	uint32_t ifindex;       /* output interface; 0 for a reject route */
	uint32_t table;
	uint32_t metric;
	uint8_t tos;
	uint8_t protocol; /* who installed it; ROUTE_PROTOCOL_WARREN = we did */
	uint8_t kind;     /* enum route_kind */
};

/*
 * Its legs: one for each next hop that is alive, in the kernel's order; the first one is also the
 * route's own gateway and interface. At most KERNEL_LEGS: those behind are left out, and the log says so.
 */
#define KERNEL_LEGS 16

struct kernel_leg {
	struct ip_addr gateway;
	uint32_t ifindex;
	uint16_t weight; /* 1 = one share of the flows; > 0 */
};

struct kernel_legs {
	unsigned n;
	struct kernel_leg v[KERNEL_LEGS];
};

#define ROUTE_PROTOCOL_WARREN 141  /* rtm_protocol of the routes that we install */
#define ROUTE_METRIC_WARREN   4096 /* any other route wins */

/* An interface, as it is now. */
struct kernel_link {
	uint32_t ifindex;
	char name[16];
	uint32_t mtu;
	bool up; /* set up by the administrator */
};

/* Called from netmon_open, _read and _resync; they may call route_add and route_delete. */
struct netmon_events {
	void *ctx;
	/*
	 * The addresses start anew: forget them; all of them follow, within the same call, up to
	 * synced(). It may itself be started anew. Routes stay: of those only changes are told.
	 */
	void (*reset)(void *ctx);
	/* Told only when it changes. Of a deleted one look at the key alone; it has no legs. */
	void (*route)(void *ctx, const struct kernel_route *route, const struct kernel_legs *legs,
		bool deleted);
	/* With its subnet length. May be told again, and deleted without having been told. */
	void (*address)(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted);
	/* A dump is complete: what has been told is all there is. */
	void (*synced)(void *ctx);
	/* Something about an interface has changed, or may have. Not told of one that goes. */
	void (*link)(void *ctx, const struct kernel_link *link);
};

/*
 * Mirror of the kernel's routes (tables local, main and those listed) and addresses, for the
 * control loop. netmon_open subscribes and delivers the first dump before it returns, *out being
 * set then; after an overrun, when an interface goes down, and on netmon_resync it dumps again.
 * Left out are multicast and cache routes, those for some sources only, and unicast routes for IPv6
 * link-local prefixes, which each interface has.
 */
struct netmon;
int netmon_open(struct netmon **out, const uint32_t *tables, unsigned n_tables,
	const struct netmon_events *events, const struct env *env);
void netmon_close(struct netmon *m);
int netmon_fd(const struct netmon *m);
/*
 * Reads what is there and calls the events. 0, or ERR_SYSTEM, logged: something was missed, and reading
 * it anew failed; netmon_resync later.
 */
int netmon_read(struct netmon *m);
/* Dumps again, after the system slept, say. 0 or ERR_SYSTEM. */
int netmon_resync(struct netmon *m);
/* Tells all routes again, as they were told: for one who could not keep them all. */
void netmon_tell_routes(struct netmon *m);

/*
 * Adds or replaces, deletes a route of ours in table main; gateway NULL or of family 0 = on link,
 * and it need not be reachable otherwise. The mirror hears of it as of any other route. Deleting an
 * absent one is success. ERR_SYSTEM, logged each time.
 */
int route_add(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric);
int route_delete(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric);

/* ---- The rest ------------------------------------------------------------------------------- */

/* Monotonic ns that count suspended time; such that do not; unix seconds. */
uint64_t os_now_ns(void);
uint64_t os_awake_ns(void);
uint64_t os_wall_s(void);
/*
 * Gives up root: becomes user `user` with that user's own group and no other (NULL, or when not
 * started as root: stays who we are), keeping only the capability to administer the network; no new
 * privileges, no core dumps. Before any thread is started. ERR_SYSTEM with a log line, and then the
 * process must end: it may have got half way.
 */
int os_drop_privileges(const char *user, const struct env *env);
/* No core dumps, not traceable, memory limits raised as far as allowed. Called first. */
void os_harden(const struct env *env);
/* How many more descriptors this process may open. */
unsigned os_descriptors_left(void);
/* User and group of the process at the other end of a Unix socket. ERR_SYSTEM (not logged). */
int os_peer_credentials(int fd, unsigned *uid, unsigned *gid);
/* A short text for status: "Linux 6.1.0 x86_64". */
void os_describe(char *out, size_t cap);
/* The privileges that we have now, for status: "root", "CAP_NET_ADMIN", "none". */
const char *os_privileges(void);

#endif
