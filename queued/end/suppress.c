#include "queued/end/suppress.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/spool/reader.h"
#include "lib/suppress/filter.h"
#include "queued/domain.h"
#include "queued/control/events.h"
#include "queued/end/final.h"
#include "queued/names.h"
#include "queued/state.h"

#define N_FILTERS   2
#define AGAIN_MS    30000 /* bounced has not answered: asked again */
#define MAX_ADDRESS 1024
#define MAX_LISTS   4096
#define SCRATCH_MAX (1024 * 1024)

enum { CLEARED_NO, CLEARED_ASKED, CLEARED_YES };

static struct {
	struct filter *filter[N_FILTERS]; /* the store's, the lists' */
	bool is_awaited;
	struct buf raw, scratch;
	/* what was asked and may have no answer yet: asked again when bounced has come back */
	uint64_t *asked; /* tokens */
	size_t n_asked, cap_asked;
} sup;

void
suppress_take_filter(uint32_t index, int fd)
{
	if (filter_take(sup.filter, N_FILTERS, index, fd) && qd.started)
		queue_kick_all();
}

void
suppress_await(void)
{
	sup.is_awaited = true;
}

bool
suppress_is_ready(void)
{
	return !sup.is_awaited || (sup.filter[0] != NULL && sup.filter[1] != NULL);
}

uint32_t
suppress_hash(struct str address)
{
	return sup.filter[0] == NULL ? 0 : filter_hash(sup.filter[0], address);
}

void
suppress_note(struct rcpt *r, struct str address)
{
	r->hash = suppress_hash(address);
}

/* ---- the address, which is on disk ---- */

/* the envelope's lines, until the next call */
static bool
read_envelope(const struct rcpt *r, struct str *lines)
{
	struct spool_place place = message_place(message_at(r->message));
	struct why why = {0};

	if (sup.raw.cap == 0)
		buf_init(&sup.raw, SPOOL_MAX_ENV);
	if (spool_read(qd.reader, &place, place.env_len, &sup.raw, NULL, NULL, &why) == -1 ||
	    buf_len(&sup.raw) < place.env_len) {
		log_warn("id=%016lx event=unreadable text=\"%s\"", place.id, why.text);
		return false;
	}
	*lines = str_sub(buf_str(&sup.raw), SPOOL_HEADER_LEN, place.env_len - SPOOL_HEADER_LEN);
	return true;
}

static bool
read_address(const struct rcpt *r, char text[MAX_ADDRESS])
{
	struct env_iter it;
	struct env_rcpt er;
	struct str lines;
	uint32_t index;

	if (!read_envelope(r, &lines))
		return false;
	env_iter_init(&it, lines);
	while (env_iter_next(&it, &index, &er))
		if (index == r->index) {
			(void)str_copy(text, MAX_ADDRESS, er.address);
			return true;
		}
	return false;
}

/* ---- asking ---- */

static bool
is_of_listed_domain(const struct rcpt *r)
{
	char text[300];
	int n =
	    snprintf(text, sizeof text, "@%.*s", STR_ARG(str_sub(domain_name(r->domain), 0, 255)));

	return filter_may_have(sup.filter[1], str_from(text, (size_t)n));
}

static bool
may_be_suppressed(struct rcpt *r)
{
	char address[MAX_ADDRESS];

	if (sup.filter[0] == NULL || sup.filter[1] == NULL)
		return false;
	if (r->hash == 0 && read_address(r, address))
		suppress_note(r, str_of(address));
	if (r->hash == 0 || filter_may_have_hash(sup.filter[0], r->hash) ||
	    filter_may_have_hash(sup.filter[1], r->hash) || is_of_listed_domain(r) ||
	    filter_has(sup.filter[1], FILTER_PATTERNS))
		return true;
	return filter_has(sup.filter[1], FILTER_LOCAL_PARTS) &&
	       (!read_address(r, address) || filter_may_list(sup.filter[1], str_of(address)));
}

