#include "injectd/txn.h"

#include "injectd/inbound.h"
#include "injectd/merge.h"
#include "injectd/session.h"
#include "injectd/suppressed.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/stats/stats.h"

/* what is held before it must become a file: the header section may double by what is added */
#define TEXT_CAP    (SPOOL_LARGE_BYTES + 4u * TXN_MAX_HEADER)
#define LARGE_WRITE (256u * 1024) /* then in writes of this size */

struct txn *
txn_new(struct session *s, struct str sender)
{
	struct txn *t = xcalloc(1, sizeof *t);

	t->session = s;
	t->world = s->world;
	(void)str_copy(t->sender, sizeof t->sender, sender);
	t->env.sender = str_of(t->sender);
	t->env.src_type = s->world->door[s->door].type;
	t->env.user = str_of(s->user); /* as long as the session; later nobody asks */
	t->env.src = s->client;
	t->env.dst = s->local;
	t->env.priority = 50;
	buf_init(&t->rcpts, TXN_MAX_RCPT_BYTES);
	/* one read's bytes may come on top before the limit is looked at */
	buf_init(&t->head, TXN_MAX_HEADER + SESSION_MAX_INPUT);
	buf_init(&t->text, TEXT_CAP);
	return t;
}

static void
drop_content(struct txn *t)
{
	buf_clear(&t->head);
	buf_clear(&t->text);
	if (t->large != NULL)
		t->world->intake->large_abort(t->large);
	t->large = NULL;
}

void
txn_free(struct txn **tp)
{
	struct txn *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	drop_content(t);
	merge_free(&t->merge);
	inbound_forget_head(t);
	buf_clear(&t->rcpts);
	free(t->vmta);
	free(t->pool);
	free(t->windows);
	free(t->remove);
	free(t->lists);
	free(t);
}

void
txn_fail(struct txn *t, int code, int a, int b, int c, const char *text)
{
	if (t->fault.smtp_code != 0)
		return;
	(void)why_smtp(&t->fault, code, a, b, c, "%s", text);
	drop_content(t);
}

int
txn_add_rcpt(struct txn *t, const struct env_rcpt *r, struct why *why)
{
	t->last_rcpt_at = buf_len(&t->rcpts);
	if (t->env.n_rcpts >= SPOOL_MAX_RCPTS || envelope_write_rcpt(&t->rcpts, r) == -1) {
		t->rcpts.overfull = false; /* nothing was added */
		return why_smtp(why, 452, 4, 5, 3, "Too many recipients");
	}
	if (t->env.n_rcpts++ == 0)
		(void)str_copy(t->only_rcpt, sizeof t->only_rcpt, r->address);
	if (t->merge != NULL)
		merge_add_rcpt(t->merge);
	return 0;
}

void
txn_drop_rcpt(struct txn *t)
{
	buf_truncate(&t->rcpts, t->last_rcpt_at);
	t->env.n_rcpts--;
	if (t->merge != NULL)
		merge_drop_rcpt(t->merge);
}

void
txn_begin_content(struct txn *t)
{
	const struct conf_set *set = session_set(t->session);

	data_init(&t->filter, content_add, t);
	t->max_bytes = PH_MIN(conf_u64(set, CONF_SOURCE_MAX_MESSAGE_SIZE), TXN_MAX_BYTES);
	t->env.no_dsn = conf_bool(set, CONF_SOURCE_SUPPRESS_LOCAL_DSN);
	t->lists = suppressed_lists(set);
	t->env.id = t->session->preset_id;
	if (t->env.id == 0 && !t->is_trial)
		t->env.id = t->world->intake->new_id(t->world->intake_ctx);
	t->env.accepted = ev_wall();
}

static const char *const faults[] = {
    [DATA_BARE_CR] = "The message has a CR without LF",
    [DATA_BARE_LF] = "The message has an LF without CR",
    [DATA_NUL] = "The message has a NUL",
    [DATA_LONG_LINE] = "The message has a line of more than 100000 octets",
};

/* the whole envelope into the world's scratch */
static int
write_envelope(struct txn *t, struct why *why)
{
	struct buf *b = &t->world->scratch;
	char mta[SESSION_MAX_HELO + NET_ADDR_TEXT + 8];
	bool fits;

	(void)snprintf(mta, sizeof mta, t->session->client_text[0] == '\0' ? "%s" : "%s (%s)",
	    t->session->helo, t->session->client_text);
	t->env.src_mta = str_of(mta);
	t->env.vmta = str_of(t->vmta);
	t->env.pool = str_of(t->pool);
	t->env.windows = str_of(t->windows);
	t->env.remove = str_of(t->remove);
	t->env.lists = str_of(t->lists);
	t->env.job = str_of(t->job);
	t->env.envid = str_of(t->envid);
	t->env.dkim = str_of(t->dkim);
	buf_reset(b);
	fits = envelope_write(b, &t->env) == 0 && buf_add_str(b, buf_str(&t->rcpts)) == 0;
	t->env.src_mta = STR_NULL;
	if (!fits)
		return why_smtp(why, 452, 4, 5, 3, "The envelope is too large");
	return 0;
}

