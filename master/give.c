#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/paths.h"

static const unsigned spool_users = ROLE_BIT(ROLE_INJECT) | ROLE_BIT(ROLE_QUEUE) |
				    ROLE_BIT(ROLE_DELIVER) | ROLE_BIT(ROLE_BOUNCE) |
				    ROLE_BIT(ROLE_ACCT) | ROLE_BIT(ROLE_FBL);
static const unsigned key_users =
    ROLE_BIT(ROLE_DELIVER) | ROLE_BIT(ROLE_BOUNCE) | ROLE_BIT(ROLE_FBL);

static void
give(struct kid *k, enum ipc_fd_kind kind, uint32_t index, const char *text, int fd)
{
	const struct ipc_fd head = {.kind = kind, .index = index};
	const struct str t = str_of(text);

	ipc_send(k->chan, IPC_GIVE_FD, &head, &t, fd);
}

static void
give_stats_page(struct kid *k, enum ipc_role role, uint32_t instance, int fd)
{
	const struct ipc_fd head = {.kind = FD_STATS_PAGE, .index = instance, .role = role};
	const struct str t = str_of(ipc_role_name(role));

	ipc_send(k->chan, IPC_GIVE_FD, &head, &t, fd);
}

static void
give_stats_pages(struct kid *k)
{
	give_stats_page(k, k->role, k->instance, k->stats_fd);
	if (k->role != ROLE_QUEUE && k->role != ROLE_WEB)
		return;
	give_stats_page(k, ROLE_MASTER, 0, master.stats_fd);
	for (size_t i = 0; i < master.n_kids; i++) {
		if (&master.kids[i] != k)
			give_stats_page(k, master.kids[i].role, master.kids[i].instance,
			    master.kids[i].stats_fd);
	}
}

/* for the monitor's page; a log that cannot be read, such as a pipe, is none */
static void
give_log_to_read(struct kid *k)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", master.log_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return;
	give(k, FD_LOG_READ, 0, "", fd);
	close(fd);
}

void
give_log(struct kid *k)
{
	/* index 1: in the foreground, to standard error as well */
	if (!kid_is_running(k))
		return;
	give(k, FD_LOG, master.options.foreground, "", master.log_fd);
	if (k->role == ROLE_WEB)
		give_log_to_read(k);
}

void
give_tls_files(struct kid *k, const struct tls_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].roles & ROLE_BIT(k->role))
			give(k, FD_TLS_FILE, (uint32_t)i, f->list[i].path, f->list[i].fd);
}

static bool
is_listener_of(const struct kid *k, size_t i)
{
	return k->role ==
	       (master.listeners.list[i].kind == FD_LISTEN_HTTP ? ROLE_WEB : ROLE_INJECT);
}

void
give_listeners(struct kid *k)
{
	const struct listener *l;
	char text[NET_ADDR_TEXT];

	for (size_t i = 0; i < master.listeners.n; i++) {
		l = &master.listeners.list[i];
		if (is_listener_of(k, i))
			give(k, l->kind, (uint32_t)i, net_addr_text_port(&l->addr, text), l->fd);
	}
}

void
take_listeners(struct kid *k)
{
	char text[NET_ADDR_TEXT];

	for (size_t i = 0; i < master.listeners.n; i++) {
		const struct listener *l = &master.listeners.list[i];
		const struct ipc_fd head = {.kind = l->kind, .index = (uint32_t)i};
		const struct str t = str_of(net_addr_text_port(&l->addr, text));
		if (is_listener_of(k, i))
			ipc_send(k->chan, IPC_TAKE_FD, &head, &t, -1);
	}
}

/* the directory part of an accounting file's name: "." when it has none */
static char *
dir_of(struct str file)
{
	size_t slash = str_rfind(file, '/');

	if (slash == STR_NPOS)
		return xstrdup(".");
	return xstrdup_str(slash == 0 ? STR("/") : str_sub(file, 0, slash));
}

/* a directory of accounting, and which file's it is */
struct acct_dir {
	char *path; /* owned */
	enum ipc_fd_kind kind;
	size_t index;
};

static void
add_acct_dir(struct acct_dir *list, size_t *n, char *path, enum ipc_fd_kind kind, size_t index)
{
	list[(*n)++] = (struct acct_dir){.path = path, .kind = kind, .index = index};
}

