/*
 * Requests to queued over the control socket: each line is one, its first byte the command (from '!' on), then its arguments
 * with TABs between them. Whatever they are, an answer has one end, and pmtactl can take each leaf of it. (The frames are
 * ipc_fuzz's, the printing answer_fuzz's.)
 */
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ctl/commands.h"
#include "lib/ctl/tree.h"
#include "lib/ev/ev.h"
#include "queued/control/control.h"
#include "queued/state.h"
#include "tests/replay/queue_replay.h"

#define FEW_TURNS  5
#define MAX_TURNS  500
#define FIRST_BYTE 0x20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/control-fuzz-XXXXXX";

/* ---- queued and its mail ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void
remove_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
begin(void)
{
	static const char *const script[] = {"conf host-name mta.test",
	    "conf <virtual-mta v1>\nsmtp-source-host 127.0.0.1 v1.test\n</virtual-mta>",
	    "conf <domain *>\nretry-after 10m\nbounce-after 4d\n</domain>",
	    "conf <domain b.test>\nmax-smtp-out 2\n</domain>", "start"};

	ph_assert(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
	ph_assert(freopen("/dev/null", "w", stdout) != NULL);
	replay_begin(folder);
	for (size_t i = 0; i < countof(script); i++)
		replay_run(str_of(script[i]));
}

static void
accept_some(void)
{
	static const char *const mail[] = {"accept m a@src.test u@b.test,v@b.test,w@c.test job=j1",
	    "accept m <> u@b.test vmta=v1 prio=9",
	    "accept m x@src.test u@c.test windows=1h-2h;3h-4h"};

	if (qd.messages.n_used >= 6)
		return;
	for (size_t i = 0; i < countof(mail); i++)
		replay_run(str_of(mail[i]));
	for (size_t i = 0; i < replay.n_messages; i++)
		xfree(&replay.messages[i].name);
	replay.n_messages = 0;
}

/* questions that nobody answers */
static void
forget_asked(void)
{
	for (size_t i = 0; i < countof(replay.asked); i++)
		xfree(&replay.asked[i].name);
}

/* ---- a client ---- */

static struct ipc_chan *
connect_client(void)
{
	struct ipc_chan *chan;

	control_add_web(0, -1);
	chan = replay.chan[ROLE_WEB];
	replay.chan[ROLE_WEB] = NULL; /* what it hears is read here */
	return chan;
}

/* all that came; true: the answer's end */
static bool
hear(struct ipc_chan *chan, struct tree *t)
{
	const struct ipc_ctl_field *f;
	struct ipc_msg m;
	bool is_end = false;

	while (ipc_test_take(chan, &m)) {
		ph_assert(!is_end);
		is_end = m.type == IPC_CTL_END;
		f = m.head;
		if (m.type == IPC_CTL_FIELD)
			ph_assert(tree_add(t, m.text[0], m.text[1], (enum ctl_value)f->kind) == 0);
	}
	return is_end;
}

/* those that go on until the client leaves, or that another process answers */
static bool
is_without_end(uint32_t command)
{
	static const enum ctl_command list[] = {CTL_TAIL, CTL_TRACE, CTL_RESOLVE, CTL_SHOW_PRECACHE,
	    CTL_CHECK_SPF, CTL_CHECK_MFROM, CTL_ROTATE_ACCT, CTL_RELOAD, CTL_ROTATE_LOG, CTL_STOP};

	for (size_t i = 0; i < countof(list); i++)
		if (list[i] == command)
			return true;
	return command >= CTL_SHOW_SUPPRESSED;
}

static void
ask(uint32_t command, const struct str args[ARG_MAX])
{
	struct ipc_ctl_request req = {.command = command, .max = 3};
	struct ipc_chan *chan = connect_client();
	bool has_end = !is_without_end(command);
	unsigned turns = 0, max = has_end ? MAX_TURNS : FEW_TURNS;
	struct tree t;

	tree_init(&t);
	ipc_test_deliver(chan, IPC_CTL_REQUEST, &req, args);
	while (!hear(chan, &t) && ++turns < max) {
		ev_fake_advance_ms(1);
		replay_settle();
	}
	if (turns == max && has_end)
		panic("command %u has no end", command);
	ipc_test_down(chan);
	tree_clear(&t);
}

/* what a pause is ended with, so that they do not pile up; 0: it is none */
static uint32_t
opposite(uint32_t command)
{
	if (command == CTL_PAUSE_QUEUE || command == CTL_PAUSE_JOB || command == CTL_PAUSE_DOMAIN)
		return command + 1;
	return command == CTL_HOLD ? CTL_RELEASE : 0;
}

static void
run_line(struct str line)
{
	uint32_t command = (unsigned char)line.p[0] - FIRST_BYTE;
	struct str args[ARG_MAX] = {STR_NULL}, rest = str_skip(line, 1);

	for (size_t i = 0; i < ARG_MAX && rest.len > 0; i++)
		if (!str_next(&rest, '\t', &args[i]))
			break;
	for (size_t i = 0; i < ARG_MAX; i++)
		if (args[i].len > CONTROL_MAX_ARG + 1) /* the channel's sender would not */
			return;
	ask(command, args);
	if (opposite(command) != 0)
		ask(opposite(command), args);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from((const char *)data, size), line;

	if (replay.conf == NULL)
		begin();
	accept_some();
	while (rest.len > 0 && str_next(&rest, '\n', &line))
		if (line.len > 0)
			run_line(line);
	replay_settle();
	forget_asked();
	return 0;
}
