#include "master/master.h"

#include "lib/base/log.h"

typedef void ask_handler(uint32_t token);

void
ask_answer(uint32_t token, bool ok, const char *text)
{
	const struct ipc_answer head = {.token = token, .ok = ok};
	const struct str t = str_of(text);

	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->role == ROLE_QUEUE && kid_is_running(k))
			ipc_send(k->chan, IPC_ANSWER, &head, &t, -1);
	}
}

static void
ask_reload(uint32_t token)
{
	reload_start(true, token);
}

static void
ask_rotate_log(uint32_t token)
{
	struct why why;
	bool ok = log_file_rotate(&why) == 0;

	if (!ok)
		log_warn("log not rotated reason=\"%s\"", why.text);
	ask_answer(token, ok, ok ? "the log was rotated" : why.text);
}

static void
ask_stop(uint32_t token)
{
	ask_answer(token, true, "stopping");
	stop_begin(0);
}

static ask_handler *const handlers[] = {
    [ASK_RELOAD] = ask_reload,
    [ASK_ROTATE_LOG] = ask_rotate_log,
    [ASK_STOP] = ask_stop,
};

void
ask_handle(struct kid *k, struct ipc_msg *m)
{
	const struct ipc_ask *a = m->head;

	if (a->what < countof(handlers) && handlers[a->what] != NULL)
		handlers[a->what](a->token);
	else
		ask_answer(a->token, false, "master does not do that");
}
