#include "core/status/status.h"

#include "core/trust/clock.h"

#include <string.h>

static bool hub_hairpins(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return view->hub && view->relay_in_daemon;
}

static bool certificate_expired(const struct node_view *view, const struct status_context *context)
{
	return clock_validity(view->cert_not_after, context->wall_s) == VALIDITY_OVER;
}

static bool certificate_expires(const struct node_view *view, const struct status_context *context)
{
	return clock_validity(view->cert_not_after, context->wall_s) == VALIDITY_ENDS;
}

static bool clock_behind(const struct node_view *view, const struct status_context *context)
{
	(void)view;
	return context->clock_suspect;
}

static bool no_bundle(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return view->bundle_number == 0;
}

static bool bundle_expired(const struct node_view *view, const struct status_context *context)
{
	return view->bundle_number != 0 &&
		clock_validity(view->bundle_not_after, context->wall_s) == VALIDITY_OVER;
}

static bool runs_as_root(const struct node_view *view, const struct status_context *context)
{
	(void)view;
	return context->privileges && strncmp(context->privileges, "root", 4) == 0;
}

static bool no_hub(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return !view->hub && view->hubs_up == 0;
}

static bool plaintext(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return view->interop > 0;
}

static bool plaintext_relayed(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return view->relay_plaintext;
}

static bool routes_left_out(const struct node_view *view, const struct status_context *context)
{
	(void)context;
	return view->routes_left_out != 0;
}

static const struct {
	bool (*holds)(const struct node_view *view, const struct status_context *context);
	const char *text;
} rows[] = {
	{clock_behind, "the system's clock is behind: certificates go by a later time"},
	{certificate_expired, "the certificate has expired, or the clock is wrong"},
	{certificate_expires, "the certificate expires within 14 days"},
	{plaintext,
		"PLAINTEXT: interop mode is on; packets of its members have neither secrecy nor "
		"proof of origin"},
	{plaintext_relayed,
		"PLAINTEXT: packets pass between sealed and plaintext members ('relay-plaintext')"},
	{no_bundle, "there is no bundle: revocations and hubs are unknown"},
	{bundle_expired, "the bundle has expired, or the clock is wrong"},
	{no_hub, "no hub is reachable"},
	{routes_left_out,
		"not all kernel routes fit into the table ('routes' in [limits]): packets for the "
		"rest "
		"follow wider routes, or are dropped"},
	{hub_hairpins,
		"traffic between spokes bypasses the host's firewall ('relay = kernel' sends it "
		"through)"},
	{runs_as_root, "the daemon runs as root ('user' in [node] changes that)"},
};
_Static_assert(sizeof rows / sizeof *rows <= STATUS_WARNINGS, "status.h has room for all");

unsigned status_warnings(const struct node_view *view, const struct status_context *context,
	const char *out[STATUS_WARNINGS])
{
	unsigned n = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].holds(view, context))
			out[n++] = rows[i].text;
	return n;
}
