#include "dnsd/check.h"

#include <unistd.h>

#include "dnsd/check_int.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* the slab writes into the first bytes of what is free */
struct check_slot {
	uint64_t link;
	struct check *k;
};

static uint64_t
token_of(const struct check *k)
{
	return CHECKS_TOKEN | (uint64_t)k->ticket << 32 | k->handle;
}

static struct check *
find(const struct checks *c, uint64_t token)
{
	uint32_t handle = (uint32_t)token, ticket = (uint32_t)(token >> 32) & 0x7fffffff;
	struct check_slot *s;

	if (handle == 0 || handle >= slab_end(&c->slots))
		return NULL;
	s = slab_at(&c->slots, handle);
	return s->k != NULL && s->k->ticket == ticket ? s->k : NULL;
}

/* ---- ends ---- */

static void
check_free(struct check *k)
{
	struct check_slot *s = slab_at(&k->owner->slots, k->handle);

	s->k = NULL;
	slab_free(&k->owner->slots, k->handle);
	ev_timer_stop(&k->deadline);
	spf_free(&k->spf);
	free(k);
}

static void
send_checked(struct ipc_chan *to, const struct ipc_check *q, enum spf_result result,
    const struct str text[3])
{
	struct ipc_checked head = {.req = q->req, .kind = q->kind, .result = (uint8_t)result};
	struct str cut[3];

	for (size_t i = 0; i < 3; i++)
		cut[i] = str_sub(text[i], 0, CHECK_MAX_TEXT);
	ipc_send(to, IPC_CHECKED, &head, cut, -1);
}

static void
send_answer(const struct check *k, enum spf_result result, const struct str text[3])
{
	struct ipc_answer a = {.token = k->q.req, .ok = 1};
	struct str answer;
	struct buf b;

	buf_init(&b, 4096);
	(void)buf_addf(&b, "result: %s\nsender: %s\ndomain: %.*s\n", spf_result_name(result),
	    spf_sender(k->spf), STR_ARG(text[0]));
	if (text[1].len > 0)
		(void)buf_addf(&b, "reason: %.*s\n", STR_ARG(text[1]));
	if (text[2].len > 0)
		(void)buf_addf(&b, "explanation: %.*s\n", STR_ARG(text[2]));
	answer = str_trim(buf_str(&b));
	ipc_send(k->to, IPC_ANSWER, &a, &answer, -1);
	buf_clear(&b);
}

void
check_finish(struct check *k, enum spf_result result, const struct str text[3])
{
	if (k->is_asked)
		send_answer(k, result, text);
	else
		send_checked(k->to, &k->q, result, text);
	check_free(k);
}

static void
on_deadline(struct ev_timer *t)
{
	struct check *k = ph_container_of(t, struct check, deadline);
	const struct str text[3] = {STR_NULL, STR("the name servers took too long"), STR_NULL};

	check_finish(k, SPF_TEMPERROR, text);
}

/* ---- questions ---- */

bool
check_ask(struct check *k, enum wire_type type, struct str name, struct wire_answer *a)
{
	char normal[WIRE_NAME_MAX];

	if (!wire_name_normal(name, normal)) {
		*a = (struct wire_answer){.status = WIRE_NXDOMAIN};
		return true;
	}
	return lookup_ask(k->owner->lookup, normal, type, token_of(k), a);
}

void
checks_on_answer(struct checks *c, uint64_t token, const struct wire_answer *a)
{
	struct check *k = find(c, token);

	if (k != NULL)
		k->way->answer(k, a);
}

/* ---- beginnings ---- */

static struct check *
check_new(struct checks *c, struct ipc_chan *to, const struct ipc_check *q)
{
	struct check *k = xcalloc(1, sizeof *k);
	struct check_slot *s;

	k->owner = c;
	k->to = to;
	k->q = *q;
	net_from_ipc(&q->client, &k->client);
	k->ticket = ++c->ticket & 0x7fffffff;
	k->handle = slab_new(&c->slots);
	s = slab_at(&c->slots, k->handle);
	s->k = k;
	ev_timer_init(&k->deadline, on_deadline);
	ev_timer_in_ms(&k->deadline, CHECKS_DEADLINE_MS);
	return k;
}

