/*
 * /configFile: the configuration's files, by way of master, which reads, checks and replaces them. Here it is only
 * decided who may ask: an operator to read, an administrator to change.
 */
#include <errno.h>
#include <microhttpd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/webd.h"

#define MAX_WAITING 16
#define ANSWER_MS   60000

/* one question to master */
struct wait {
	uint32_t token; /* 0: free */
	struct request *request;
	enum edit_what what;
	struct ev_timer limit;
};
static struct wait waits[MAX_WAITING];
static uint32_t last_token;

static void
on_limit(struct ev_timer *t)
{
	struct wait *w = ph_container_of(t, struct wait, limit);

	w->token = 0;
	request_say(w->request, MHD_HTTP_SERVICE_UNAVAILABLE, "master did not answer in time.");
}

/* NULL: it was answered that there are too many */
static struct wait *
wait_for(struct request *r, enum edit_what what)
{
	for (size_t i = 0; i < MAX_WAITING; i++) {
		struct wait *w = &waits[i];
		if (w->token != 0)
			continue;
		*w = (struct wait){.request = r, .what = what};
		w->token = ++last_token == 0 ? ++last_token : last_token;
		ev_timer_init(&w->limit, on_limit);
		ev_timer_in_ms(&w->limit, ANSWER_MS);
		return w;
	}
	request_say(r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many changes wait; try again.");
	return NULL;
}

static void
ask_master(struct request *r, enum edit_what what, struct str name, struct str hash)
{
	const struct str texts[] = {str_sub(name, 0, 1000), str_sub(hash, 0, 100)};
	struct wait *w = wait_for(r, what);

	if (w != NULL)
		ipc_send(daemon_master(), IPC_EDIT_ASK,
		    &(struct ipc_edit){.token = w->token, .what = (uint32_t)what}, texts, -1);
}

static void
put_to_master(struct request *r, enum edit_what what, struct str name, struct str content)
{
	const struct str texts[] = {
	    str_sub(name, 0, 1000), str_sub(request_field(r, "hash"), 0, 100)};
	int fd = memfd_create("posthaste-edit", MFD_CLOEXEC);
	struct wait *w;

	if (fd == -1 ||
	    write(fd, content.p == NULL ? "" : content.p, content.len) != (ssize_t)content.len)
		fatal("memory for a file cannot be had: %s", strerrordesc_np(errno));
	w = wait_for(r, what);
	if (w != NULL)
		ipc_send(daemon_master(), IPC_EDIT_PUT,
		    &(struct ipc_edit){.token = w->token, .what = (uint32_t)what}, texts, fd);
	close(fd);
}

/* ---- answers ---- */

static void
read_content(int fd, struct buf *b)
{
	struct stat st;
	size_t room;
	char *p;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size <= 0 ||
	    st.st_size > (off_t)REQUEST_MAX_BODY)
		return;
	p = buf_reserve(b, (size_t)st.st_size, &room);
	if (p != NULL && pread(fd, p, (size_t)st.st_size, 0) == st.st_size)
		buf_wrote(b, (size_t)st.st_size);
}

static void
add(struct tree *t, struct str value, const char *list, unsigned i, const char *leaf)
{
	char path[64];

	snprintf(path, sizeof path, "%s[%u].%s", list, i, leaf);
	if (tree_add(t, str_of(path), value, CTL_TEXT) == -1)
		log_warn("event=answer-cut");
}

/* "20261121T160102.…" as people write it */
static void
add_backup(struct tree *t, struct str rest, unsigned i)
{
	struct str name = STR_NULL;
	char time[32];

	if (!str_next(&rest, '\t', &name) || name.len < 16)
		return;
	snprintf(time, sizeof time, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s UTC", name.p, name.p + 4,
	    name.p + 6, name.p + 9, name.p + 11, name.p + 13);
	add(t, name, "backup", i, "name");
	add(t, str_of(time), "backup", i, "time");
	add(t, rest, "backup", i, "file");
}

static void
tell_list(struct request *r, struct str text, struct tree *t)
{
	unsigned n_files = 0, n_backups = 0;
	struct str line;

	while (str_next(&text, '\n', &line)) {
		if (str_has_prefix(line, STR("file ")))
			add(t, str_skip(line, 5), "file", n_files++, "name");
		else if (str_has_prefix(line, STR("backup ")))
			add_backup(t, str_skip(line, 7), n_backups++);
	}
	if (n_backups == 0 && tree_add(t, STR("backup"), STR(""), CTL_NO_ROWS) == -1)
		log_warn("event=answer-cut");
	t->message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, t);
}

