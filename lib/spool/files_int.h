/*
 * The spool's names and the only way to open them: relative to held directories, O_CLOEXEC | O_NOFOLLOW, regular,
 * with one link. Writing here is always whole or an error. Must never take a name from outside text.
 */
#ifndef PH_SPOOL_FILES_INT_H
#define PH_SPOOL_FILES_INT_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/base.h"
#include "lib/base/io.h"
#include "lib/base/why.h"

#define SPOOL_NAME    40 /* room for any name below */
#define SPOOL_FMODE   0640
#define SPOOL_WRITERS 16

/* "W-NNNNNNNN", "W.id" */
const char *segment_name(char name[SPOOL_NAME], unsigned writer, uint32_t segment);
bool segment_name_parse(const char *name, unsigned *writer, uint32_t *segment);
const char *writer_name(char name[SPOOL_NAME], unsigned writer);
/* "hh": files of one second share a directory, so that a batch syncs few of them */
const char *queue_dir_name(char name[SPOOL_NAME], uint64_t id);
/* "iiiiiiiiiiiiiiii" */
const char *id_name(char name[SPOOL_NAME], uint64_t id);
bool id_name_parse(const char *name, uint64_t *id);
/* "NNNNNNNN" */
const char *done_name(char name[SPOOL_NAME], uint32_t number);
bool done_name_parse(const char *name, uint32_t *number);

/* A directory, not through a link. -1 with errno. */
int open_dir(int dirfd, const char *name) PH_MUST_CHECK;
/* A plain file with one link; ELOOP, EMLINK or EINVAL (not regular) when it is something else. -1 with errno. */
int open_file(int dirfd, const char *name, int flags) PH_MUST_CHECK;
/* The same below "queue/hh" of queue_fd. */
int open_queue_file(int queue_fd, uint64_t id, int flags) PH_MUST_CHECK;
/* Makes a file that must not be there, mode as given whatever the umask. -1 with errno. */
int create_file(int dirfd, const char *name, mode_t mode) PH_MUST_CHECK;

/* Opens, syncs and closes the directory. */
int sync_dir(int dirfd, const char *name) PH_MUST_CHECK;
/* Renames without replacing, where the file system can say that. */
int rename_new(int from_fd, const char *from, int to_fd, const char *to) PH_MUST_CHECK;
/* Room on disk for the whole file, so that later writes cannot run out of it. */
int allocate_file(int fd, size_t bytes, bool zero) PH_MUST_CHECK;

/* errno as the reply a client gets: 452 4.3.1 for want of space, else 451 4.3.0. Returns -1. */
int why_disk(struct why *why, const char *what);

#endif
