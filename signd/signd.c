#include "signd/signd.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/stats/stats.h"

struct signd signd;

struct keyset *
signd_set(uint64_t generation)
{
	for (size_t i = 0; i < MAX_SETS && signd.sets[i] != NULL; i++)
		if (keyset_generation(signd.sets[i]) == generation)
			return signd.sets[i];
	return NULL;
}

/* An older configuration on trial was given up when a newer one comes; what is in force stays. */
static void
forget_others(void)
{
	size_t n = 0;

	for (size_t i = 0; i < MAX_SETS; i++) {
		if (signd.sets[i] == NULL || keyset_generation(signd.sets[i]) == signd.in_use)
			continue;
		keyset_free(&signd.sets[i]);
	}
	for (size_t i = 0; i < MAX_SETS; i++)
		if (signd.sets[i] != NULL)
			signd.sets[n++] = signd.sets[i];
	while (n < MAX_SETS)
		signd.sets[n++] = NULL;
}

static void
take_keys(const struct ipc_keys *head, int fd)
{
	struct keyset *s;
	struct why why;

	s = keyset_read(head, fd, &why);
	if (s == NULL)
		fatal("event=keys reason=\"%s\"", why.text);
	forget_others();
	for (size_t i = MAX_SETS - 1; i > 0; i--)
		signd.sets[i] = signd.sets[i - 1];
	signd.sets[0] = s;
	asked_tell(s);
	stat_set(STAT_SIGN_KEYS, keyset_n(s));
	log_info(
	    "event=keys generation=%llu n=%u", (unsigned long long)head->generation, keyset_n(s));
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	if (m->type != IPC_KEYS)
		fatal("event=strange-message type=%s", ipc_type_name(m->type));
	take_keys(m->head, m->fd);
	/* the descriptor goes with the message: closed behind the handler */
}

/* what is in flight may still be of the one before: its keys stay until the next configuration comes */
static void
on_config(const struct conf *old)
{
	signd.in_use = daemon_generation();
}

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	close(fd); /* it needs none */
}

static void
on_stop(int64_t drain_ms)
{
	daemon_exit();
}

const struct daemon_ops signd_daemon = {
    .role = ROLE_SIGN,
    .give_fd = on_give_fd,
    .peer = asked_peer,
    .config = on_config,
    .stop = on_stop,
    .msg = on_msg,
};

void
signd_finish(void)
{
	asked_finish();
	for (size_t i = 0; i < MAX_SETS; i++)
		keyset_free(&signd.sets[i]);
}
