#include "injectd/feed.h"

#include "lib/base/log.h"
#include "lib/base/num.h"

/* ---- the session ---- */

static void
on_later(struct ev_defer *d)
{
	struct feed *f = ph_container_of(d, struct feed, later);

	f->step(f);
}

/* not from within: the session still has to do after this */
static void
on_wake(struct session *s)
{
	feed_later(ph_container_of(s, struct feed, session));
}

void
feed_start(struct feed *f, struct world *w, uint16_t door, const struct net_addr *client,
    void (*step)(struct feed *f))
{
	*f = (struct feed){.step = step};
	ev_defer_init(&f->later, on_later);
	f->session.wake = on_wake;
	session_start(&f->session, w, door, client, &(struct net_addr){0});
}

void
feed_clear(struct feed *f)
{
	ev_defer_cancel(&f->later);
	session_clear(&f->session);
}

bool
feed_is_ready(const struct feed *f)
{
	return session_wants_input(&f->session);
}

void
feed_say(struct feed *f, struct str bytes)
{
	ph_assert(bytes.len <= FEED_MAX_SAY && feed_is_ready(f));
	session_input(&f->session, bytes);
}

void
feed_later(struct feed *f)
{
	ev_defer_queue(&f->later);
}

/* ---- its replies ---- */

/* the line at the front of the output, without CRLF; false: there is none */
static bool
take_line(struct feed *f, struct str *line)
{
	struct str out = buf_str(&f->session.out);
	size_t lf = str_find(out, '\n');

	if (lf == STR_NPOS)
		return false;
	*line = str_trim(str_sub(out, 0, lf));
	buf_consume(&f->session.out, lf + 1);
	return true;
}

bool
feed_next(struct feed *f, struct feed_reply *r)
{
	struct str line;
	uint32_t code;

	do {
		while (take_line(f, &line)) {
			if (line.len < 4 || line.p[3] == '-' ||
			    !parse_u32(str_sub(line, 0, 3), 0, 999, &code))
				continue;
			*r = (struct feed_reply){(int)code, str_skip(line, 4)};
			return true;
		}
		/* it may have stopped for so much that was not read */
		session_resume(&f->session);
	} while (buf_len(&f->session.out) > 0);
	return false;
}

/* ---- content ---- */

static void
end_line(struct feed_lines *l, struct buf *to)
{
	(void)buf_add_cstr(to, "\r\n");
	l->is_mid_line = l->is_behind_cr = l->is_lone_dot = false;
}

/* a dot at the start of a line was held back */
static void
add_dot(struct feed_lines *l, char next, struct buf *to)
{
	l->is_behind_dot = false;
	l->is_mid_line = true;
	(void)buf_add_cstr(to, l->dots == FEED_DOTS_KEEP_TWO && next == '.' ? "." : "..");
}

static void
add_byte(struct feed_lines *l, char c, struct buf *to)
{
	if (l->is_behind_dot)
		add_dot(l, c, to);
	if (c == '\n') {
		l->is_over = l->is_lone_dot && l->dots == FEED_DOTS_LEAVE;
		end_line(l, to);
		return;
	}
	/* a CR without LF stays one, and is refused as one */
	if (l->is_behind_cr)
		(void)buf_add_char(to, '\r');
	l->is_lone_dot =
	    c == '.' ? !l->is_mid_line : c == '\r' && l->is_lone_dot && !l->is_behind_cr;
	l->is_behind_cr = c == '\r';
	if (c == '.' && !l->is_mid_line && l->dots != FEED_DOTS_LEAVE) {
		l->is_behind_dot = true;
		return;
	}
	l->is_mid_line = true;
	if (c != '\r')
		(void)buf_add_char(to, c);
}

size_t
feed_lines_add(struct feed_lines *l, struct str s, struct buf *to)
{
	size_t i = 0;

	while (i < s.len && !l->is_over)
		add_byte(l, s.p[i++], to);
	return i;
}

void
feed_lines_end(struct feed_lines *l, struct buf *to)
{
	if (l->is_behind_dot)
		add_dot(l, '\0', to);
	if (l->is_mid_line)
		end_line(l, to);
	(void)buf_add_cstr(to, ".\r\n");
}
