#include "injectd/api_int.h"

#define CONTENT_BYTES (8u * 1024) /* times three fits into what may be told at once */
#define TURN_STEPS    16u
#define MAX_LINE      2048u

static void
refuse(struct api_send *s, int code, struct str text)
{
	s->code = code;
	(void)str_copy(s->text, sizeof s->text, text);
}

/* A command and its reply, which comes at once: nothing about this client has to be looked up. */
static int
command(struct api_send *s, const char *line)
{
	struct feed_reply r = {451, STR("4.3.0 Not now")};

	if (feed_is_ready(&s->feed)) {
		feed_say(&s->feed, str_of(line));
		while (feed_next(&s->feed, &r))
			continue;
	}
	if (r.code >= 400)
		refuse(s, r.code, r.text);
	return r.code;
}

/* MAIL or RCPT */
static int
command_path(struct api_send *s, const char *verb, struct str path, const char *more)
{
	char line[MAX_LINE];
	bool is_clean = path.len < MAX_LINE / 2;

	/* a line's end would begin another command */
	for (size_t i = 0; i < path.len && is_clean; i++)
		is_clean = (unsigned char)path.p[i] >= ' ';
	if (!is_clean) {
		refuse(s, 553, STR("5.1.3 That is no address"));
		return s->code;
	}
	snprintf(line, sizeof line, "%s:<%.*s>%s\r\n", verb, STR_ARG(path), more);
	return command(s, line);
}

static bool
is_ascii(struct str a)
{
	for (size_t i = 0; i < a.len; i++)
		if ((unsigned char)a.p[i] >= 0x80)
			return false;
	return true;
}

/* is_taken: the sender; otherwise all of them are refused with it */
static void
tell_rcpts(struct api_send *s, bool is_taken)
{
	const struct api_rcpt *list = s->mail->rcpts;

	for (s->n_of_message = 0; s->next < s->mail->n_rcpts; s->next++) {
		const struct api_rcpt *r = &list[s->next];
		if (!str_eq(r->return_path, list[s->first].return_path))
			break;
		if (is_taken && command_path(s, "RCPT TO", r->address, "") == 250)
			s->n_of_message++;
		else
			s->n_rejected++;
	}
}

/* MAIL, RCPT and DATA of the next message; what is refused is counted. */
static void
begin_message(struct api_send *s)
{
	const struct api_mail *m = s->mail;
	struct str path = m->rcpts[s->next].return_path;
	bool is_utf8 = m->is_utf8 || !is_ascii(path);
	bool is_taken;

	s->first = s->next;
	(void)command(s, "RSET\r\n");
	is_taken = command_path(s, "MAIL FROM", path,
		       is_utf8 ? " BODY=8BITMIME SMTPUTF8" : " BODY=8BITMIME") == 250;
	tell_rcpts(s, is_taken);
	if (s->n_of_message == 0)
		return;
	s->feed.session.n_given = 0;
	if (command(s, "DATA\r\n") != 354) {
		s->n_rejected += s->n_of_message;
		return;
	}
	s->at = 0;
	s->lines = (struct feed_lines){.dots = FEED_DOTS_DOUBLE};
	s->is_on = true;
	s->stage = API_SEND_CONTENT;
}

/* campaign_id is the job, whatever the message says */
static void
add_campaign(struct api_send *s)
{
	struct str c = s->mail->campaign;

	if (c.len == 0)
		return;
	(void)buf_add_cstr(&s->say, "x-job: ");
	for (size_t i = 0; i < PH_MIN(c.len, (size_t)TXN_MAX_JOB); i++)
		(void)buf_add_char(&s->say, (unsigned char)c.p[i] < ' ' ? ' ' : c.p[i]);
	(void)buf_add_cstr(&s->say, "\r\n");
	s->feed.session.n_given = buf_len(&s->say);
}

static void
tell_content(struct api_send *s)
{
	struct str piece = str_sub(s->mail->content, s->at, CONTENT_BYTES);

	buf_reset(&s->say);
	if (s->at == 0)
		add_campaign(s);
	(void)feed_lines_add(&s->lines, piece, &s->say);
	s->at += piece.len;
	if (s->at >= s->mail->content.len) {
		feed_lines_end(&s->lines, &s->say);
		s->stage = API_SEND_WAIT;
	}
	feed_say(&s->feed, buf_str(&s->say));
}

/* The message under way has its answer. */
static void
end_message(struct api_send *s, bool is_accepted)
{
	struct feed_reply r;

	while (feed_next(&s->feed, &r))
		if (r.code >= 400)
			refuse(s, r.code, r.text);
	if (is_accepted)
		s->n_accepted += s->n_of_message;
	else
		s->n_rejected += s->n_of_message;
	s->is_on = false;
}

/* What is left is refused: the session has ended. */
static void
give_up(struct api_send *s)
{
	if (s->is_on)
		end_message(s, false);
	s->n_rejected += s->mail->n_rcpts - s->next;
	s->next = s->mail->n_rcpts;
	if (s->code == 0)
		refuse(s, 451, STR("4.3.0 Not now"));
}

/* One thing more; false: something must be waited for, or all is over. */
static bool
go_on(struct api_send *s)
{
	struct session *session = &s->feed.session;

	if (s->is_on && session->n_messages > s->n_told) {
		s->n_told = session->n_messages;
		end_message(s, true);
	} else if (session->state == SESSION_CLOSING) {
		give_up(s);
	} else if (s->is_on && s->stage == API_SEND_WAIT && session->state == SESSION_COMMAND) {
		end_message(s, false);
	} else if (s->is_on && s->stage == API_SEND_CONTENT && feed_is_ready(&s->feed)) {
		tell_content(s);
		return true;
	}
	if (s->is_on)
		return false;
	if (s->next == s->mail->n_rcpts) {
		s->is_over = true;
		return false;
	}
	begin_message(s);
	return true;
}

static void
on_step(struct feed *f)
{
	struct api_send *s = ph_container_of(f, struct api_send, feed);
	unsigned n = 0;

	while (n++ < TURN_STEPS && go_on(s))
		continue;
	if (s->is_over)
		s->done(s);
	else if (n > TURN_STEPS)
		feed_later(f);
}

void
api_send_start(
    struct api_send *s, struct world *w, const struct net_addr *client, const struct api_mail *m)
{
	void (*done)(struct api_send *) = s->done;
	struct feed_reply r;

	*s = (struct api_send){.mail = m, .done = done};
	buf_init(&s->say, FEED_MAX_SAY);
	feed_start(&s->feed, w, WORLD_DOOR_API, client, on_step);
	while (feed_next(&s->feed, &r))
		continue;
	if (feed_is_ready(&s->feed))
		(void)command(s, "EHLO api\r\n");
	feed_later(&s->feed);
}

void
api_send_clear(struct api_send *s)
{
	if (s->mail == NULL)
		return;
	feed_clear(&s->feed);
	buf_clear(&s->say);
	s->mail = NULL;
}