static size_t
find_acct_dirs(const struct conf *c, struct acct_dir *list)
{
	size_t n = 0;

	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACCT); i++) {
		struct str name = conf_block_name(c, CONF_BLOCK_ACCT, i);
		struct str move = conf_str(conf_block_at(c, CONF_BLOCK_ACCT, i), CONF_ACCT_MOVE_TO);
		if (str_is_empty(name) || name.p[0] == '|')
			continue;
		add_acct_dir(list, &n, dir_of(name), FD_ACCT_DIR, i);
		if (!str_is_empty(move))
			add_acct_dir(list, &n, xstrdup_str(move), FD_MOVE_DIR, i);
	}
	return n;
}

static int
by_length(const void *a, const void *b)
{
	const struct acct_dir *x = a, *y = b;
	size_t x_len = strlen(x->path), y_len = strlen(y->path);

	return (x_len < y_len) - (x_len > y_len);
}

static int
give_acct_dir(struct kid *k, const struct acct_dir *d, struct why *why)
{
	int fd = dirs_open_acct(d->path, why);

	if (fd == -1)
		return -1;
	if (k != NULL)
		give(k, d->kind, (uint32_t)d->index, d->path, fd);
	close(fd);
	return 0;
}

/* What lies in another comes before it: in a directory that is given away, nothing more is. */
int
give_acct_dirs(struct kid *k, const struct conf *c, struct why *why)
{
	struct acct_dir *list = xcalloc(2 * conf_n_blocks(c, CONF_BLOCK_ACCT) + 1, sizeof *list);
	size_t n = find_acct_dirs(c, list);
	int r = 0;

	qsort(list, n, sizeof *list, by_length);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = give_acct_dir(k, &list[i], why);
		free(list[i].path);
	}
	free(list);
	return r;
}

int
give_pickup_dirs(struct kid *k, const struct conf *c, struct why *why)
{
	struct str value = conf_str(conf_global(c), CONF_GLOBAL_PICKUP);
	char dir[PATH_MAX], bad[PATH_MAX];
	int dir_fd, bad_fd;

	if (!conf_arg(value, 0, dir, sizeof dir) || !conf_arg(value, 1, bad, sizeof bad))
		return 0;
	dir_fd = dirs_open_pickup(dir, -1, why);
	if (dir_fd == -1)
		return -1;
	bad_fd = dirs_open_pickup(bad, dir_fd, why);
	if (k != NULL && bad_fd != -1) {
		give(k, FD_PICKUP_DIR, 0, dir, dir_fd);
		give(k, FD_PICKUP_BAD, 0, bad, bad_fd);
	}
	close(dir_fd);
	if (bad_fd == -1)
		return -1;
	close(bad_fd);
	return 0;
}

/* none learns the passwords that it does not need */
static unsigned
reader(enum ipc_role role)
{
	if (role == ROLE_INJECT)
		return CONF_FOR_INJECTION;
	if (role == ROLE_WEB)
		return CONF_FOR_MONITOR;
	return role == ROLE_DELIVER ? CONF_FOR_DELIVERY : CONF_FOR_OTHERS;
}

int
give_config(struct kid *k, const struct conf *c, uint64_t generation, struct why *why)
{
	/* one for each: they would share the position in the file */
	int fd = conf_snapshot_for(c, reader(k->role));

	if (fd == -1)
		return why_errno(why, "a snapshot of the configuration cannot be made");
	ipc_send(k->chan, IPC_CONFIG, &(struct ipc_config){.generation = generation}, NULL, fd);
	close(fd);
	return 0;
}

void
give_keys(struct kid *k, const struct conf *c, uint64_t generation, int fd)
{
	const struct ipc_keys head = {
	    .generation = generation, .hash = conf_key_files_hash(c), .n = conf_n_key_files(c)};

	ipc_send(k->chan, IPC_KEYS, &head, NULL, fd);
}

