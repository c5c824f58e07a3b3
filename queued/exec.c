#include "queued/exec.h"

#include "lib/daemon/daemon.h"

static struct {
	struct runner runner;
	struct commands commands;
	bool made;
} ex;

struct runner *
exec_runner(void)
{
	if (!ex.made)
		runner_init(&ex.runner, NULL);
	ex.made = true;
	return &ex.runner;
}

const struct commands *
exec_commands(void)
{
	return &ex.commands;
}

void
exec_peer(int fd)
{
	runner_peer(exec_runner(), ROLE_QUEUE, fd);
}

void
exec_configure(void)
{
	commands_clear(&ex.commands);
	commands_make(&ex.commands, daemon_conf());
}
