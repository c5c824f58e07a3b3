/*
 * Words of the queue replay for what deliverd tells of an earlier queued's transactions.
 */
#include "tests/replay/queue_replay.h"

static uint64_t
next_message(struct str *arg)
{
	struct str name;

	if (!str_next_word(arg, &name))
		replay_die("a message is missing");
	for (size_t i = 0; i < replay.n_messages; i++)
		if (str_eq(name, str_of(replay.messages[i].name)))
			return replay.messages[i].id;
	replay_die("no such message");
}

static void
do_orphan(struct str arg)
{
	struct ipc_orphan_result r = {.result = {.id = next_message(&arg), .bytes = 20},
	    .dst = {.family = 4, .bytes = {10, 0, 0, 9}, .port = 25}};
	struct str texts[5] = {STR(""), STR("mx.of.old"), STR(""), STR("TLSv1.3"), STR("cipher")};
	struct str outcome;

	r.result.rcpt = (uint32_t)replay_number(&arg);
	if (!str_next_word(&arg, &outcome))
		replay_die("orphan MESSAGE RCPT OUTCOME");
	r.result.outcome = str_eq(outcome, STR("delivered")) ? OUT_DELIVERED : OUT_FAILED;
	replay_reply(&arg, &r.result.code, r.result.enh);
	texts[0] = arg;
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_ORPHAN_RESULT, &r, texts);
}

static void
tell(enum ipc_type type, struct str arg)
{
	struct ipc_orphan o = {.id = next_message(&arg)};
	struct str vmta = STR("");

	o.rcpt = (uint32_t)replay_number(&arg);
	ipc_test_deliver(replay.chan[ROLE_DELIVER], type, &o, &vmta);
}

static void
do_pending(struct str arg)
{
	tell(IPC_ORPHAN_PENDING, arg);
}

static void
do_untried(struct str arg)
{
	tell(IPC_ORPHAN_UNTRIED, arg);
}

static void
do_end(struct str arg)
{
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_ORPHANS_END, NULL, NULL);
}

static const struct replay_word words[] = {
    {"orphan", do_orphan},
    {"pending", do_pending},
    {"untried", do_untried},
    {"orphans-end", do_end},
};

bool
replay_orphans(struct str word, struct str arg)
{
	for (size_t i = 0; i < countof(words); i++) {
		if (str_eq(word, str_of(words[i].word))) {
			words[i].run(arg);
			return true;
		}
	}
	return false;
}
