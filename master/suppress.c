/*
 * What bounced needs of master for the suppression database: the files of address lists, opened here where the rights
 * are, and its filters passed on to those who ask it. Nothing of either is read here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "master/master.h"

static const unsigned filter_users = ROLE_BIT(ROLE_INJECT) | ROLE_BIT(ROLE_QUEUE);

/* ---- files of addresses ---- */

static int
open_file(const char *path, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1) {
		why_errno(why, "the address-file %s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return why_set(why, "the address-file %s is no file", path);
}

static int
give_file(struct kid *k, struct str name, struct why *why)
{
	const struct ipc_fd head = {.kind = FD_ADDRESS_FILE};
	char *path = xstrdup_str(name);
	int fd = open_file(path, why);

	free(path);
	if (fd == -1)
		return -1;
	if (k != NULL)
		ipc_send(k->chan, IPC_GIVE_FD, &head, &name, fd);
	close(fd);
	return 0;
}

int
give_address_files(struct kid *k, const struct conf *c, struct why *why)
{
	struct str parent;

	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ADDRESSES); i++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ADDRESSES, i);
		/* those of processors are read with the configuration */
		if (conf_block_parent(c, CONF_BLOCK_ADDRESSES, i, &parent) != CONF_BLOCK_GLOBAL)
			continue;
		for (size_t n = 0; n < conf_n(set, CONF_ADDRESSES_ADDRESS_FILE); n++)
			if (give_file(k, conf_item(set, CONF_ADDRESSES_ADDRESS_FILE, n), why) == -1)
				return -1;
	}
	return 0;
}

/* ---- filters ---- */

static void
give_filter(struct kid *k, uint32_t index)
{
	const struct ipc_fd head = {.kind = FD_SUPPRESS_FILTER, .index = index};
	const struct str text = STR("");

	if (master.filter_fd[index] != -1)
		ipc_send(k->chan, IPC_GIVE_FD, &head, &text, master.filter_fd[index]);
}

void
give_filters(struct kid *k)
{
	for (uint32_t i = 0; ROLE_BIT(k->role) & filter_users && i < MASTER_FILTERS; i++)
		give_filter(k, i);
}

void
filter_came(struct kid *k, struct ipc_msg *m)
{
	const struct ipc_filter *f = m->head;

	if (f->index >= MASTER_FILTERS) {
		log_error("%s gave a filter that nobody asked for", kid_name(k));
		return;
	}
	if (master.filter_fd[f->index] != -1)
		close(master.filter_fd[f->index]);
	master.filter_fd[f->index] = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	for (size_t i = 0; i < master.n_kids; i++)
		if (kid_is_running(&master.kids[i]) && ROLE_BIT(master.kids[i].role) & filter_users)
			give_filter(&master.kids[i], f->index);
}