static const struct check_way *const ways[CHECK_KIND_MAX] = {
    [CHECK_SPF] = &check_way_spf,
    [CHECK_IPREV] = &check_way_iprev,
    [CHECK_TXT] = &check_way_txt,
};

static void
start(struct check *k, const struct str text[3])
{
	k->way = ways[k->q.kind];
	k->way->start(k, text);
}

void
checks_start(
    struct checks *c, struct ipc_chan *to, const struct ipc_check *q, const struct str text[3])
{
	const struct str none[3] = {STR_NULL, STR("too much is being checked"), STR_NULL};

	if (q->kind == 0 || q->kind >= CHECK_KIND_MAX || c->slots.n_used >= CHECKS_MAX)
		send_checked(to, q, SPF_TEMPERROR, none);
	else
		start(check_new(c, to, q), text);
}

void
checks_ask_spf(struct checks *c, struct ipc_chan *to, uint32_t token, struct str argument)
{
	struct ipc_check q = {.req = token, .kind = CHECK_SPF, .max_void = SPF_VOID_LIMIT};
	struct ipc_answer no = {.token = token};
	struct str word = STR_NULL, text[3] = {STR_NULL, STR_NULL, STR("localhost")};
	struct str why = STR("The address is neither IPv4 nor IPv6.");
	struct net_addr client;
	struct check *k;

	if (!str_next_word(&argument, &word) || !net_addr_parse(word, &client)) {
		ipc_send(to, IPC_ANSWER, &no, &why, -1);
		return;
	}
	net_to_ipc(&client, &q.client);
	(void)str_next_word(&argument, &text[0]);
	(void)str_next_word(&argument, &text[1]);
	k = check_new(c, to, &q);
	k->is_asked = true;
	start(k, text);
}

/* ---- channels ---- */

void
checks_drop(struct checks *c, const struct ipc_chan *to)
{
	for (uint32_t h = 1; h < slab_end(&c->slots); h++) {
		struct check_slot *s = slab_at(&c->slots, h);
		if (s->k != NULL && s->k->to == to)
			check_free(s->k);
	}
}

static void
on_inject_msg(struct ipc_chan *chan, struct ipc_msg *m)
{
	if (m->type == IPC_CHECK)
		checks_start(ipc_ctx(chan), chan, m->head, m->text);
}

static void
on_inject_down(struct ipc_chan *chan, const struct why *why)
{
	struct checks *c = ipc_ctx(chan);

	checks_drop(c, chan);
	ipc_chan_free(&c->inject[ipc_peer_instance(chan)]);
}

static const struct ipc_events inject_events = {.msg = on_inject_msg, .down = on_inject_down};

void
checks_inject_up(struct checks *c, uint32_t instance, int fd)
{
	if (instance >= CHECKS_PEERS) {
		close(fd);
		return;
	}
	if (c->inject[instance] != NULL)
		checks_drop(c, c->inject[instance]);
	ipc_chan_free(&c->inject[instance]);
	c->inject[instance] = ipc_chan_new(fd, ROLE_DNS, ROLE_INJECT, instance, &inject_events, c);
}

void
checks_init(struct checks *c, struct lookup *l)
{
	c->lookup = l;
	slab_init(&c->slots, sizeof(struct check_slot));
}

void
checks_clear(struct checks *c)
{
	for (size_t i = 0; i < CHECKS_PEERS; i++) {
		if (c->inject[i] != NULL)
			checks_drop(c, c->inject[i]);
		ipc_chan_free(&c->inject[i]);
	}
	slab_clear(&c->slots);
}
