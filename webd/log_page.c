/*
 * The log as it is now, by a descriptor that master gives for reading: its last lines as a page's data, or its end as a
 * download.
 */
#include <errno.h>
#include <microhttpd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "webd/webd.h"

#define MAX_TAIL     (2u * 1024 * 1024) /* bytes of the end of the log looked at for the page */
#define MAX_DOWNLOAD (8u * 1024 * 1024) /* and in a download */
#define LINES	     200u

static int log_fd = -1;

void
log_page_use(int fd)
{
	if (log_fd != -1)
		close(log_fd);
	log_fd = fd;
}

/* The last bytes, from the beginning of a line; *is_cut: there were others before. False: there is no log to be read. */
static bool
read_end(struct buf *b, size_t max, bool *is_cut)
{
	struct stat st;
	off_t from;
	size_t room, cut;
	ssize_t n = 0;
	char *p;

	if (log_fd == -1 || fstat(log_fd, &st) == -1 || !S_ISREG(st.st_mode))
		return false;
	from = st.st_size > (off_t)max ? st.st_size - (off_t)max : 0;
	p = buf_reserve(b, max, &room);
	if (p != NULL)
		n = pread(log_fd, p, PH_MIN(room, max), from);
	if (n < 0)
		return false;
	buf_wrote(b, (size_t)n);
	cut = str_find(buf_str(b), '\n');
	*is_cut = from > 0;
	if (*is_cut && cut != STR_NPOS)
		buf_consume(b, cut + 1);
	return true;
}

static bool
has_words(struct str line, struct str words)
{
	struct str w;

	while (str_next_word(&words, &w))
		if (str_find_str(line, w) == STR_NPOS)
			return false;
	return true;
}

/* when not all of the log was looked through: a program sees it, and a person reads it */
static void
say_cut(struct tree *t)
{
	if (tree_add(t, STR("complete"), STR("no"), CTL_BOOL) == -1)
		log_debug("event=log-page-full");
	t->message = xasprintf(
	    "Only the last %u MB of the log were looked through.", MAX_TAIL / (1024 * 1024));
}

/* the newest first */
static void
serve_lines(struct request *r, struct str text, bool is_cut)
{
	struct str words = request_field(r, "search"), line;
	uint32_t max = LINES, n = 0;
	struct tree t;
	char path[32];
	size_t at;

	(void)parse_u32(request_field(r, "maxitems"), 1, 5000, &max);
	tree_init(&t);
	while (text.len > 0 && n < max) {
		struct str body =
		    text.p[text.len - 1] == '\n' ? str_sub(text, 0, text.len - 1) : text;
		at = str_rfind(body, '\n');
		line = at == STR_NPOS ? body : str_skip(body, at + 1);
		text = at == STR_NPOS ? STR_NULL : str_sub(text, 0, at + 1);
		if (!has_words(line, words))
			continue;
		snprintf(path, sizeof path, "line[%u].text", n++);
		if (tree_add(&t, str_of(path), line, CTL_TEXT) == -1)
			break;
	}
	if (n == 0 && tree_add(&t, STR("line"), STR(""), CTL_NO_ROWS) == -1)
		log_debug("event=log-page-empty");
	if (is_cut && n < max)
		say_cut(&t);
	else
		t.message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, &t);
	tree_clear(&t);
}

void
log_page_serve(struct request *r)
{
	bool is_download = strcmp(r->path, "/getFile") == 0;
	bool is_cut = false;
	struct buf b;

	if (r->no_logs) {
		request_say(r, MHD_HTTP_FORBIDDEN, "http-access denies you the logs.");
		return;
	}
	if (is_download && !str_eq(request_field(r, "file"), STR("log.txt"))) {
		request_say(r, MHD_HTTP_NOT_FOUND, "The one file to be had is log.txt.");
		return;
	}
	buf_init(&b, MAX_DOWNLOAD + 1);
	if (!read_end(&b, is_download ? MAX_DOWNLOAD : MAX_TAIL, &is_cut))
		request_say(r, MHD_HTTP_NOT_FOUND, "There is no log that can be read here.");
	else if (is_download) {
		request_reply(r, MHD_HTTP_OK, "text/plain; charset=utf-8", buf_str(&b));
		request_add_header(r, "Content-Disposition", "attachment; filename=\"log.txt\"");
	} else
		serve_lines(r, buf_str(&b), is_cut);
	buf_clear(&b);
}
