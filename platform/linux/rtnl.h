#ifndef WARREN_PLATFORM_LINUX_RTNL_H
#define WARREN_PLATFORM_LINUX_RTNL_H

#include <libmnl/libmnl.h>
#include <stdint.h>

/*
 * Requests to rtnetlink, one at a time and synchronous: the kernel has answered before sendmsg
 * returns, so waiting for the answer costs nothing. Only the control loop comes here. Unlike the
 * rest of the tree these functions return -errno: their callers tell ESRCH from EEXIST.
 */
struct rtnl {
	struct mnl_socket *nl; /* NULL = closed */
	uint32_t seq;
	char words
		[96]; /* the kernel's own words about the last failure, with ": " in front, or "" */
};

#define RTNL_REQUEST_MAX 512         /* bytes of the largest request that we build */
#define RTNL_ANSWER_MAX  (32 * 1024) /* the kernel fills a dump's datagrams up to this */

/* A request under construction. */
struct rtnl_request {
	_Alignas(struct nlmsghdr) char bytes[RTNL_REQUEST_MAX];
};

/* Called with each message of an answer. */
typedef void rtnl_answer_fn(void *ctx, const struct nlmsghdr *nlh);

int rtnl_open(struct rtnl *r);
void rtnl_close(struct rtnl *r);

/* Starts a message of this type: the flags of NLM_F_REQUEST are added by rtnl_call. */
struct nlmsghdr *rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags);
/*
 * Sends it and reads the whole answer: the ACK, or a dump's messages. fn may be NULL.
 * -EINTR: a dump that changed while it was read, everything in it was delivered all the same.
 */
int rtnl_call(struct rtnl *r, struct nlmsghdr *nlh, rtnl_answer_fn *fn, void *ctx);

/*
 * Is there a whole message in the len bytes from nlh on? mnl_nlmsg_ok compares as signed and takes a length
 * over 2 GiB for a small one.
 */
bool rtnl_ok(const struct nlmsghdr *nlh, int len);

/* Attributes of a message by type, those above max left out; absent ones are NULL. */
void rtnl_attributes(
	const struct nlmsghdr *nlh, size_t header, const struct nlattr **tb, unsigned max);
/* The same for attributes that stand somewhere else: nested ones, or behind a struct. */
void rtnl_collect(const void *at, size_t len, const struct nlattr **tb, unsigned max);
/* Is it there with at least this many bytes of payload? */
bool rtnl_has(const struct nlattr *attr, size_t bytes);

#endif