/* the spool's reason, whatever it is */
static void
fail_why(struct txn *t, const struct why *why)
{
	bool has_code = why->smtp_code >= 400;

	txn_fail(t, has_code ? why->smtp_code : 451, has_code ? why->enh[0] : 4, why->enh[1],
	    why->enh[2], why->text);
}

/* Of a large message: what was gathered goes to its file. */
static void
flush_large(struct txn *t)
{
	struct why why = {0};

	if (buf_len(&t->text) > 0 &&
	    t->world->intake->large_write(t->large, buf_str(&t->text), &why) == -1)
		fail_why(t, &why);
	buf_reset(&t->text);
}

/* The message has become large: from now on it goes to its file. */
static void
start_large(struct txn *t)
{
	const struct intake_ops *ops = t->world->intake;
	struct why why = {0};

	t->env.body_len = t->env.n_dots = UINT64_MAX; /* the most room that their digits can take */
	if (write_envelope(t, &why) == 0)
		t->large = ops->large_start(t->world->intake_ctx, t->env.id,
		    buf_len(&t->world->scratch) + (t->dkim_check != NULL ? INBOUND_MAX_FIELD : 0),
		    &why);
	if (t->large == NULL)
		fail_why(t, &why);
	else
		flush_large(t);
}

void
content_store(struct txn *t, struct str piece)
{
	if (t->fault.smtp_code != 0)
		return;
	t->n_stored += piece.len;
	if (t->is_trial)
		return;
	if (buf_add_str(&t->text, piece) == -1)
		txn_fail(t, 452, 4, 3, 1, "There is no room for the message");
	else if (t->large != NULL && buf_len(&t->text) >= LARGE_WRITE)
		flush_large(t);
	else if (t->large == NULL && buf_len(&t->text) >= SPOOL_LARGE_BYTES && t->in_body)
		start_large(t);
}

void
txn_prepend(struct txn *t, struct str field)
{
	struct buf all;

	t->n_stored += field.len;
	if (t->large != NULL) {
		t->world->intake->large_front(t->large, field);
		return;
	}
	buf_init(&all, t->text.cap + field.len);
	(void)buf_add_str(&all, field);
	(void)buf_add_str(&all, buf_str(&t->text));
	buf_clear(&t->text);
	t->text = all;
}

int
txn_check_filter(struct txn *t, struct why *why)
{
	if (t->filter.fault != DATA_GOOD) {
		/* the client hears of this one, whatever was found before it */
		t->fault = (struct why){0};
		txn_fail(t, 554, 5, 6, 0, faults[t->filter.fault]);
	}
	if (t->fault.smtp_code == 0)
		return 0;
	*why = t->fault;
	return -1;
}

static int
check_content(struct txn *t, struct why *why)
{
	if (txn_check_filter(t, why) == 0)
		content_end(t);
	if (t->large != NULL)
		flush_large(t);
	if (t->is_too_many)
		txn_fail(t, 554, 5, 5, 3, "Too many recipients: the message is not accepted");
	if (t->fault.smtp_code == 0)
		return 0;
	*why = t->fault;
	return -1;
}

int
txn_try(struct txn *t, struct why *why)
{
	return check_content(t, why);
}

int
txn_submit(struct txn **tp, struct why *why)
{
	struct txn *t = *tp;
	const struct intake_ops *ops = t->world->intake;

	if (check_content(t, why) == -1)
		return -1;
	t->env.body_len = t->n_stored;
	t->env.n_dots = t->filter.n_dots;
	if (write_envelope(t, why) == -1)
		return -1;
	*tp = NULL;
	if (t->large != NULL) {
		void *large = t->large;
		t->large = NULL; /* it is the spool's now */
		ops->large_commit(large, buf_str(&t->world->scratch), t);
	} else {
		ops->append(
		    t->world->intake_ctx, t->env.id, buf_str(&t->world->scratch), &t->text, t);
	}
	drop_content(t);
	buf_clear(&t->rcpts);
	return 0;
}

void
txn_settled(void *token, const struct spool_place *place, const struct why *why)
{
	struct txn *t = token;
	struct session *s = t->session;
	struct merge *merge = t->merge_of;
	uint64_t id = t->env.id, n_bytes = t->filter.n_bytes;

	if (place != NULL) {
		stat_inc(STAT_IN_MSGS);
		stat_add(STAT_IN_RCPTS, t->env.n_rcpts);
		stat_add(STAT_IN_BYTES, t->n_stored);
	}
	txn_free(&t);
	if (merge != NULL)
		merge_settled(merge, id, n_bytes, place != NULL ? NULL : why);
	else if (s != NULL)
		session_settled(s, id, place != NULL ? NULL : why);
}
