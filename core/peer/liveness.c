/*
 * The clock of one peer. Each firing looks at everything that depends on time and asks to be called
 * again at the earliest moment at which something could be due; no deadline is kept in two places.
 */
#include "core/peer/peer.h"
#include "core/wire/control.h"

#include <string.h>

#define KEEPALIVE_NS      (20 * NS_PER_S)
#define HUB_PING_NS       (10 * NS_PER_S) /* an idle hub link is asked whether it lives */
#define SILENCE_NS        (25 * NS_PER_S) /* longer than the other side's keepalive */
#define PING_AFTER_NS     NS_PER_S        /* user data unanswered */
#define PING_GAP_NS       (NS_PER_S / 2)
#define PINGS             4               /* then it is dead */
#define BRISK_GAP_NS      (NS_PER_S / 10) /* at least */
#define SUSPENDED_PING_NS NS_PER_S
#define SUSPENDED_NS      (60 * NS_PER_S)  /* then a direct path is given up */
#define IDLE_NS           (300 * NS_PER_S) /* a direct path without user data */
#define FIRST_TICK_NS     (NS_PER_S / 4)
#define PAUSE_NS          (2 * NS_PER_S)
#define DOUBT_NS          (NS_PER_S / 4)
#define BUSY_NS           (4 * NS_PER_S)
#define RETRY_NS          (10 * NS_PER_S) /* between two bursts of INITIATIONs to a hub */
#define RECHECK_NS        (60 * NS_PER_S)

