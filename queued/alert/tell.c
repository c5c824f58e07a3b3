#include "queued/alert/tell.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/end/notice.h"
#include "queued/exec.h"

#define FIRST_MS   2000
#define EVERY_MS   60000
#define TEXT_MAX   6000
#define COMMAND_MS 60000

static struct {
	struct buf mail, piped;
	uint32_t n_mail, n_piped;
	uint32_t n_left_out; /* lines that had no room */
	struct ev_timer timer;
	struct mono last;
	bool made;
} told;

/* ---- mail ---- */

static void
send_mail(void)
{
	const struct conf_set *g = conf_global(daemon_conf());
	char subject[100];
	struct buf b;

	if (told.n_mail == 0)
		return;
	if (conf_n(g, CONF_GLOBAL_ALERT_NOTIFY) > 0) {
		notice_begin(&b);
		(void)buf_addf(&b, "New alerts; \"pmtactl show alerts\" shows all of them.\n\n");
		(void)buf_add_str(&b, buf_str(&told.mail));
		if (told.n_left_out > 0)
			(void)buf_addf(&b, "\n%u more were left out here.\n", told.n_left_out);
		snprintf(
		    subject, sizeof subject, told.n_mail == 1 ? "Alert" : "%u alerts", told.n_mail);
		notice_post(g, CONF_GLOBAL_ALERT_NOTIFY, subject, &b);
	}
	buf_reset(&told.mail);
	told.n_mail = told.n_left_out = 0;
}

/* ---- the command ---- */

static void
on_command_done(void *ctx, const struct run_end *end)
{
	struct why why;

	if (end->how == EXEC_EXITED && end->status == 0)
		return;
	run_end_text(end, &why);
	log_error("event=alert-command-failed text=%s", log_quote(str_of(why.text)));
}

static void
run_command(void)
{
	struct run_order o = {.hash = exec_commands()->hash};
	struct str command = conf_str(conf_global(daemon_conf()), CONF_GLOBAL_ALERT_COMMAND);

	if (told.n_piped == 0)
		return;
	if (command.len > 0 &&
	    commands_find_of(exec_commands(), COMMAND_ALERT, conf_global(daemon_conf()),
		CONF_GLOBAL_ALERT_COMMAND, &o.number))
		run_text(exec_runner(), &o, &told.piped, COMMAND_MS, on_command_done, NULL);
	buf_reset(&told.piped);
	told.n_piped = 0;
}

/* ---- gathering ---- */

static void
on_timer(struct ev_timer *t)
{
	told.last = ev_now();
	send_mail();
	run_command();
}

static void
make_once(void)
{
	if (told.made)
		return;
	told.made = true;
	buf_init(&told.mail, TEXT_MAX);
	buf_init(&told.piped, TEXT_MAX);
	ev_timer_init(&told.timer, on_timer);
	told.last = (struct mono){.ns = 0};
}

void
alert_tell_new(struct str line, bool is_mailed)
{
	int64_t since;

	make_once();
	if (buf_addf(&told.piped, "%.*s\n", STR_ARG(line)) == 0)
		told.n_piped++;
	if (is_mailed) {
		if (buf_addf(&told.mail, "%.*s\n", STR_ARG(line)) == -1)
			told.n_left_out++;
		told.n_mail++;
	}
	if (ev_timer_is_armed(&told.timer))
		return;
	since = told.last.ns == 0 ? EVERY_MS : mono_diff_ms(told.last, ev_now());
	ev_timer_in_ms(&told.timer, PH_MAX((int64_t)EVERY_MS - since, (int64_t)FIRST_MS));
}
