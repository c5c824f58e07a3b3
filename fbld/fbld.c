#include "fbld/fbld.h"

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct fbld *f = ipc_ctx(c);

	if (m->type == IPC_PROCESS)
		processor_answer(f->processor, m->head, c);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct fbld *f = ipc_ctx(c);

	log_info("event=queued-gone text=\"%s\"", why->text);
	ipc_chan_free(&f->queue);
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

void
fbld_queue_up(struct fbld *f, int fd)
{
	ipc_chan_free(&f->queue);
	f->queue = ipc_chan_new(fd, ROLE_FBL, ROLE_QUEUE, 0, &events, f);
}

void
fbld_init(struct fbld *f)
{
	if (f->spool_fd == -1)
		fatal("event=no-spool text=\"master gave no spool directory\"");
	f->processor = processor_new(f->spool_fd, CONF_COMPLAINTS, f->has_track ? &f->track : NULL);
	processor_use_conf(f->processor, daemon_conf());
}

void
fbld_clear(struct fbld *f)
{
	ipc_chan_free(&f->queue);
	processor_free(&f->processor);
}
