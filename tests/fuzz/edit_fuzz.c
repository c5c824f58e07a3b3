/*
 * A message that is edited at delivery: whatever its bytes, what is sent is the same whether it lay in memory or in a
 * file, fields that are to be left out are gone, nothing but From changes otherwise, and the size that is announced is
 * the size that is sent. The same bytes as x-schedule and as From.
 */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "deliverd/mail_edit.h"
#include "lib/base/xalloc.h"
#include "lib/mail/from.h"
#include "lib/mail/header.h"
#include "lib/mail/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *conf;

static void
load_conf(void)
{
	static const char settings[] =
	    "spool /tmp\nlog-file /dev/null\n<virtual-mta v>\nrewrite-list r\n</virtual-mta>\n"
	    "<domain *>\nremove-header X-Two\n</domain>\n<rewrite-list r>\nmail-from *@* "
	    "s@new.test\n"
	    "from-domain [*.]old.test a-longer-name.new.test\n</rewrite-list>\n";
	char path[] = "/tmp/edit-fuzz-XXXXXX";
	struct conf_messages m = {0};
	int fd = mkstemp(path);

	assert(fd != -1 && write(fd, settings, sizeof settings - 1) == sizeof settings - 1);
	conf = conf_load(path, &m);
	assert(conf != NULL);
	conf_messages_clear(&m);
	close(fd);
	unlink(path);
}

/* as injectd would have stored it: CRLF, and dots at the start of lines doubled (here: at least counted) */
static uint64_t
count_dots(struct str text)
{
	uint64_t n = text.len > 0 && text.p[0] == '.';

	for (size_t i = 1; i < text.len; i++)
		n += text.p[i] == '.' && text.p[i - 1] == '\n';
	return n;
}

static struct mail *
make_mail(struct str text, bool in_file)
{
	struct mail *m = xcalloc(1, sizeof *m);

	m->fd = -1;
	m->sender = STR("a@b.test");
	m->remove = STR("X-One");
	m->rcpts = xcalloc(1, sizeof *m->rcpts);
	m->n_rcpts = 1;
	m->rcpts[0].address = STR("r@x.test");
	m->verp = true;
	m->stored_len = text.len;
	m->n_dots = count_dots(text);
	m->content = text;
	if (!in_file)
		return m;
	m->content = STR_NULL;
	m->fd = memfd_create("edit", MFD_CLOEXEC);
	assert(m->fd != -1 && write(m->fd, text.p, text.len) == (ssize_t)text.len);
	return m;
}

static void
collect(const struct mail *m, struct buf *b)
{
	static char slice[MAIL_SLICE];

	for (uint64_t at = 0; at < m->stored_len;) {
		struct str piece = mail_piece(m, at, slice);
		assert(piece.len > 0 && buf_add_str(b, piece) == 0);
		at += piece.len;
	}
}

static void
check_sent(struct str sent, const struct mail *m)
{
	struct header_field f;

	assert(!header_find(sent, STR("x-one"), &f) && !header_find(sent, STR("x-two"), &f));
	assert(m->n_dots <= m->stored_len && mail_size(m) == m->stored_len - m->n_dots);
	assert(str_eq(m->sender, STR("s-r=x.test@new.test")));
}

static void
edit_both(struct str text)
{
	struct buf out[2];
	struct why why;
	struct mail_edit how = {.conf = conf,
	    .queue = conf_queue(conf, STR("x.test"), STR("v")),
	    .vmta = STR("v"),
	    .id = 7};

	for (int i = 0; i < 2; i++) {
		struct mail *m = make_mail(text, i == 1);
		buf_init(&out[i], 4u * 1024 * 1024);
		if (mail_edit(m, &how, &why) == 0) {
			collect(m, &out[i]);
			check_sent(buf_str(&out[i]), m);
		}
		mail_free(&m);
	}
	assert(str_eq(buf_str(&out[0]), buf_str(&out[1])));
	buf_clear(&out[0]);
	buf_clear(&out[1]);
}

static bool
same(void *arg, struct str domain, struct str *to)
{
	assert(domain.len > 0 && str_find(domain, '@') == STR_NPOS);
	*to = domain;
	return true;
}

static void
as_fields(struct str text)
{
	struct schedule s, again;
	char form[SCHEDULE_TEXT_MAX];
	struct why why;
	struct buf b;

	if (schedule_parse_field(text, &s, &why) == 0) {
		assert(schedule_text(&s, form) < sizeof form);
		assert(schedule_parse(str_of(form), &again) == 0 && again.n == s.n);
	}
	if (schedule_parse(text, &s) == 0)
		assert(s.n > 0 && s.n <= SCHEDULE_MAX);
	buf_init(&b, text.len + 1);
	(void)from_rewrite(&b, text, same, NULL);
	assert(str_eq(buf_str(&b), text));
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_from((const char *)data, size);

	if (conf == NULL)
		load_conf();
	as_fields(text);
	/* one byte or none has no two forms */
	if (size > 0 && size <= 1024u * 1024)
		edit_both(text);
	return 0;
}
