#include "queued/control/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"

#define KEPT	 1000u
#define SHOWN	 100u
#define HOUR_NS	 (3600 * NS_PER_SEC)
#define TEXT_LEN 400u
/* of a line of the file, with its end: each change has a place of its own there */
#define LINE_LEN 1280u

struct change {
	struct wall when;
	uint8_t kind;		     /* enum tail_kind */
	char *queue, *source, *text; /* owned */
};
static struct {
	struct change ring[KEPT];
	uint32_t n; /* ever */
	int fd;	    /* of the file, -1: there is none */
} changes = {.fd = -1};

/* ---- the file: "number time kind TAB queue TAB source TAB text", filled up with blanks ---- */

static void
write_line(uint32_t number, const struct change *e)
{
	char line[LINE_LEN + 1];
	int n = snprintf(line, sizeof line, "%u %lu %s\t%s\t%s\t%s", number, (uint64_t)e->when.ns,
	    tail_kind_name((enum tail_kind)e->kind), e->queue, e->source, e->text);

	if (changes.fd == -1 || n < 0)
		return;
	n = PH_MIN(n, (int)LINE_LEN - 1);
	memset(line + n, ' ', LINE_LEN - (size_t)n);
	line[LINE_LEN - 1] = '\n';
	if (pwrite(changes.fd, line, LINE_LEN, (off_t)(number % KEPT) * LINE_LEN) != LINE_LEN)
		log_debug("event=change-not-kept text=\"%s\"", strerrordesc_np(errno));
}

static bool
read_kind(struct str word, uint8_t *kind)
{
	for (unsigned k = 0; k < TAIL_MAX; k++) {
		*kind = (uint8_t)k;
		if (str_eq(word, str_of(tail_kind_name((enum tail_kind)k))))
			return changes_have((enum tail_kind)k);
	}
	return false;
}

static bool
read_line(struct str line, uint32_t *number, struct change *e)
{
	struct str head, word, queue, source;
	uint64_t ns;

	if (!str_next(&line, '\t', &head) || !str_next(&line, '\t', &queue) ||
	    !str_next(&line, '\t', &source))
		return false;
	if (!str_next_word(&head, &word) || !parse_u32(word, 0, UINT32_MAX - 1, number) ||
	    !str_next_word(&head, &word) || !parse_u64(word, 0, INT64_MAX, &ns) ||
	    !str_next_word(&head, &word) || !read_kind(word, &e->kind))
		return false;
	e->when.ns = (int64_t)ns;
	e->queue = xstrdup_str(queue);
	e->source = xstrdup_str(source);
	e->text = xstrdup_str(str_trim(line));
	return true;
}

static void
take_line(uint32_t place, struct str line)
{
	struct change e = {0};
	uint32_t number;

	if (!read_line(line, &number, &e))
		return;
	if (number % KEPT != place) {
		free(e.queue);
		free(e.source);
		free(e.text);
		return;
	}
	changes.ring[place] = e;
	changes.n = PH_MAX(changes.n, number + 1);
}

void
changes_start(int spool_fd)
{
	char line[LINE_LEN];

	if (mkdirat(spool_fd, "state", 0700) == -1 && errno != EEXIST)
		log_debug("state: %s", strerrordesc_np(errno));
	changes.fd = open_plain(spool_fd, "state/changes", O_RDWR | O_CREAT, 0600);
	if (changes.fd == -1) {
		log_warn(
		    "event=changes-not-kept text=\"state/changes: %s\"", strerrordesc_np(errno));
		return;
	}
	for (uint32_t i = 0; i < KEPT; i++) {
		if (pread_all(changes.fd, line, LINE_LEN, (uint64_t)i * LINE_LEN) != LINE_LEN)
			return;
		take_line(i, str_from(line, LINE_LEN - 1));
	}
}

/* ---- what is kept ---- */

bool
changes_have(enum tail_kind kind)
{
	return kind == TAIL_MODE || kind == TAIL_SOURCE || kind == TAIL_ALERT ||
	       kind == TAIL_COMMAND;
}

/* cut, and without what would end a line or a field of it; owned */
static char *
a_line_of(struct str s)
{
	char *text = xstrdup_str(str_sub(s, 0, TEXT_LEN));

	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return text;
}

void
changes_keep(const struct tail_event *e)
{
	struct change *c = &changes.ring[changes.n % KEPT];

	free(c->queue);
	free(c->source);
	free(c->text);
	*c = (struct change){.when = ev_wall(),
	    .kind = (uint8_t)e->kind,
	    .queue = a_line_of(e->queue),
	    .source = a_line_of(e->source),
	    .text = a_line_of(e->text)};
	write_line(changes.n++, c);
}

static void
show(struct control *c, const struct change *e, uint32_t i)
{
	char when[32];

	control_text(c, control_time(e->when, when), "change[%u].time", i);
	control_text(c, str_of(tail_kind_name((enum tail_kind)e->kind)), "change[%u].type", i);
	control_text(c, str_of(e->queue), "change[%u].queue", i);
	control_text(c, str_of(e->source), "change[%u].source", i);
	control_text(c, str_of(e->text), "change[%u].text", i);
}

void
control_show_changes(struct control *c)
{
	uint32_t kept = PH_MIN(changes.n, KEPT), max = c->req->max == 0 ? SHOWN : c->req->max;
	uint32_t n = 0, n_shown;
	int64_t since = ev_wall().ns - HOUR_NS;

	while (n < kept && changes.ring[(changes.n - 1 - n) % KEPT].when.ns >= since)
		n++;
	n_shown = PH_MIN(n, max);
	for (uint32_t i = 0; i < n_shown; i++)
		show(c, &changes.ring[(changes.n - 1 - i) % KEPT], i);
	if (n_shown == 0)
		control_no_rows(c, "change");
	control_end(c, true, "%u of %u changes in the last hour%s.", n_shown, n,
	    n == KEPT ? " (and more, which were not kept)" : "");
}
