#include "bounced/handle.h"

#include <inttypes.h>

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

#define MAX_RUNNING 16 /* each holds its message in memory */
#define TIMEOUT_MS  60000
#define TRY_LATER   75 /* EX_TEMPFAIL */

struct handling {
	TAILQ_ENTRY(handling) link;
	struct bounced *b;
	uint64_t epoch;
	struct ipc_handle what;
};

static void
end(struct handling *h, bool ok)
{
	const struct ipc_errand_done head = {.token = h->what.token, .ok = ok};

	if (h->epoch == h->b->epoch && h->b->queue != NULL)
		ipc_send(h->b->queue, IPC_ERRAND_DONE, &head, NULL, -1);
	free(h);
}

/* ---- a run ---- */

/* CRLF becomes LF, as for other commands */
static void
to_text(struct str message, struct buf *text)
{
	struct str line;
	bool ends = str_has_suffix(message, STR("\n"));

	buf_init(text, message.len + 1);
	while (message.len > 0 && str_next(&message, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		(void)buf_add_str(text, line);
		if (message.len > 0 || ends)
			(void)buf_add_char(text, '\n');
	}
	if (!ends)
		(void)buf_add_char(text, '\n');
}

static bool
finds_command(const struct handling *h, uint32_t *number)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *set;
	struct conf_origin at;

	if (h->what.fbl == 0 || h->what.fbl > conf_n_blocks(c, CONF_BLOCK_FBL))
		return false;
	set = conf_block_at(c, CONF_BLOCK_FBL, h->what.fbl - 1);
	if (h->what.handler >= conf_n(set, CONF_FBL_HANDLER))
		return false;
	at = conf_item_origin(set, CONF_FBL_HANDLER, h->what.handler);
	return commands_find(&h->b->handlers.commands, COMMAND_HANDLER, &at, number);
}

static void run_next(struct bounced *b);

static void
on_done(void *ctx, const struct run_end *how)
{
	struct handling *h = ctx;
	struct bounced *b = h->b;
	bool later = how->how == EXEC_LOST || how->how == EXEC_REFUSED ||
		     (how->how == EXEC_EXITED && how->status == TRY_LATER);
	struct why why;

	if (how->how != EXEC_EXITED || how->status != 0) {
		run_end_text(how, &why);
		log_warn("id=%016" PRIx64 " event=handler-%s text=%s", h->what.place.id,
		    later ? "later" : "failed", log_quote(str_of(why.text)));
	}
	end(h, !later);
	b->handlers.n_running--;
	run_next(b);
}

/* False: nothing runs, and h is gone. */
static bool
start(struct handling *h)
{
	struct bounced *b = h->b;
	struct run_order o = {.hash = b->handlers.commands.hash};
	struct ipc_process from = {.place = h->what.place, .rcpt = h->what.rcpt};
	struct str message;
	struct buf text;
	struct why why;

	/* another configuration has come, which knows of no such command */
	if (!finds_command(h, &o.number)) {
		end(h, true);
		return false;
	}
	if (processor_read(b->processor, &from, &message, &why) == -1) {
		log_error("id=%016" PRIx64 " event=handler-failed text=%s", h->what.place.id,
		    log_quote(str_of(why.text)));
		end(h, true);
		return false;
	}
	to_text(message, &text);
	run_text(&b->handlers.runner, &o, &text, TIMEOUT_MS, on_done, h);
	return true;
}

static void
run_next(struct bounced *b)
{
	struct handlers *hs = &b->handlers;
	struct handling *h;

	while (hs->n_running < MAX_RUNNING && (h = TAILQ_FIRST(&hs->waiting)) != NULL) {
		TAILQ_REMOVE(&hs->waiting, h, link);
		hs->n_running += start(h);
	}
}

void
handlers_order(struct bounced *b, const struct ipc_handle *what)
{
	struct handling *h = xmalloc(sizeof *h);

	*h = (struct handling){.b = b, .epoch = b->epoch, .what = *what};
	TAILQ_INSERT_TAIL(&b->handlers.waiting, h, link);
	run_next(b);
}

/* ---- life ---- */

void
handlers_init(struct handlers *h)
{
	*h = (struct handlers){.n_running = 0};
	TAILQ_INIT(&h->waiting);
	runner_init(&h->runner, NULL);
}

void
handlers_forget(struct handlers *h)
{
	struct handling *one;

	while ((one = TAILQ_FIRST(&h->waiting)) != NULL) {
		TAILQ_REMOVE(&h->waiting, one, link);
		free(one);
	}
}

void
handlers_clear(struct handlers *h)
{
	handlers_forget(h);
	runner_clear(&h->runner);
	commands_clear(&h->commands);
}

void
handlers_use_conf(struct handlers *h, const struct conf *c)
{
	commands_clear(&h->commands);
	commands_make(&h->commands, c);
}
