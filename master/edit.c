/*
 * What the monitor may do with the configuration's files, where enable-config-editing is yes: read them, have a new
 * content checked, replace one, go back. Master takes the content from webd as it is and looks at nothing in it: a
 * process of its own reads the whole configuration as if the file held it, and only what that finds right is written.
 * Nothing is reloaded here.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "master/master.h"

#define CHECK_MS   30000
#define MAX_REPORT (256u * 1024)
#define HASH_TEXT  (2 * 16 + 1)

static struct {
	pid_t checker; /* 0: none */
	uint32_t token;
	bool writes; /* when it is found right */
	char *name;
	struct buf content;
	int report_fd;
	struct ev_timer limit;
} edit = {.report_fd = -1};

static int
memory_with(struct str s)
{
	int fd = memfd_create("posthaste-edit", MFD_CLOEXEC);

	if (fd == -1 || write(fd, s.p == NULL ? "" : s.p, s.len) != (ssize_t)s.len)
		fatal("memory for a file cannot be had: %s", strerrordesc_np(errno));
	return fd;
}

static void
answer_fd(uint32_t token, bool ok, const char *text, int fd)
{
	const struct ipc_answer head = {.token = token, .ok = ok};
	const struct str t = str_sub(str_of(text), 0, 1000);

	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->role == ROLE_WEB && kid_is_running(k))
			ipc_send(k->chan, IPC_EDIT_ANSWER, &head, &t, fd);
	}
}

static void
answer(uint32_t token, bool ok, const char *text, struct str content)
{
	int fd = memory_with(content);

	answer_fd(token, ok, text, fd);
	close(fd);
}

static void
refuse(uint32_t token, const char *text)
{
	answer(token, false, text, STR(""));
}

static bool
is_allowed(void)
{
	return conf_bool(
	    conf_merged(master.conf, CONF_BLOCK_HTTP), CONF_HTTP_ENABLE_CONFIG_EDITING);
}

/* ---- the check, in a process of its own ---- */

static void
report(int fd, const char *text)
{
	struct str s = str_sub(str_of(text), 0, 2000);

	if (lseek(fd, 0, SEEK_END) < (off_t)MAX_REPORT)
		(void)!writev(fd, (struct iovec[]){{(void *)(uintptr_t)s.p, s.len}, {"\n", 1}}, 2);
}

/* all that a reload would read, too: keys, certificates */
static bool
is_right(int fd)
{
	struct conf_messages list;
	struct conf *c =
	    conf_load_instead(master.options.config, edit.name, buf_str(&edit.content), &list);
	struct tls_files files;
	struct why why;

	for (size_t i = 0; i < list.n; i++)
		if (list.list[i].is_error)
			report(fd, list.list[i].text);
	if (c == NULL)
		return false;
	if (tls_files_open(c, &files, &why) == 0 && keys_load(c, &why) != -1)
		return true;
	report(fd, why.text);
	return false;
}

static void
end_edit(void)
{
	ev_timer_stop(&edit.limit);
	if (edit.report_fd != -1)
		close(edit.report_fd);
	edit.report_fd = -1;
	xfree(&edit.name);
	buf_clear(&edit.content);
	edit.checker = 0;
}

static void
on_limit(struct ev_timer *t)
{
	/* its end answers */
	if (edit.checker != 0 && kill(edit.checker, SIGKILL) == -1)
		log_warn("event=checker-stays");
}

static void
start_check(uint32_t token, bool writes)
{
	pid_t pid;

	edit.token = token;
	edit.writes = writes;
	edit.report_fd = memory_with(STR(""));
	pid = fork();
	if (pid == -1) {
		refuse(token, "No process for the check can be had.");
		end_edit();
		return;
	}
	if (pid == 0)
		_exit(is_right(edit.report_fd) ? 0 : EXIT_CONF);
	edit.checker = pid;
	if (edit.limit.cb == NULL)
		ev_timer_init(&edit.limit, on_limit);
	ev_timer_in_ms(&edit.limit, CHECK_MS);
}

static void
write_it(void)
{
	struct why why;

	if (edit_replace(edit.name, buf_str(&edit.content), &why) == -1) {
		log_error("event=configuration-not-replaced reason=\"%s\"", why.text);
		refuse(edit.token, why.text);
		return;
	}
	log_info("event=configuration-replaced file=%s", log_quote(str_of(edit.name)));
	answer(edit.token, true, "The file was replaced; its earlier version is kept.", STR(""));
}