static uint64_t stat_of(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void sooner(uint64_t *next, uint64_t at)
{
	if (at < *next)
		*next = at;
}

void liveness_ping(struct peers *t, struct peer *p, uint64_t now)
{
	uint8_t frame[32];
	struct control_frame ping = {.type = CONTROL_PING};
	/* One token until it is answered: so an answer that takes longer than our patience counts. */
	if (p->ping_at == 0) {
		t->env->random(t->env->ctx, p->ping_token, sizeof p->ping_token);
		p->ping_copies = 0;
	}
	p->ping_copies++;
	memcpy(ping.u.ping.echo, p->ping_token, sizeof p->ping_token);
	int len = control_encode(&ping, frame, sizeof frame);
	p->ping_at = now;
	p->pings++;
	if (len > 0)
		peer_send(t, p, GRE_PROTO_CONTROL, frame, (size_t)len, now);
}

void liveness_pong(struct peers *t, struct peer *p, const uint8_t echo[8], uint64_t now)
{
	if (p->user_ping && prim_equal(echo, p->user_ping_echo, 8)) {
		p->user_ping = false;
		t->ops.pong(t->ops.ctx, p->user_ping_token, true, true, now - p->user_ping_sent);
	}
	if (p->ping_at == 0 || !prim_equal(echo, p->ping_token, 8))
		return;
	/* Of several, nobody knows which one it answers: the newest would be the shortest way. */
	if (p->ping_copies == 1 || now - p->ping_at > p->rtt_ns)
		p->rtt_ns = now - p->ping_at;
	p->ping_at = 0;
	p->unanswered = 0;
	p->pings = 0;
	if (p->path == PATH_SUSPENDED)
		peer_set_path(t, p, PATH_UP, "", now);
}

void liveness_doubt(struct peers *t, struct peer *p, uint64_t now)
{
	uint64_t rx = stat_of(&t->sessions->paths[p->id].last_rx_ns);
	if (p->doubted || ts_since(rx, now) < PING_AFTER_NS)
		return;
	uint64_t wait = p->rtt_ns * 2 > DOUBT_NS ? p->rtt_ns * 2 : DOUBT_NS;
	p->doubted = now;
	p->doubt_until = now + wait;
	liveness_ping(t, p, now);
	if (!timer_armed(&p->timer) || p->timer.deadline > p->doubt_until)
		timer_arm(t->timers, &p->timer, p->doubt_until);
}

/* A hub believes whatever its client sends; any other path needs an answer (PONG). */
void liveness_heard(struct peers *t, struct peer *p, uint64_t now)
{
	if (p->path == PATH_SUSPENDED && t->is_hub && !p->hub)
		peer_set_path(t, p, PATH_UP, "", now);
}

/* Keys have their time; so have certificates. False: the peer is gone. */
static bool sessions_age(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	uint32_t *slots[] = {&p->previous, &p->current};
	for (int i = 0; i < 2; i++) {
		struct session *s = session_at(t->sessions, *slots[i]);
		if (!s)
			continue;
		if (now - s->created_ns >= SEALED_REJECT_NS ||
			sealed_life_failed(stat_of(&s->failed_opens)) == SEALED_STOP) {
			if (slots[i] == &p->current) {
				peer_drop(t, p, "session expired", now);
				return false;
			}
			*slots[i] = SESSION_NONE;
			session_end(t->sessions, s);
		} else {
			sooner(next, s->created_ns + SEALED_REJECT_NS);
		}
	}
	if (p->next != SESSION_NONE) {
		if (now >= p->next_until) {
			session_end(t->sessions, session_at(t->sessions, p->next));
			p->next = SESSION_NONE;
		} else {
			sooner(next, p->next_until);
		}
	}
	if (p->known && peer_has_session(p) && now - p->last_recheck >= RECHECK_NS) {
		p->last_recheck = now;
		int err = trust_recheck(t->trust, &p->cert, trust_now_s(t->trust, t->env, now));
		if (err) {
			peer_close(
				t, p, CONTROL_REASON_EXPIRED, "certificate no longer valid", now);
			return false;
		}
	}
	return true;
}

static void rekey(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	struct session *s = session_at(t->sessions, p->current);
	uint64_t at = p->rekey_at > p->rekey_retry ? p->rekey_at : p->rekey_retry;
	if (session_wants_rekey(s) && now >= p->rekey_retry)
		at = now;
	if (now >= at && !p->init.active) {
		connect_start(t, p, &p->endpoint, &p->local, HANDSHAKE_REKEY, now);
		at = p->rekey_retry = now + 5 * NS_PER_S;
	}
	sooner(next, at > now ? at : now + NS_PER_S);
}

/* Our box may have forgotten everything, and only we can show the hubs where we are now. */
static void show_hubs(struct peers *t, uint64_t now)
{
	for (unsigned i = 0; i < t->n_hubs; i++) {
		struct peer *hub = &t->v[t->hubs[i]];
		uint64_t rx = stat_of(&t->sessions->paths[hub->id].last_rx_ns);
		if (hub->path == PATH_UP && ts_since(rx, now) >= PING_AFTER_NS)
			liveness_ping(t, hub, now);
	}
}

static void suspend(struct peers *t, struct peer *p, const char *why, uint64_t now, uint64_t *next)
{
	sooner(next, now + SUSPENDED_PING_NS);
	peer_set_path(t, p, PATH_SUSPENDED, why, now);
	if (p->hub)
		hubs_retry(t, p, now);
	if (!p->hub && !t->is_hub)
		show_hubs(t, now);
}

/* How long silence is borne: the first PING after `after`, PINGS of them `gap` apart, then it is dead. */
struct patience {
	uint64_t after, gap;
};

/*
 * Between two spokes, when a flow that came in breaks off, the question is asked as fast as the round trip
 * allows: the hub is there to carry it, and a path that was taken for dead comes back with its first PONG.
 * Asked once, since a silence that a PONG explains is the users' own.
 */
static struct patience patience_of(const struct peers *t, const struct peer *p, uint64_t rx,
	uint64_t data_rx, uint64_t now, uint64_t *next)
{
	struct patience slow = {.after = PING_AFTER_NS, .gap = PING_GAP_NS}, brisk = slow;
	const struct peer *hub = p->hub || t->is_hub ? NULL : hubs_preferred(t, 0, now);
	if (!hub || hub->path != PATH_UP || p->rtt_ns == 0 || data_rx == 0 ||
		ts_since(data_rx, rx) >= BRISK_GAP_NS)
		return slow;
	brisk.gap = p->rtt_ns * 2 > BRISK_GAP_NS ? p->rtt_ns * 2 : BRISK_GAP_NS;
	brisk.after = brisk.gap * 3;
	if (brisk.after >= slow.after)
		return slow;
	if (now < rx + brisk.after)
		sooner(next, rx + brisk.after);
	return now < rx + brisk.after ? slow : brisk;
}

/* A direct path's round trip is measured when it is first used. */
static void measure(struct peers *t, struct peer *p, uint64_t data_rx, uint64_t now)
{
	if (!p->hub && !t->is_hub && p->rtt_ns == 0 && data_rx != 0 && p->path == PATH_UP &&
		now >= p->ping_at + PING_AFTER_NS) {
		liveness_ping(t, p, now);
		p->pings = 0; /* nobody has been silent */
	}
}

/*
 * PINGs from `first` on, and suspends when there is no answer: false. A timer that is late takes no time
 * from the answers, each PING has its own.
 */
static bool ask(struct peers *t, struct peer *p, uint64_t first, uint64_t gap, const char *why,
	uint64_t now, uint64_t *next)
{
	uint64_t ping = p->pings ? p->ping_at + gap : first;
	if (now >= ping && p->pings >= PINGS) {
		suspend(t, p, why, now, next);
		return false;
	}
	if (now >= ping) {
		liveness_ping(t, p, now);
		ping = now + gap;
	}
	sooner(next, ping);
	return true;
}

/* User data that nothing answers, a flow that breaks off, and silence longer than keepalives allow. */
static void watch(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	const struct path *path = &t->sessions->paths[p->id];
	uint64_t rx = stat_of(&path->last_rx_ns), tx = stat_of(&path->last_data_tx_ns);
	uint64_t data_rx = stat_of(&path->last_data_rx_ns);
	/* A flow that came in until just now, and then nothing at all: who only answers would not notice. */
	const struct patience patience = patience_of(t, p, rx, data_rx, now, next);
	bool flows = data_rx && ts_since(data_rx, rx) < PAUSE_NS;
	bool fell_silent = flows && ts_since(rx, now) >= patience.after;
	if (flows && !fell_silent)
		sooner(next, rx + patience.after);
	measure(t, p, data_rx, now);
	if (tx <= rx && !fell_silent) {
		p->unanswered = 0;
		if (p->path == PATH_UP && p->pings && ts_since(rx, now) < patience.gap)
			p->pings = 0;
	} else if (p->unanswered == 0 || patience.after < PING_AFTER_NS) {
		p->unanswered = rx > p->last_tick || fell_silent ? rx : p->last_tick;
	}
	if (p->doubted && (rx >= p->doubted || p->path != PATH_UP)) {
		p->doubted = 0;
	} else if (p->doubted && now >= p->doubt_until) {
		p->doubted = 0;
		suspend(t, p, "it asks for a new path", now, next);
	} else if (p->doubted) {
		sooner(next, p->doubt_until);
	}
	if (p->path != PATH_UP) {
		if (rx > p->suspended_at)
			liveness_heard(t, p, now);
		sooner(next, now + NS_PER_S);
		return;
	}
	bool alive = true;
	if (p->unanswered)
		alive = ask(
			t, p, p->unanswered + patience.after, patience.gap, "no answer", now, next);
	else if (p->hub) /* idle: a hub of ours is asked each 10 s */
		alive = ask(t, p, rx + HUB_PING_NS, PING_GAP_NS, "silent", now, next);
	else if (!t->is_hub) /* a direct peer's keepalives are enough */
		alive = ask(t, p, rx + SILENCE_NS, PING_GAP_NS, "silent", now, next);
	if (!alive)
		return;
	if (now < tx + BUSY_NS || now < data_rx + BUSY_NS)
		sooner(next, now + FIRST_TICK_NS);
	else
		sooner(next, now + NS_PER_S);
}

static void keepalive(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	const struct path *path = &t->sessions->paths[p->id];
	uint64_t tx = stat_of(&path->last_data_tx_ns);
	tx = tx > p->control_tx_ns ? tx : p->control_tx_ns;
	if (t->is_hub && !p->hub)
		return; /* spokes keep their mappings open themselves */
	bool warm = roam_keeps_warm(t, p, now);
	if (warm)
		tx = p->warmed; /* what goes to the path keeps no other place open */
	if (now >= tx + p->keepalive_gap) {
		p->keepalive_gap = env_jitter(t->env, KEEPALIVE_NS, 10);
		peer_send(t, p, GRE_PROTO_KEEPALIVE, (const uint8_t[8]){0}, 8, now);
		if (warm)
			roam_warm(t, p, now);
		tx = now;
	}
	sooner(next, tx + p->keepalive_gap);
}

/* A direct path lives as long as somebody uses it, and is given up when it stays dead. */
static bool direct_path(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	const struct path *path = &t->sessions->paths[p->id];
	if (p->path == PATH_SUSPENDED) {
		if (now >= p->suspended_at + SUSPENDED_NS) {
			peer_drop(t, p, "direct path dead", now);
			return false;
		}
		if (now >= p->ping_at + SUSPENDED_PING_NS)
			liveness_ping(t, p, now);
		sooner(next, p->ping_at + SUSPENDED_PING_NS);
		return true;
	}
	uint64_t used = stat_of(&path->last_data_tx_ns), rx = stat_of(&path->last_data_rx_ns);
	used = rx > used ? rx : used;
	used = used > p->user_data_ns ? used : p->user_data_ns;
	if (now >= used + IDLE_NS) {
		peer_close(t, p, CONTROL_REASON_IDLE, "idle", now);
		return false;
	}
	sooner(next, used + IDLE_NS);
	return true;
}

static void hub_link(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	if (p->path == PATH_SUSPENDED && peer_has_session(p)) {
		if (now >= p->ping_at + SUSPENDED_PING_NS)
			liveness_ping(t, p, now);
		sooner(next, p->ping_at + SUSPENDED_PING_NS);
	}
	if (p->init.active && p->path != PATH_UP)
		hubs_refresh(t, p, now);
	if (p->init.active || (p->path == PATH_UP && peer_has_session(p)))
		return;
	if (p->retry_at == TS_NEVER) {
		p->retry_at = now + env_jitter(t->env, RETRY_NS, 10);
	} else if (now >= p->retry_at) {
		p->retry_at = TS_NEVER;
		hubs_retry(t, p, now);
	}
	sooner(next, p->retry_at > now ? p->retry_at : now + NS_PER_S);
}

void liveness_fire(void *owner, struct timer *timer, uint64_t now)
{
	struct peers *t = owner;
	struct peer *p = (struct peer *)((char *)timer - offsetof(struct peer, timer));
	uint64_t next = TS_NEVER;
	if (!sessions_age(t, p, now, &next))
		return;
	if (p->init.active) {
		if (now >= p->init.next)
			connect_resend(t, p, now);
		if (p->init.active)
			sooner(&next, p->init.next);
	}
	if (peer_has_session(p) && !roam_tick(t, p, now, &next))
		return;
	if (peer_has_session(p)) {
		peer_follow(t, p);
		rekey(t, p, now, &next);
		watch(t, p, now, &next);
		keepalive(t, p, now, &next);
	}
	if (p->user_ping && now >= p->user_ping_until) {
		p->user_ping = false;
		t->ops.pong(t->ops.ctx, p->user_ping_token, false, false, 0);
	} else if (p->user_ping) {
		sooner(&next, p->user_ping_until);
	}
	if (p->bundle_due) {
		if (now >= p->bundle_at)
			frames_send_bundle(t, p, now);
		sooner(&next, p->bundle_at);
	}
	if (p->hub)
		hub_link(t, p, now, &next);
	else if (peer_has_session(p) && !t->is_hub && !direct_path(t, p, now, &next))
		return;
	else if (!peer_has_session(p) && p->next == SESSION_NONE && !p->init.active) {
		peer_drop(t, p, p->reason[0] ? p->reason : "no answer to the handshake", now);
		return;
	}
	p->last_tick = now;
	if (next != TS_NEVER)
		timer_arm(t->timers, &p->timer, next > now ? next : now + 1);
}
