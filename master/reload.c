#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/paths.h"

/* how long the daemons may take to read a configuration */
#define ANSWER_LIMIT_MS 30000
/* and to switch to it, before whoever asked is told who has not */
#define SWITCH_LIMIT_MS 3000

static void
end_attempt(void)
{
	struct reload *r = &master.reload;
	bool again = r->is_wanted_again;

	ev_timer_stop(&r->limit);
	if (r->checker != 0 && kill(r->checker, SIGKILL) == -1)
		log_warn("the configuration's reader cannot be killed: %s", strerrordesc_np(errno));
	conf_free(&r->conf);
	listeners_close(&r->listeners);
	tls_files_close(&r->tls_files);
	if (r->keys_fd != -1)
		close(r->keys_fd);
	r->keys_fd = -1;
	r->state = RELOAD_NONE;
	r->is_asked = r->is_wanted_again = false;
	r->checker = 0;
	if (master.phase == PHASE_RUNNING)
		notify_ready();
	if (again && master.phase == PHASE_RUNNING)
		reload_start(false, 0);
}

static void
refuse(const char *reason)
{
	log_error("reload refused, the configuration stays as it was reason=\"%s\"", reason);
	if (master.reload.is_asked)
		ask_answer(master.reload.token, false, reason);
	end_attempt();
}

static bool
is_awaited(const struct kid *k)
{
	return kid_is_running(k) && !k->said_ok;
}

static bool
all_said_ok(void)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		if (is_awaited(&master.kids[i]))
			return false;
	}
	return true;
}

/* ---- who has switched ---- */

static void
end_switching(const char *text)
{
	if (master.reload.is_asked)
		ask_answer(master.reload.token, true, text);
	end_attempt();
}

static void
end_if_all_switched(void)
{
	if (all_said_ok())
		end_switching("the configuration was reloaded");
}

/* what does not live is killed and starts with the new one; nothing is taken back */
static void
say_who_has_not_switched(void)
{
	char text[512] = "the configuration is in force, but not yet in use by";

	for (size_t i = 0; i < master.n_kids; i++) {
		if (!is_awaited(&master.kids[i]))
			continue;
		strlcat(text, " ", sizeof text);
		strlcat(text, kid_name(&master.kids[i]), sizeof text);
	}
	log_warn("%s", text);
	end_switching(text);
}

void
reload_on_used(struct kid *k, uint64_t generation)
{
	if (master.reload.state != RELOAD_SWITCHING || generation != master.generation)
		return;
	k->said_ok = true;
	end_if_all_switched();
}

void
reload_cancel(const char *reason)
{
	if (master.reload.state == RELOAD_SWITCHING)
		end_if_all_switched(); /* whoever died need not */
	else if (master.reload.state != RELOAD_NONE)
		refuse(reason);
}

static void
on_limit(struct ev_timer *t)
{
	if (master.reload.state == RELOAD_SWITCHING)
		say_who_has_not_switched();
	else
		refuse("not all daemons answered in time");
}

/* ---- the trial ---- */

/* the parser meets a new file first in a process of its own: should it crash there, nothing happened */
static void
start_checker(void)
{
	struct conf_messages list = {0};
	pid_t pid = fork();

	if (pid == -1) {
		refuse("fork failed");
		return;
	}
	/* silently: master says what is wrong when it reads it too */
	if (pid == 0)
		_exit(conf_load(master.options.config, &list) == NULL ? EXIT_CONF : 0);
	master.reload.checker = pid;
}

void
reload_start(bool is_asked, uint32_t token)
{
	struct reload *r = &master.reload;

	if (master.phase != PHASE_RUNNING || r->state != RELOAD_NONE) {
		r->is_wanted_again = r->is_wanted_again || !is_asked;
		if (is_asked)
			ask_answer(token, false, "a start, stop or reload is under way");
		return;
	}
	notify_reloading();
	if (r->limit.cb == NULL)
		ev_timer_init(&r->limit, on_limit);
	ev_timer_in_ms(&r->limit, ANSWER_LIMIT_MS);
	r->state = RELOAD_CHECKING;
	r->is_asked = is_asked;
	r->token = token;
	start_checker();
}

static int
ask_all(struct why *why)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		k->said_ok = false;
		if (kid_is_running(k) && k->role == ROLE_SIGN)
			give_keys(
			    k, master.reload.conf, master.reload.generation, master.reload.keys_fd);
		if (kid_is_running(k) &&
		    give_config(k, master.reload.conf, master.reload.generation, why) == -1)
			return -1;
	}
	return 0;
}

