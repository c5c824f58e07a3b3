#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/sync_int.h"

/* The file that was kept in reserve for a full disk, with its new name. */
static int
take_spare(int dir, const char *name)
{
	int fd = open_file(dir, "spare", O_RDWR);
	struct stat st;

	/* looked at before it gets the name: a directory planted there could not be taken away again */
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == DONE_FILE_BYTES &&
	    rename_new(dir, "spare", dir, name) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	unlinkat(dir, "spare", 0);
	return -1;
}

/* That one, or a new one; -1 with errno, and then there is no such file. */
static int
make_file(const struct sync_job *job)
{
	int dir = job->s->done_fd, fd, err;
	char name[SPOOL_NAME];
	bool is_there;

	fd = take_spare(dir, done_name(name, job->head.number));
	is_there = fd >= 0;
	if (!is_there)
		fd = create_file(dir, name, SPOOL_FMODE);
	if (fd < 0)
		return -1;
	if ((is_there || allocate_file(fd, DONE_FILE_BYTES, true) == 0) && fsync(dir) == 0)
		return fd;
	err = errno;
	close(fd);
	unlinkat(dir, name, 0);
	errno = err;
	return -1;
}

static void
put_lines(char *p, uint32_t number, const struct line_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		done_line_write(p + i * DONE_LINE, number, &l->line[i]);
}

static int
write_lines(struct sync_job *job, bool is_new)
{
	size_t len = (job->table.n + job->lines.n) * DONE_LINE + (is_new ? BLOCK_BYTES : 0);
	char *text = xmalloc(len + 1), *p = text;
	int r;

	if (is_new) {
		done_header_write(text, &job->head);
		p += BLOCK_BYTES;
	}
	put_lines(p, job->head.number, &job->table);
	put_lines(p + job->table.n * DONE_LINE, job->head.number, &job->lines);
	r = pwrite_all(job->fd, text, len, is_new ? 0 : BLOCK_BYTES + job->at * DONE_LINE);
	free(text);
	return r < 0 ? -1 : fdatasync(job->fd);
}

/* What was begun must not take the disk's last room at each try. False: it may come back with the power. */
static bool
is_removed(const struct sync_job *job)
{
	int dir = job->s->done_fd;
	char name[SPOOL_NAME];

	return unlinkat(dir, done_name(name, job->head.number), 0) == 0 && fsync(dir) == 0;
}

void
sync_job_run(struct ev_work *work)
{
	struct sync_job *job = ph_container_of(work, struct sync_job, work);
	bool is_new = job->fd < 0;

	if (is_new)
		job->fd = make_file(job);
	if (job->fd >= 0 && write_lines(job, is_new) == 0)
		return;
	job->failed = true;
	why_disk(&job->why, "Cannot write the done log");
	if (!is_new || job->fd < 0 || !is_removed(job))
		return;
	close(job->fd);
	job->fd = -1;
}
