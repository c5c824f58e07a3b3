#include "acctd/dirs.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

static struct str
plain(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

void
dirs_take(struct dirs *d, const struct ipc_fd *what)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->list[i].kind == what->kind && d->list[i].index == what->index)
			d->list[i].is_gone = true;
	}
}

void
dirs_give(struct dirs *d, const struct ipc_fd *what, struct str path, int fd)
{
	dirs_take(d, what);
	if (d->n == DIRS_MAX) {
		log_error("acct directory=%s there are more than %d directories", log_quote(path),
		    DIRS_MAX);
		close(fd);
		return;
	}
	d->list[d->n++] = (struct dir){
	    .path = xstrdup_str(plain(path)), .kind = what->kind, .index = what->index, .fd = fd};
}

int
dirs_find(const struct dirs *d, struct str path)
{
	for (size_t i = d->n; i-- > 0;) {
		if (!d->list[i].is_gone && str_eq(str_of(d->list[i].path), plain(path)))
			return d->list[i].fd;
	}
	return -1;
}

void
dirs_each(const struct dirs *d, void (*visit)(int fd))
{
	for (size_t i = 0; i < d->n; i++)
		visit(d->list[i].fd);
}

void
dirs_reap(struct dirs *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (!d->list[i].is_gone) {
			d->list[kept++] = d->list[i];
			continue;
		}
		close(d->list[i].fd);
		free(d->list[i].path);
	}
	d->n = kept;
}

void
dirs_clear(struct dirs *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->list[i].is_gone = true;
	dirs_reap(d);
}
