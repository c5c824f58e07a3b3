#include "queued/end/notice.h"

#include <sys/queue.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/state.h"

#define TEXT_MAX 8000
#define OPEN_MAX 1000
#define RETRY_MS 5000

struct notice {
	TAILQ_ENTRY(notice) link;
	uint64_t id;
	bool sent;
	char *who, *subject, *text; /* owned */
};

static struct {
	TAILQ_HEAD(, notice) open;
	uint32_t n;
	uint64_t id;
	struct ev_timer retry;
	bool made;
} notices;

static void
tell(struct notice *n)
{
	struct ipc_notice head = {.id = n->id};
	struct str texts[3] = {str_of(n->who), str_of(n->subject), str_of(n->text)};

	if (n->sent || qd.bounce.chan == NULL)
		return;
	n->sent = true;
	ipc_send(qd.bounce.chan, IPC_NOTICE, &head, texts, -1);
	/* bounced reads what is on its way though its sender has died: nobody else would know of it */
	ipc_flush(qd.bounce.chan);
}

static void
on_retry(struct ev_timer *t)
{
	struct notice *n;

	TAILQ_FOREACH(n, &notices.open, link)
	tell(n);
}

static void
make_once(void)
{
	if (notices.made)
		return;
	TAILQ_INIT(&notices.open);
	ev_timer_init(&notices.retry, on_retry);
	notices.made = true;
}

bool
notice_is_wanted(const struct queue *q, enum conf_key who)
{
	return conf_n(q->policy->set, who) > 0;
}

struct str
notice_time(struct wall w, char text[32])
{
	time_t t = (time_t)wall_sec(w);
	struct tm tm;
	size_t n = 0;

	if (localtime_r(&t, &tm) != NULL)
		n = strftime(text, 32, "%Y-%m-%d %H:%M:%S %z", &tm);
	return str_from(text, n);
}

void
notice_begin(struct buf *b)
{
	buf_init(b, TEXT_MAX);
}

/* the addresses, with commas between */
static char *
addresses(const struct conf_set *set, enum conf_key who)
{
	struct buf b;
	char *text;

	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < conf_n(set, who); i++) {
		struct str a = conf_item(set, who, i);
		if (buf_len(&b) + a.len + 1 >= TEXT_MAX)
			break;
		(void)buf_addf(&b, "%s%.*s", i == 0 ? "" : ",", STR_ARG(a));
	}
	text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}

void
notice_send(struct queue *q, enum conf_key who, const char *what, struct buf *b)
{
	char *subject = xasprintf("Queue %s %s", q->name, what);

	notice_post(q->policy->set, who, subject, b);
	free(subject);
}

void
notice_post(const struct conf_set *set, enum conf_key who, const char *subject, struct buf *b)
{
	struct notice *n;

	make_once();
	if (notices.n == OPEN_MAX) {
		log_error("event=notice-dropped text=%s", log_quote(str_of(subject)));
		buf_clear(b);
		return;
	}
	n = xcalloc(1, sizeof *n);
	n->id = ++notices.id;
	n->who = addresses(set, who);
	n->subject = xstrdup(subject);
	n->text = xstrdup_str(buf_str(b));
	buf_clear(b);
	TAILQ_INSERT_TAIL(&notices.open, n, link);
	notices.n++;
	tell(n);
}

void
notice_done(const struct ipc_notice_done *d)
{
	struct notice *n;

	make_once();
	TAILQ_FOREACH(n, &notices.open, link)
	{
		if (n->id == d->id)
			break;
	}
	if (n == NULL)
		return;
	if (!d->ok) {
		n->sent = false;
		if (!ev_timer_is_armed(&notices.retry))
			ev_timer_in_ms(&notices.retry, RETRY_MS);
		return;
	}
	TAILQ_REMOVE(&notices.open, n, link);
	notices.n--;
	free(n->who);
	free(n->subject);
	free(n->text);
	free(n);
}

void
notice_resend(void)
{
	struct notice *n;

	make_once();
	TAILQ_FOREACH(n, &notices.open, link)
	{
		n->sent = false;
		tell(n);
	}
}

bool
notice_is_idle(void)
{
	make_once();
	return notices.n == 0 || qd.bounce.chan == NULL;
}