/* all that can fail comes before the daemons are asked */
static int
try_new(struct why *why)
{
	struct reload *r = &master.reload;

	r->conf = config_load(master.options.config, why);
	if (r->conf == NULL)
		return -1;
	if (!str_eq(paths_spool(r->conf), paths_spool(master.conf)))
		return why_set(why, "another spool directory needs a restart");
	if (tls_files_open(r->conf, &r->tls_files, why) == -1)
		return -1;
	if (give_address_files(NULL, r->conf, why) == -1)
		return -1;
	if (log_file_check(r->conf, why) == -1 || give_acct_dirs(NULL, r->conf, why) == -1 ||
	    give_pickup_dirs(NULL, r->conf, why) == -1)
		return -1;
	if (listeners_open(r->conf, &master.listeners, &r->listeners, why) == -1)
		return -1;
	r->keys_fd = keys_load(r->conf, why);
	if (r->keys_fd == -1)
		return -1;
	r->state = RELOAD_ASKING;
	r->generation++;
	return ask_all(why);
}

static void
hand_over(struct kid *k, bool new_listeners)
{
	struct why why;

	give_tls_files(k, &master.reload.tls_files);
	if (new_listeners)
		take_listeners(k);
	if (k->role == ROLE_ACCT && give_acct_dirs(k, master.reload.conf, &why) == -1)
		log_error("accounting: %s", why.text);
	if (k->role == ROLE_INJECT && k->instance == 0 &&
	    give_pickup_dirs(k, master.reload.conf, &why) == -1)
		log_error("pickup: %s", why.text);
	if (k->role == ROLE_BOUNCE && give_address_files(k, master.reload.conf, &why) == -1)
		log_error("%s", why.text);
	ipc_send(k->chan, IPC_CONFIG_USE,
	    &(struct ipc_config){.generation = master.reload.generation}, NULL, -1);
}

static void
switch_to_new(void)
{
	struct reload *r = &master.reload;
	bool new_listeners = !listeners_are_same(&r->listeners, &master.listeners);
	struct conf *old = master.conf;
	struct listeners gone = master.listeners;
	struct why why;

	for (size_t i = 0; i < master.n_kids; i++) {
		master.kids[i].said_ok = false;
		if (kid_is_running(&master.kids[i]))
			hand_over(&master.kids[i], new_listeners);
	}
	master.conf = r->conf;
	master.listeners = r->listeners;
	tls_files_close(&master.tls_files);
	master.tls_files = r->tls_files;
	certificates_tell(&master.tls_files);
	master.generation = r->generation;
	close(master.keys_fd);
	master.keys_fd = r->keys_fd;
	r->keys_fd = -1;
	r->conf = NULL;
	r->listeners = (struct listeners){0};
	r->tls_files = (struct tls_files){0};
	if (log_file_open(master.conf, &why) == -1)
		log_error("%s", why.text);
	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		give_log(k);
		if (new_listeners && kid_is_running(k))
			give_listeners(k);
	}
	listeners_close(&gone);
	conf_free(&old);
	kids_start_waiting();
}

static void
switch_if_all_ok(void)
{
	if (!all_said_ok())
		return;
	/* from here on nothing takes it back */
	master.reload.state = RELOAD_SWITCHING;
	ev_timer_in_ms(&master.reload.limit, SWITCH_LIMIT_MS);
	switch_to_new();
	log_info("reloaded generation=%llu", (unsigned long long)master.generation);
	end_if_all_switched();
}

void
reload_on_checked(int status)
{
	struct why why;

	if (master.reload.state != RELOAD_CHECKING)
		return;
	master.reload.checker = 0;
	if (!WIFEXITED(status))
		refuse("its reader died");
	else if (try_new(&why) == -1)
		refuse(why.text);
	else
		switch_if_all_ok();
}

void
reload_on_answer(struct kid *k, uint64_t generation, const struct str *why)
{
	char reason[512];

	if (master.reload.state != RELOAD_ASKING || generation != master.reload.generation)
		return;
	if (why != NULL) {
		snprintf(reason, sizeof reason, "%s: %.*s", kid_name(k), STR_ARG(*why));
		refuse(reason);
		return;
	}
	k->said_ok = true;
	switch_if_all_ok();
}