int
give_start_set(struct kid *k, struct why *why)
{
	char *spool = paths_in_spool(master.conf, "");

	give_log(k);
	if (ROLE_BIT(k->role) & spool_users)
		give(k, FD_SPOOL_DIR, 0, spool, master.spool_fd);
	free(spool);
	if (ROLE_BIT(k->role) & key_users)
		give(k, FD_TRACK_KEY, 0, "", master.track_fd);
	give_stats_pages(k);
	if (k->role == ROLE_SIGN)
		give_keys(k, master.conf, master.generation, master.keys_fd);
	if (give_config(k, master.conf, master.generation, why) == -1)
		return -1;
	give_tls_files(k, &master.tls_files);
	give_filters(k);
	if (k->role == ROLE_INJECT)
		give(k, FD_INJECT_BOARD, 0, "", master.board_fd);
	if (k->role == ROLE_INJECT && k->instance == 0 &&
	    give_pickup_dirs(k, master.conf, why) == -1)
		return -1;
	give_listeners(k);
	if (k->role == ROLE_QUEUE)
		give(k, FD_LISTEN_CONTROL, 0, "control", master.control_fd);
	if (k->role == ROLE_BOUNCE)
		return give_address_files(k, master.conf, why);
	if (k->role == ROLE_ACCT)
		return give_acct_dirs(k, master.conf, why);
	return 0;
}

/* number UINT32_MAX: each is told the other's instance, else the number of the channel */
static int
join_once(struct kid *a, struct kid *b, uint32_t number)
{
	bool is_one = number == UINT32_MAX;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	ipc_send(a->chan, IPC_PEER,
	    &(struct ipc_peer){.role = b->role, .instance = is_one ? b->instance : number}, NULL,
	    fds[0]);
	ipc_send(b->chan, IPC_PEER,
	    &(struct ipc_peer){.role = a->role, .instance = is_one ? a->instance : number}, NULL,
	    fds[1]);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* several questions of the monitor's are answered at a time, one in each */
#define WEB_CHANNELS 4

static int
join(struct kid *a, struct kid *b)
{
	bool is_web = a->role == ROLE_WEB || b->role == ROLE_WEB;

	for (uint32_t i = 0; i < (is_web ? WEB_CHANNELS : 1u); i++)
		if (join_once(a, b, is_web ? i : UINT32_MAX) == -1)
			return -1;
	return 0;
}

/* who has anything to ask of these two */
static const unsigned sign_askers = ROLE_BIT(ROLE_DELIVER);
static const unsigned exec_askers =
    ROLE_BIT(ROLE_ACCT) | ROLE_BIT(ROLE_DELIVER) | ROLE_BIT(ROLE_BOUNCE) | ROLE_BIT(ROLE_QUEUE);

/* queued is everybody else's peer; injectd has checks made by dnsd, and asks bounced */
static bool
are_peers(enum ipc_role a, enum ipc_role b)
{
	unsigned both = ROLE_BIT(a) | ROLE_BIT(b);

	if ((both & ROLE_BIT(ROLE_SIGN)) != 0)
		return (both & sign_askers) != 0;
	if ((both & ROLE_BIT(ROLE_EXEC)) != 0)
		return (both & exec_askers) != 0;
	if (both == (ROLE_BIT(ROLE_INJECT) | ROLE_BIT(ROLE_DNS)) ||
	    both == (ROLE_BIT(ROLE_INJECT) | ROLE_BIT(ROLE_BOUNCE)))
		return true;
	return (both & ROLE_BIT(ROLE_QUEUE)) != 0;
}

/* False: k is killed, and comes again. */
static bool
join_if_peers(struct kid *k, struct kid *other)
{
	if (other == k || !kid_is_running(other) || !are_peers(k->role, other->role) ||
	    join(k, other) == 0)
		return true;
	/* what is short may come back: it is tried again with all that belongs to a start */
	log_error("%s cannot be joined with %s: %s", kid_name(k), ipc_role_name(other->role),
	    strerrordesc_np(errno));
	kid_kill(k);
	return false;
}

void
give_peers(struct kid *k)
{
	for (size_t i = 0; i < master.n_kids; i++)
		if (!join_if_peers(k, &master.kids[i]))
			return;
}

void
give_all_peers(void)
{
	for (size_t i = 0; i < master.n_kids; i++)
		for (size_t k = 0; k < i; k++)
			if (!join_if_peers(&master.kids[i], &master.kids[k]))
				break;
}
