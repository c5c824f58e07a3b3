/*
 * Words of the queue replay for what comes to a processor: `read DAEMON begun|unmatched|matched|error [RECORDS]` answers
 * for the message that it was given last; `copied yes|no`.
 */
#include "lib/base/num.h"
#include "tests/replay/queue_replay.h"

static void
send_records(struct ipc_chan *c, uint32_t n)
{
	const struct str texts[5] = {
	    STR("\x04\x00\x01rcptx"), STR("u@far.test"), STR(""), STR(""), STR("")};

	for (uint32_t i = 0; i < n; i++) {
		struct ipc_processed_rcpt r = {.id = replay.process.place.id,
		    .handle = replay.process.handle,
		    .nth = i,
		    .type = ACCT_REMOTE_BOUNCE};
		ipc_test_deliver(c, IPC_PROCESSED_RCPT, &r, texts);
	}
}

static void
do_read(struct str arg)
{
	static const char *const names[PROCESS_VERDICTS] = {
	    "begun", "unmatched", "matched", "error"};
	struct str daemon, verdict, text = STR("");
	struct ipc_processed done = {
	    .id = replay.process.place.id, .handle = replay.process.handle, .verdict = 99};
	struct ipc_chan *c;

	if (!str_next_word(&arg, &daemon) || !str_next_word(&arg, &verdict))
		replay_die("read DAEMON VERDICT [RECORDS]");
	c = replay.chan[str_eq(daemon, STR("fbld")) ? ROLE_FBL : ROLE_BOUNCE];
	for (uint32_t i = 0; i < countof(names); i++)
		if (str_eq(verdict, str_of(names[i])))
			done.verdict = i;
	if (str_trim(arg).len > 0)
		done.n = (uint32_t)replay_number(&arg);
	send_records(c, done.n);
	ipc_test_deliver(c, IPC_PROCESSED, &done, &text);
}

static void
do_copied(struct str arg)
{
	struct ipc_errand_done done = {.token = replay.copy.token, .ok = str_eq(arg, STR("yes"))};

	ipc_test_deliver(replay.chan[ROLE_BOUNCE], IPC_ERRAND_DONE, &done, NULL);
}

static const struct replay_word words[] = {
    {"read", do_read},
    {"copied", do_copied},
};

bool
replay_reports(struct str word, struct str arg)
{
	for (size_t i = 0; i < countof(words); i++) {
		if (str_eq(word, str_of(words[i].word))) {
			words[i].run(arg);
			return true;
		}
	}
	return false;
}
