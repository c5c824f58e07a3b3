#include "injectd/rcpts.h"

#include "injectd/session.h"

#define MAX_PENDING 256 /* targets of one recipient's aliases that wait to be looked up */

/* an address that aliases led to, and over how many of them */
struct pending {
	struct str address;
	unsigned depth;
};
struct forwarding {
	struct txn *t;
	struct buf *to;
	uint32_t n;
	struct pending list[MAX_PENDING];
	size_t n_list;
};

static bool
put(struct forwarding *f, const struct env_rcpt *like, struct str address)
{
	struct env_rcpt r = *like;

	r.address = address;
	if (f->n >= SPOOL_MAX_RCPTS || envelope_write_rcpt(f->to, &r) == -1)
		return false;
	f->n++;
	return true;
}

/* One address: to the list of recipients, or its targets to the end of the pending ones. */
static bool
resolve(struct forwarding *f, const struct env_rcpt *r, struct pending p)
{
	const struct str *targets;
	size_t n = p.depth < RCPTS_MAX_FORWARDS && !r->is_invalid
		       ? conf_forward(f->t->world->conf, p.address, &targets)
		       : 0;

	if (n == 0)
		return put(f, r, p.address);
	for (size_t i = 0; i < n; i++) {
		/* who forwards to himself keeps a copy */
		if (str_ieq(targets[i], p.address)) {
			if (!put(f, r, targets[i]))
				return false;
		} else if (f->n_list == MAX_PENDING) {
			return false;
		} else {
			f->list[f->n_list++] = (struct pending){targets[i], p.depth + 1};
		}
	}
	return true;
}

static bool
forward_one(struct forwarding *f, const struct env_rcpt *r)
{
	f->n_list = 0;
	f->list[f->n_list++] = (struct pending){.address = r->address};
	for (size_t i = 0; i < f->n_list; i++)
		if (!resolve(f, r, f->list[i]))
			return false;
	return true;
}

/* does any recipient lead elsewhere? Most often none does, and nothing need be copied. */
static bool
has_forwards(struct txn *t)
{
	struct env_iter it;
	struct env_rcpt r;
	const struct str *targets;
	uint32_t index;

	env_iter_init_lines(&it, buf_str(&t->rcpts));
	while (env_iter_next(&it, &index, &r))
		if (conf_forward(t->world->conf, r.address, &targets) > 0)
			return true;
	return false;
}

static bool
forward_all(struct txn *t)
{
	struct env_iter it;
	struct forwarding f = {.t = t};
	struct env_rcpt r;
	struct buf to;
	uint32_t index;
	bool fits = true;

	env_iter_init_lines(&it, buf_str(&t->rcpts));
	buf_init(&to, TXN_MAX_RCPT_BYTES);
	f.to = &to;
	while (fits && env_iter_next(&it, &index, &r))
		fits = forward_one(&f, &r);
	buf_clear(&t->rcpts);
	t->rcpts = to;
	t->env.n_rcpts = f.n;
	return fits;
}

/* the sender shall not hear of it: no reports about the copy */
static bool
add_copy(struct txn *t)
{
	struct env_rcpt r = {
	    .address = conf_str(session_set(t->session), CONF_SOURCE_BCC), .notify = NOTIFY_NEVER};
	struct why why;

	return r.address.len == 0 || txn_add_rcpt(t, &r, &why) == 0;
}

void
rcpts_finish(struct txn *t)
{
	if ((!has_forwards(t) || forward_all(t)) && add_copy(t))
		return;
	txn_fail(t, 452, 4, 5, 3, "Too many recipients");
}
