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

/* <fbl>: handler type=forward to=ADDRESS */
static void
add_handlers(struct process_what *what, uint32_t fbl)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *set;

	if (fbl == 0 || fbl > conf_n_blocks(c, CONF_BLOCK_FBL))
		return;
	set = conf_block_at(c, CONF_BLOCK_FBL, fbl - 1);
	for (size_t i = 0; i < conf_n(set, CONF_FBL_HANDLER); i++) {
		struct str rest = conf_item(set, CONF_FBL_HANDLER, i), word, to = STR_NULL;
		bool forwards = false;
		while (str_next_word(&rest, &word)) {
			forwards |= str_eq(word, STR("type=forward"));
			if (str_has_prefix(word, STR("to=")))
				to = str_skip(word, 3);
		}
		if (forwards && to.len > 0)
			add_rcpt(what, to);
	}
}

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
		add_handlers(what, fbl);
		what->delivers_copy = set != NULL && conf_bool(set, rows[which].matched);
	}
}
