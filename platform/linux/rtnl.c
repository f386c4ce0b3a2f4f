#include "platform/linux/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int rtnl_open(struct rtnl *r)
{
	*r = (struct rtnl){0};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		return -errno;
	int on = 1;
	struct timeval timeout = {.tv_sec = 5};
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof on); /* before 4.12: no words */
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout,
			sizeof timeout) < 0) {
		int error = errno;
		mnl_socket_close(nl);
		return -error;
	}
	r->nl = nl;
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->nl)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

struct nlmsghdr *rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request->bytes);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

bool rtnl_ok(const struct nlmsghdr *nlh, int len)
{
	return mnl_nlmsg_ok(nlh, len) && nlh->nlmsg_len <= (uint32_t)len;
}

bool rtnl_has(const struct nlattr *attr, size_t bytes)
{
	return attr && mnl_attr_get_payload_len(attr) >= bytes;
}

void rtnl_collect(const void *at, size_t len, const struct nlattr **tb, unsigned max)
{
	memset(tb, 0, (max + 1) * sizeof *tb);
	const struct nlattr *attr;
	mnl_attr_for_each_payload(at, len) if (mnl_attr_get_type(attr) <= max)
		tb[mnl_attr_get_type(attr)] = attr;
}

void rtnl_attributes(
	const struct nlmsghdr *nlh, size_t header, const struct nlattr **tb, unsigned max)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	header = MNL_ALIGN(header);
	const char *at = mnl_nlmsg_get_payload(nlh);
	rtnl_collect(at + (len < header ? len : header), len < header ? 0 : len - header, tb, max);
}

/* The extended ACK's text, which says what an errno cannot ("Nexthop has invalid gateway"). */
static void keep_words(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* The refused request stands between the error and the attributes, unless it is capped. */
	size_t header = sizeof *e;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		header += e->msg.nlmsg_len - sizeof e->msg;
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];
	rtnl_attributes(nlh, header, tb, NLMSGERR_ATTR_MSG);
	if (rtnl_has(tb[NLMSGERR_ATTR_MSG], 1))
		snprintf(r->words, sizeof r->words, ": %.*s",
			(int)mnl_attr_get_payload_len(tb[NLMSGERR_ATTR_MSG]),
			mnl_attr_get_str(tb[NLMSGERR_ATTR_MSG]));
}

/* One datagram of the answer. 1 = more to come, 0 or -errno = the answer is complete. */
static int take(struct rtnl *r, const char *buf, int len, rtnl_answer_fn *fn, void *ctx, bool *torn)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	for (; rtnl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != r->seq) /* left over from a call that timed out */
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			*torn = true;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)
				? *(const int *)mnl_nlmsg_get_payload(nlh)
				: 0;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nlmsgerr))
				return -EBADMSG;
			keep_words(r, nlh);
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
		}
		if (fn && nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			fn(ctx, nlh);
	}
	return 1;
}

int rtnl_call(struct rtnl *r, struct nlmsghdr *nlh, rtnl_answer_fn *fn, void *ctx)
{
	_Alignas(struct nlmsghdr) char buf[RTNL_ANSWER_MAX];
	nlh->nlmsg_seq = ++r->seq;
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	r->words[0] = '\0';
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	bool torn = false;
	int result = 1;
	while (result == 1) {
		ssize_t n = mnl_socket_recvfrom(r->nl, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		result = take(r, buf, (int)n, fn, ctx, &torn);
	}
	return result == 0 && torn ? -EINTR : result;
}
