#include "queued/end/process_what.h"

#include "lib/daemon/daemon.h"

#define RCPTS_MAX (16u * 1024)

/* the directives of the two processors, which say the same of each */
static const struct {
	enum conf_block block;
	enum conf_key unmatched, matched, forward_unmatched, forward_errors;
} rows[CONF_N_PROCESSORS] = {
    [CONF_BOUNCES] = {CONF_BLOCK_BOUNCEPROC, CONF_BOUNCEPROC_DELIVER_UNMATCHED_EMAIL,
	CONF_BOUNCEPROC_DELIVER_MATCHED_EMAIL, CONF_BOUNCEPROC_FORWARD_UNMATCHED_TO,
	CONF_BOUNCEPROC_FORWARD_ERRORS_TO},
    [CONF_COMPLAINTS] = {CONF_BLOCK_FBLPROC, CONF_FBLPROC_DELIVER_UNMATCHED_EMAIL,
	CONF_FBLPROC_DELIVER_MATCHED_EMAIL, CONF_FBLPROC_FORWARD_UNMATCHED_TO,
	CONF_FBLPROC_FORWARD_ERRORS_TO},
};

static void
add_rcpt(struct process_what *what, struct str rcpt)
{
	if (buf_len(&what->rcpts) > 0)
		(void)buf_add_char(&what->rcpts, ',');
	(void)buf_add_str(&what->rcpts, rcpt);
}

static void
add_list(struct process_what *what, const struct conf_set *set, enum conf_key key)
{
	for (size_t i = 0; set != NULL && i < conf_n(set, key); i++)
		add_rcpt(what, conf_item(set, key, i));
}

/* ---- <fbl> ---- */

/* NULL: there is no such block (any more) */
static const struct conf_set *
fbl_at(uint32_t fbl)
{
	const struct conf *c = daemon_conf();

	return fbl == 0 || fbl > conf_n_blocks(c, CONF_BLOCK_FBL)
		   ? NULL
		   : conf_block_at(c, CONF_BLOCK_FBL, fbl - 1);
}

/* handler type=TYPE [to=ADDRESS]: is it of that type? */
static bool
is_handler(struct str line, struct str type, struct str *to)
{
	struct str word;
	bool is = false;

	*to = STR_NULL;
	while (str_next_word(&line, &word)) {
		is |= str_has_prefix(word, STR("type=")) && str_eq(str_skip(word, 5), type);
		if (str_has_prefix(word, STR("to=")))
			*to = str_skip(word, 3);
	}
	return is;
}

static void
add_forwards(struct process_what *what, const struct conf_set *set)
{
	struct str to;

	for (size_t i = 0; set != NULL && i < conf_n(set, CONF_FBL_HANDLER); i++)
		if (is_handler(conf_item(set, CONF_FBL_HANDLER, i), STR("forward"), &to) &&
		    to.len > 0)
			add_rcpt(what, to);
}

bool
process_next_pipe(uint32_t fbl, uint32_t *i)
{
	const struct conf_set *set = fbl_at(fbl);
	struct str to;

	while (set != NULL && ++*i < conf_n(set, CONF_FBL_HANDLER))
		if (is_handler(conf_item(set, CONF_FBL_HANDLER, *i), STR("pipe"), &to))
			return true;
	return false;
}

bool
process_suppresses(const struct process_complaint *c)
{
	const struct conf_set *set = fbl_at(c->fbl);
	size_t n = set == NULL ? 0 : conf_n(set, CONF_FBL_HANDLER);
	struct str to;

	for (size_t i = 0; i < n; i++)
		if (is_handler(conf_item(set, CONF_FBL_HANDLER, i), STR("delete"), &to) ||
		    is_handler(conf_item(set, CONF_FBL_HANDLER, i), STR("suppress"), &to))
			return true;
	return n == 0;
}

static bool
is_member(struct str pool, struct str vmta)
{
	const struct conf_pool *p = conf_pool(daemon_conf(), pool);

	return p != NULL && conf_pool_has(p, vmta);
}

static bool
is_of_block(struct process_complaint *c)
{
	const struct conf_set *set = fbl_at(c->fbl);
	size_t n = set == NULL ? 0 : conf_n(set, CONF_FBL_VIRTUAL_MTA);

	c->scope = STR("");
	for (size_t i = 0; i < n; i++) {
		struct str one = conf_item(set, CONF_FBL_VIRTUAL_MTA, i);
		if (c->vmta.len > 0 && !str_ieq(one, c->vmta) && !is_member(one, c->vmta))
			continue;
		c->scope = one;
		if (c->vmta.len == 0 && conf_vmta(daemon_conf(), one) != NULL)
			c->vmta = one;
		return true;
	}
	return n == 0;
}

bool
process_is_theirs(struct process_complaint *c)
{
	bool is_theirs = is_of_block(c);

	/* the others know that one by having no name */
	if (str_ieq(c->vmta, STR("{default}")))
		c->vmta = STR("");
	if (str_ieq(c->scope, STR("{default}")))
		c->scope = STR("");
	return is_theirs;
}

/* ---- the message ---- */

void
process_decide(enum conf_processor which, enum process_verdict verdict, uint32_t fbl,
    struct process_what *what)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *set = conf_n_blocks(c, rows[which].block) == 0
					 ? NULL
					 : conf_block_at(c, rows[which].block, 0);

	*what = (struct process_what){.goes_on = verdict != PROCESS_MATCHED};
	buf_init(&what->rcpts, RCPTS_MAX);
	if (verdict == PROCESS_ERROR) {
		add_list(what, set, rows[which].forward_errors);
	} else if (verdict == PROCESS_UNMATCHED) {
		add_list(what, set, rows[which].forward_unmatched);
		/* who has it forwarded and does not say more does not want it twice */
		if (set != NULL)
			what->goes_on = conf_is_set(set, rows[which].unmatched)
					    ? conf_bool(set, rows[which].unmatched)
					    : buf_len(&what->rcpts) == 0;
	} else {
		add_forwards(what, fbl_at(fbl));
		what->delivers_copy = set != NULL && conf_bool(set, rows[which].matched);
	}
}
