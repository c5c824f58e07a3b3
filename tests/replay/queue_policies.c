/*
 * Words of the queue replay for MTA-STS: what dnsd and posthttp answer.
 */
#include "lib/spf/spf.h"
#include "tests/replay/queue_replay.h"

static struct ipc_check asked;
static uint32_t job;

void
replay_said_check(const struct ipc_msg *m)
{
	asked = *(const struct ipc_check *)m->head;
	replay_event("check %.*s", STR_ARG(m->text[0]));
}

void
replay_said_run(const struct ipc_msg *m)
{
	job = ((const struct ipc_exec_run *)m->head)->job;
	replay_event("run");
}

static void
do_texts(struct str arg)
{
	bool is_none = str_eq(arg, STR("-"));
	struct ipc_checked head = {.req = asked.req,
	    .kind = asked.kind,
	    .result = (uint8_t)(is_none ? SPF_NONE : SPF_PASS)};
	struct str texts[3] = {STR_NULL, STR_NULL, is_none ? STR_NULL : arg};

	ipc_test_deliver(replay.chan[ROLE_DNS], IPC_CHECKED, &head, texts);
}

static void
do_fetched(struct str arg)
{
	struct ipc_exec_done done = {.job = job, .end = EXEC_EXITED};

	ipc_test_deliver(replay.chan[ROLE_EXEC], IPC_EXEC_DONE, &done, &arg);
}

bool
replay_policies(struct str word, struct str arg)
{
	if (str_eq(word, STR("texts")))
		do_texts(arg);
	else if (str_eq(word, STR("fetched")))
		do_fetched(arg);
	else
		return false;
	return true;
}