bool
edit_on_child(pid_t pid, int status)
{
	if (edit.checker == 0 || pid != edit.checker)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		answer_fd(edit.token, false,
		    WIFEXITED(status) ? "The configuration would not be right."
				      : "The process that checks it died.",
		    edit.report_fd);
	else if (edit.writes)
		write_it();
	else
		answer(edit.token, true, "The configuration would be right.", STR(""));
	end_edit();
	return true;
}

/* ---- what is asked ---- */

static const char *
hash_of(struct str content, char text[HASH_TEXT])
{
	unsigned char digest[HASH_TEXT / 2];

	(void)crypto_generichash(
	    digest, sizeof digest, (const unsigned char *)content.p, content.len, NULL, 0);
	return sodium_bin2hex(text, HASH_TEXT, digest, sizeof digest);
}

static void
give_list(uint32_t token)
{
	struct buf b;

	buf_init(&b, MAX_REPORT);
	edit_list(&b);
	answer(token, true, "", buf_str(&b));
	buf_clear(&b);
}

/* the sentence is the content's hash, which a change gives back */
static void
give_file(uint32_t token, const char *name)
{
	char hash[HASH_TEXT];
	struct buf b;
	struct why why;

	buf_init(&b, EDIT_MAX_FILE);
	if (!edit_is_file(name))
		refuse(token, "That is no file of the configuration.");
	else if (edit_read(name, &b, &why) == -1)
		refuse(token, why.text);
	else
		answer(token, true, hash_of(buf_str(&b), hash), buf_str(&b));
	buf_clear(&b);
}

/* Has somebody else changed it since it was read? An empty hash does not ask. */
static bool
is_unchanged(const char *name, struct str hash)
{
	char now[HASH_TEXT];
	struct buf b;
	struct why why;
	bool is_same;

	if (hash.len == 0)
		return true;
	buf_init(&b, EDIT_MAX_FILE);
	is_same = edit_read(name, &b, &why) == 0 && str_eq(str_of(hash_of(buf_str(&b), now)), hash);
	buf_clear(&b);
	return is_same;
}

static void
put_file(uint32_t token, bool writes, const struct ipc_msg *m)
{
	/* no name: the main file */
	char *name = m->text[0].len == 0 ? xstrdup(master.options.config) : xstrdup_str(m->text[0]);

	if (!edit_is_file(name))
		refuse(token, "That is no file of the configuration.");
	else if (!is_unchanged(name, m->text[1]))
		refuse(token, "The file was changed meanwhile: read it again.");
	else if (read_sealed(m->fd, EDIT_MAX_FILE, &edit.content) == -1)
		refuse(token, "The content is larger than 4 MB.");
	else {
		edit.name = name;
		start_check(token, writes);
		return;
	}
	free(name);
	buf_clear(&edit.content);
}

static void
roll_back(uint32_t token, struct str backup)
{
	char *text = xstrdup_str(backup), name[1024];
	struct why why;

	buf_init(&edit.content, EDIT_MAX_FILE + 1);
	if (edit_read_backup(text, name, sizeof name, &edit.content, &why) == -1) {
		refuse(token, why.text);
		buf_clear(&edit.content);
	} else {
		edit.name = xstrdup(name);
		start_check(token, true);
	}
	free(text);
}

void
edit_handle(struct kid *k, struct ipc_msg *m)
{
	const struct ipc_edit *e = m->head;
	bool has_content = m->type == IPC_EDIT_PUT;
	char *name;

	if (!is_allowed())
		refuse(e->token, "This takes <http> enable-config-editing yes.");
	else if (!has_content && e->what == EDIT_LIST)
		give_list(e->token);
	else if (!has_content && e->what == EDIT_READ) {
		name = xstrdup_str(m->text[0]);
		give_file(e->token, name);
		free(name);
	} else if (edit.checker != 0)
		refuse(e->token, "Another change is being checked; try again.");
	else if (!has_content && e->what == EDIT_ROLL_BACK)
		roll_back(e->token, m->text[0]);
	else if (has_content && (e->what == EDIT_CHECK || e->what == EDIT_WRITE))
		put_file(e->token, e->what == EDIT_WRITE, m);
	else
		refuse(e->token, "master does not do that");
}