/* of the whole server, then those of the message's source, with commas; the envelope was read just now */
static struct str
lists(struct str lines, char text[MAX_LISTS])
{
	const struct conf_set *g = conf_global(daemon_conf());
	struct envelope env;
	struct why why;
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_SUPPRESSION_LISTS) && len < MAX_LISTS; i++)
		len += (size_t)snprintf(text + len, MAX_LISTS - len, "%s%.*s", i == 0 ? "" : ",",
		    STR_ARG(conf_item(g, CONF_GLOBAL_SUPPRESSION_LISTS, i)));
	if (sup.scratch.cap == 0)
		buf_init(&sup.scratch, SCRATCH_MAX);
	buf_reset(&sup.scratch);
	if (len < MAX_LISTS && envelope_parse(lines, &env, &sup.scratch, &why) && env.lists.len > 0)
		len += (size_t)snprintf(text + len, MAX_LISTS - len, ",%.*s", STR_ARG(env.lists));
	return str_from(text, PH_MIN(len, (size_t)MAX_LISTS - 1));
}

static uint64_t
token_of(uint32_t rcpt)
{
	return message_at(rcpt_at(rcpt)->message)->id << 32 | rcpt;
}

/* NULL: it is not waiting for an answer (any more) */
static struct rcpt *
waiting(uint64_t token)
{
	uint32_t rcpt = (uint32_t)token;
	struct rcpt *r;

	if (rcpt == 0 || rcpt >= slab_end(&qd.rcpts))
		return NULL;
	r = rcpt_at(rcpt);
	if (r->state != RCPT_DEFERRED || r->cleared != CLEARED_ASKED || token_of(rcpt) != token)
		return NULL;
	return r;
}

static void
make_room(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sup.n_asked; i++)
		if (waiting(sup.asked[i]) != NULL)
			sup.asked[n++] = sup.asked[i];
	sup.n_asked = n;
	if (n <= sup.cap_asked / 2 && sup.cap_asked > 0)
		return;
	sup.cap_asked = PH_MAX(sup.cap_asked * 2, (size_t)256);
	sup.asked = xreallocarray(sup.asked, sup.cap_asked, sizeof *sup.asked);
}

static void
remember(uint64_t token)
{
	if (sup.n_asked == sup.cap_asked)
		make_room();
	sup.asked[sup.n_asked++] = token;
}

static void
ask(const struct queue *q, uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);
	struct ipc_is_suppressed head = {.token = token_of(rcpt)};
	char address[MAX_ADDRESS], names[MAX_LISTS];
	struct str texts[4], lines;

	if (qd.bounce.chan == NULL || !read_address(r, address) || !read_envelope(r, &lines))
		return;
	texts[0] = str_of(address);
	texts[1] = lists(lines, names);
	texts[2] = queue_vmta_name(q);
	texts[3] = name_text(m->pool);
	ipc_send(qd.bounce.chan, IPC_IS_SUPPRESSED, &head, texts, -1);
}

bool
suppress_stops(struct queue *q, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);

	if (r->cleared == CLEARED_YES || !may_be_suppressed(r))
		return false;
	queue_take(q, rcpt);
	queue_add_deferred(q, rcpt, tick_in_ms(AGAIN_MS));
	r->cleared = CLEARED_ASKED;
	remember(token_of(rcpt));
	ask(q, rcpt);
	return true;
}

/* ---- the answer ---- */

static void
bounce(struct queue *q, uint32_t rcpt, struct str list)
{
	char address[MAX_ADDRESS], text[MAX_ADDRESS + 400];
	struct final_facts f = {.code = 550, .enh = {5, 7, 1}, .is_ours = true};
	int n;

	if (!read_address(rcpt_at(rcpt), address))
		return;
	n = snprintf(text, sizeof text, "550 5.7.1 recipient is in suppression list \"%.*s\": <%s>",
	    STR_ARG(list), address);
	f.reply = str_from(text, PH_MIN((size_t)PH_MAX(n, 0), sizeof text - 1));
	events_add(q, f.reply);
	final_begin(q, rcpt, FINAL_BOUNCED, &f);
}

void
suppress_answered(const struct ipc_msg *m)
{
	const struct ipc_suppressed *a = m->head;
	uint32_t rcpt = (uint32_t)a->token;
	struct rcpt *r = waiting(a->token);
	struct queue *q;

	if (r == NULL)
		return;
	q = queue_at(r->queue);
	if (a->is_suppressed != 0) {
		bounce(q, rcpt, m->text[0]);
	} else {
		queue_take(q, rcpt);
		r->cleared = CLEARED_YES;
		queue_add_ready(q, rcpt, true);
	}
	queue_kick(q);
}

void
suppress_ask_again(void)
{
	for (size_t i = 0; i < sup.n_asked; i++) {
		const struct rcpt *r = waiting(sup.asked[i]);
		if (r != NULL)
			ask(queue_at(r->queue), (uint32_t)sup.asked[i]);
	}
}
