/*
 * putfile: writes the message on its standard input to the file of a delivery of type file. It runs for one recipient,
 * with the rights of command-user; what a stranger chose (the address) names files and directories below the part of
 * the path that the configuration fixes, and nothing else: no "..", no slash, no link is followed there. Its exit
 * status says what becomes of the recipient (sysexits.h).
 *
 *	putfile newfile-plain|newfile-pickup|append-mbox PATH VALUE...	values in the order of enum command_value
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/command/commands.h"

#define BLOCK	 65536
#define NAME_LEN 255

struct output {
	int fd;
	char bytes[BLOCK];
	size_t n;
};

static void PH_NORETURN PH_PRINTF(2, 3) leave(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(status);
}

/* a full disk, a missing directory, rights: the operator will see to it, and the mail waits */
static void PH_NORETURN
cannot(const char *what, const char *name)
{
	leave(EX_TEMPFAIL, "%s %s: %s", what, name, strerrordesc_np(errno));
}

/* ---- the path ---- */

/* one part of it between slashes, with its values; true: there were any */
static bool
expand(struct str part, const struct str *values, struct buf *to)
{
	bool has_value = false;

	buf_reset(to);
	while (part.len > 0) {
		char c = part.p[0];
		if (c == '$') {
			enum command_value v = command_value_named(&part);
			if (v == COMMAND_VALUES)
				leave(EX_TEMPFAIL, "file-destination has an unknown $name");
			has_value = true;
			if (buf_add_str(to, values[v]) == -1)
				leave(EX_NOUSER, "the file's name would be too long");
			continue;
		}
		part = str_skip(part, 1);
		if (c == '\\' && part.len > 0) {
			c = part.p[0];
			part = str_skip(part, 1);
		}
		if (buf_add_char(to, c) == -1)
			leave(EX_NOUSER, "the file's name would be too long");
	}
	return has_value;
}

static void
check_name(struct str name)
{
	bool is_bad = name.len == 0 || name.len > NAME_LEN || name.p[0] == '.';

	for (size_t i = 0; i < name.len && !is_bad; i++)
		is_bad = (unsigned char)name.p[i] < ' ' || name.p[i] == 127 || name.p[i] == '/';
	if (is_bad)
		leave(EX_NOUSER, "the address makes no name of a file");
}

/* Everything up to the last slash before the first value is the operator's and opened as it is. */
static size_t
fixed_part(struct str path)
{
	size_t first = str_find(path, '$');
	size_t slash = str_rfind(str_sub(path, 0, first), '/');

	if (path.len == 0 || path.p[0] != '/')
		leave(EX_TEMPFAIL, "file-destination is no absolute path");
	return slash;
}

static int
open_fixed(struct str path)
{
	char name[4096];
	int fd;

	if (str_copy(name, sizeof name, path.len == 0 ? STR("/") : path) >= sizeof name)
		leave(EX_TEMPFAIL, "file-destination is too long");
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		cannot("cannot open", name);
	return fd;
}

static int
enter(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		cannot("cannot open the directory", name);
	close(parent);
	return fd;
}

/* The directory that the last part of the path is in, or is; *last: that part. */
static int
walk(struct str path, const struct str *values, bool is_directory, struct buf *last)
{
	size_t slash = fixed_part(path);
	struct str rest = str_skip(path, slash + 1), part;
	int fd;

	if (is_directory && str_find(path, '$') == STR_NPOS)
		return open_fixed(path);
	fd = open_fixed(str_sub(path, 0, slash));

	while (str_next(&rest, '/', &part)) {
		if (part.len == 0)
			continue;
		if (expand(part, values, last) || !is_directory)
			check_name(buf_str(last));
		if (rest.p == NULL && !is_directory)
			return fd;
		fd = enter(fd, buf_cstr(last));
	}
	if (!is_directory)
		leave(EX_TEMPFAIL, "file-destination ends with a slash");
	return fd;
}

/* ---- writing ---- */

static int
flush(struct output *o)
{
	if (write_all(o->fd, o->bytes, o->n) == -1)
		return -1;
	o->n = 0;
	return 0;
}

static int
put(struct output *o, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (o->n == sizeof o->bytes && flush(o) == -1)
			return -1;
		o->bytes[o->n++] = s.p[i];
	}
	return 0;
}

static int
copy(struct output *o, int from)
{
	static char block[BLOCK];
	ssize_t n;

	while ((n = read(from, block, sizeof block)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || put(o, str_from(block, (size_t)n)) == -1)
			return -1;
	}
	return 0;
}

/* ---- a file of its own: NAME.tmp, and NAME.msg when it is whole ---- */

