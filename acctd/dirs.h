/*
 * The directories that master gave: descriptors by path. One that was replaced or taken stays open until the
 * writer is idle, since its thread may be using it.
 */
#ifndef PH_ACCTD_DIRS_H
#define PH_ACCTD_DIRS_H

#include "lib/ipc/ipc.h"

#define DIRS_MAX 256

struct dirs {
	struct dir {
		char *path; /* owned */
		uint32_t kind, index;
		int fd;
		bool is_gone;
	} list[DIRS_MAX];
	size_t n;
};

/* Takes fd. */
void dirs_give(struct dirs *d, const struct ipc_fd *what, struct str path, int fd);
void dirs_take(struct dirs *d, const struct ipc_fd *what);
/* The directory's descriptor, -1: was not given. */
int dirs_find(const struct dirs *d, struct str path);
/* Closes what is gone; nobody may be using it. */
void dirs_reap(struct dirs *d);
void dirs_clear(struct dirs *d);
void dirs_each(const struct dirs *d, void (*visit)(int fd));

#endif