static void
tell_file(struct request *r, struct str content, struct str hash, struct tree *t)
{
	if (tree_add(t, STR("file.name"), request_field(r, "filename"), CTL_TEXT) == -1 ||
	    tree_add(t, STR("file.hash"), hash, CTL_TEXT) == -1 ||
	    tree_add(t, STR("file.content"), content, CTL_TEXT) == -1)
		log_warn("event=answer-cut");
	t->message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, t);
}

static void
tell(const struct wait *w, bool ok, struct str text, struct str content)
{
	struct request *r = w->request;
	struct tree t;

	tree_init(&t);
	t.ok = ok;
	if (ok && w->what == EDIT_LIST)
		tell_list(r, content, &t);
	else if (ok && w->what == EDIT_READ)
		tell_file(r, content, text, &t);
	else {
		/* complaints of the check, line by line */
		t.message = content.len == 0 ? xstrdup_str(text)
					     : xasprintf("%.*s\n%.*s", STR_ARG(text),
						   STR_ARG(str_sub(content, 0, 20000)));
		request_tree(r, ok ? MHD_HTTP_OK : MHD_HTTP_BAD_REQUEST, &t);
	}
	tree_clear(&t);
}

void
edit_answered(struct ipc_msg *m)
{
	const struct ipc_answer *a = m->head;
	struct buf b;

	for (size_t i = 0; i < MAX_WAITING; i++) {
		struct wait *w = &waits[i];
		if (w->token == 0 || w->token != a->token)
			continue;
		w->token = 0;
		ev_timer_stop(&w->limit);
		buf_init(&b, REQUEST_MAX_BODY);
		read_content(m->fd, &b);
		tell(w, a->ok != 0, m->text[0], buf_str(&b));
		buf_clear(&b);
		return;
	}
}

/* ---- questions ---- */

void
edit_serve_get(struct request *r)
{
	struct str op = request_field(r, "op");

	if (str_eq(op, STR("listconfigfiles")))
		ask_master(r, EDIT_LIST, STR(""), STR(""));
	else if (str_eq(op, STR("read")))
		ask_master(r, EDIT_READ, request_field(r, "filename"), STR(""));
	else
		request_say(r, MHD_HTTP_BAD_REQUEST, "op is listconfigfiles or read.");
}

static void
log_change(const struct request *r, const char *what, struct str name)
{
	char client[NET_ADDR_TEXT];

	log_info("event=http-configuration client=%s user=%s what=%s file=%s",
	    net_addr_text(&r->conn->client, client), r->by_key ? "key" : log_quote(str_of(r->user)),
	    what, log_quote(name));
}

/* PowerMTA's op=commit: file.N.name, file.N.op=write, file.N.content; one file at a time */
static void
commit(struct request *r)
{
	static const char *const numbers[] = {"0", "1"};
	char name[32], op[32], content[32];

	for (size_t i = 0; i < countof(numbers); i++) {
		snprintf(name, sizeof name, "file.%s.name", numbers[i]);
		snprintf(op, sizeof op, "file.%s.op", numbers[i]);
		snprintf(content, sizeof content, "file.%s.content", numbers[i]);
		if (!request_has(r, name))
			continue;
		if (i == 0 && request_has(r, "file.1.name"))
			break;
		if (!str_eq(request_field(r, op), STR("write")))
			break;
		log_change(r, "write", request_field(r, name));
		put_to_master(r, EDIT_WRITE, request_field(r, name), request_field(r, content));
		return;
	}
	request_say(r, MHD_HTTP_BAD_REQUEST,
	    "commit takes one file: file.1.name, file.1.op=write, file.1.content.");
}

void
edit_serve_post(struct request *r)
{
	struct str op = request_field(r, "op"), name = request_field(r, "filename");

	if (str_eq(op, STR("check")))
		put_to_master(r, EDIT_CHECK, name, request_field(r, "content"));
	else if (str_eq(op, STR("write"))) {
		log_change(r, "write", name);
		put_to_master(r, EDIT_WRITE, name, request_field(r, "content"));
	} else if (str_eq(op, STR("rollback"))) {
		log_change(r, "rollback", request_field(r, "backup"));
		ask_master(r, EDIT_ROLL_BACK, request_field(r, "backup"), STR(""));
	} else if (str_eq(op, STR("commit")))
		commit(r);
	else if (op.len == 0 && request_has(r, "file")) {
		log_change(r, "write", STR("the main file"));
		put_to_master(r, EDIT_WRITE, STR(""), request_field(r, "file"));
	} else
		request_say(r, MHD_HTTP_BAD_REQUEST,
		    "op is check, write, rollback or commit; or send file.");
}