static int
put_pickup_head(struct output *o, const struct str *values)
{
	const struct {
		struct str name, value;
	} lines[] = {{STR("x-sender: "), values[VALUE_FROM]},
	    {STR("x-receiver: "), values[VALUE_TO]}, {STR("x-envid: "), values[VALUE_ENVID]}};

	for (size_t i = 0; i < countof(lines); i++) {
		if (i == 2 && lines[i].value.len == 0)
			continue;
		if (put(o, lines[i].name) == -1 || put(o, lines[i].value) == -1 ||
		    put(o, STR("\n")) == -1)
			return -1;
	}
	return 0;
}

/* the same name for the same recipient: what is tried twice is there once */
static void
write_new(int dir, const struct str *values, bool is_pickup)
{
	static struct output o;
	char temp[100], name[100];

	snprintf(temp, sizeof temp, "%.*s.tmp", STR_ARG(values[VALUE_ID]));
	snprintf(name, sizeof name, "%.*s.msg", STR_ARG(values[VALUE_ID]));
	if (unlinkat(dir, temp, 0) == -1 && errno != ENOENT)
		cannot("cannot remove", temp);
	o.fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (o.fd == -1)
		cannot("cannot create", temp);
	if ((is_pickup && put_pickup_head(&o, values) == -1) || copy(&o, STDIN_FILENO) == -1 ||
	    flush(&o) == -1 || fsync(o.fd) == -1) {
		unlinkat(dir, temp, 0);
		cannot("cannot write", temp);
	}
	if (renameat(dir, temp, dir, name) == -1 || fsync(dir) == -1)
		cannot("cannot make", name);
}

/* ---- mbox ---- */

/* a line of the message that would begin another one gets a '>' in front, as do those that have one already */
static int
copy_quoted(struct output *o, int from)
{
	FILE *f = fdopen(from, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (f == NULL)
		return -1;
	while (r == 0 && (n = getline(&line, &size, f)) > 0) {
		struct str s = str_from(line, (size_t)n), bare = s;
		while (str_has_prefix(bare, STR(">")))
			bare = str_skip(bare, 1);
		if (str_has_prefix(bare, STR("From ")))
			r = put(o, STR(">"));
		if (r == 0)
			r = put(o, s);
	}
	free(line);
	if (ferror(f))
		r = -1;
	fclose(f);
	return r;
}

static int
put_from_line(struct output *o, const struct str *values)
{
	struct str from = values[VALUE_FROM];

	return put(o, STR("From ")) == -1 ||
		       put(o, from.len == 0 ? STR("MAILER-DAEMON") : from) == -1 ||
		       put(o, STR(" ")) == -1 || put(o, values[VALUE_CTIME]) == -1 ||
		       put(o, STR("\n")) == -1
		   ? -1
		   : 0;
}

/* All of the message is here before the mailbox is touched: who dies while it comes leaves no half of it. */
static int
gather(void)
{
	static struct output o;

	o.fd = memfd_create("message", MFD_CLOEXEC);
	if (o.fd == -1 || copy(&o, STDIN_FILENO) == -1 || flush(&o) == -1 ||
	    lseek(o.fd, 0, SEEK_SET) == -1)
		cannot("cannot take", "the message");
	return o.fd;
}

static void
append_mbox(int dir, const char *name, const struct str *values)
{
	static struct output o;
	struct stat st;
	int message = gather();

	o.fd = openat(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
	if (o.fd == -1)
		cannot("cannot open", name);
	if (flock(o.fd, LOCK_EX) == -1 || fstat(o.fd, &st) == -1)
		cannot("cannot lock", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		leave(EX_TEMPFAIL, "%s is no file with one name", name);
	if (put_from_line(&o, values) == -1 || copy_quoted(&o, message) == -1 ||
	    put(&o, STR("\n")) == -1 || flush(&o) == -1 || fsync(o.fd) == -1) {
		int err = errno;
		if (ftruncate(o.fd, st.st_size) == -1)
			printf("what was written stays behind; ");
		errno = err;
		cannot("cannot write", name);
	}
}

static void
check_values(const struct str *values)
{
	for (size_t v = 0; v < COMMAND_VALUES; v++)
		for (size_t i = 0; i < values[v].len; i++)
			if ((unsigned char)values[v].p[i] < ' ')
				leave(EX_DATAERR, "a value has control characters");
	check_name(values[VALUE_ID]);
}

int
main(int argc, char **argv)
{
	struct str values[COMMAND_VALUES];
	struct buf last;
	bool is_mbox;
	int dir;

	if (argc != 3 + COMMAND_VALUES)
		leave(EX_TEMPFAIL, "putfile is started by execd(8), not by hand");
	for (int i = 0; i < COMMAND_VALUES; i++)
		values[i] = str_of(argv[3 + i]);
	check_values(values);
	buf_init(&last, NAME_LEN + 1);
	is_mbox = strcmp(argv[1], "append-mbox") == 0;
	dir = walk(str_of(argv[2]), values, !is_mbox, &last);
	if (is_mbox)
		append_mbox(dir, buf_cstr(&last), values);
	else
		write_new(dir, values, strcmp(argv[1], "newfile-pickup") == 0);
	buf_clear(&last);
	return EX_OK;
}
