#include <errno.h>
#include <unistd.h>

#include "injectd/merge.h"
#include "injectd/pickup_int.h"
#include "lib/smtp/command.h"

/*
 *	pickup-file = plain / bsmtp
 *	plain       = *field message
 *	field       = ( "x-sender:" / "x-receiver:" / "x-sender-override:" / "x-envid:" / "x-job:" / "x-virtual-mta:" )
 *	bsmtp       = [ HELO / EHLO ] ( mail / merge ) [ QUIT ]
 *	mail        = MAIL 1*RCPT DATA message "."
 *	merge       = XMRG 1*( *XDFN RCPT ) 1*( XPRT part "." )      with XACK, and empty lines, anywhere
 */

#define READ_BYTES   (8u * 1024) /* times three fits into what may be told at once */
#define TURN_STEPS   16u
#define MAX_ENVELOPE TXN_MAX_RCPT_BYTES
#define MAX_GIVEN    (16u * 1024)

/* ---- the file ---- */

static int
read_more(struct pickup_job *j)
{
	size_t room;
	char *p = buf_reserve(&j->in, READ_BYTES, &room);
	ssize_t n;

	if (p == NULL)
		return why_smtp(&j->why, 554, 5, 6, 0, "It has a line that is too long");
	n = pread(j->fd, p, PH_MIN(room, (size_t)READ_BYTES), (off_t)j->at);
	if (n == -1)
		return why_smtp(
		    &j->why, 451, 4, 3, 0, "It cannot be read: %s", strerrordesc_np(errno));
	buf_wrote(&j->in, (size_t)n);
	j->at += (uint64_t)n;
	j->is_eof = n == 0;
	return 0;
}

/* The next line without its end, *len bytes with it; borrowed. 1, 0 at the end of the file, or -1 with j->why. */
static int
peek_line(struct pickup_job *j, struct str *line, size_t *len)
{
	size_t lf, max = j->is_bsmtp ? PICKUP_MAX_COMMAND : PICKUP_MAX_LINE;

	while ((lf = str_find(buf_str(&j->in), '\n')) == STR_NPOS && !j->is_eof &&
	       buf_len(&j->in) <= max)
		if (read_more(j) == -1)
			return -1;
	*len = lf == STR_NPOS ? buf_len(&j->in) : lf + 1;
	if (*len > max)
		return why_smtp(&j->why, 500, 5, 5, 2, "It has a line that is too long");
	*line = str_sub(buf_str(&j->in), 0, *len);
	while (line->len > 0 && strchr("\r\n", line->p[line->len - 1]) != NULL)
		line->len--;
	return *len > 0;
}

/* ---- the plain form: fields to commands ---- */

struct plain {
	char sender[PICKUP_MAX_LINE], override[PICKUP_MAX_LINE];
	bool has_sender, has_override, is_utf8;
	struct buf rcpts;
};

static bool
is_field(struct str line, struct str name, struct str *value)
{
	if (!str_has_iprefix(line, name))
		return false;
	*value = str_trim(str_skip(line, name.len));
	return true;
}

static struct str
bare(struct str address)
{
	if (address.len >= 2 && address.p[0] == '<' && address.p[address.len - 1] == '>')
		return str_sub(address, 1, address.len - 2);
	return address;
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* One field of the envelope. False: the line is none, here the message begins. */
static bool
take_field(struct pickup_job *j, struct plain *p, struct str line)
{
	struct str value;

	p->is_utf8 = p->is_utf8 || !is_ascii(line);
	if (is_field(line, STR("x-receiver:"), &value)) {
		(void)buf_addf(&p->rcpts, "RCPT TO:<%.*s>\r\n", STR_ARG(bare(value)));
	} else if (is_field(line, STR("x-sender-override:"), &value)) {
		(void)str_copy(p->override, sizeof p->override, bare(value));
		p->has_override = true;
	} else if (is_field(line, STR("x-sender:"), &value)) {
		(void)str_copy(p->sender, sizeof p->sender, bare(value));
		p->has_sender = true;
	} else if (is_field(line, STR("x-envid:"), &value) ||
		   is_field(line, STR("x-job:"), &value) ||
		   is_field(line, STR("x-virtual-mta:"), &value)) {
		(void)buf_addf(&j->given, "%.*s\r\n", STR_ARG(line));
	} else {
		return false;
	}
	return true;
}

static int
make_commands(struct pickup_job *j, struct plain *p)
{
	const char *sender = p->has_override ? p->override : p->sender;

	if (!p->has_sender && !p->has_override)
		return why_smtp(&j->why, 554, 5, 6, 0, "It names no sender: x-sender is missing");
	if (buf_is_overfull(&p->rcpts) || buf_is_overfull(&j->given))
		return why_smtp(&j->why, 554, 5, 5, 3, "It has too many recipients");
	if (buf_len(&p->rcpts) == 0)
		return why_smtp(
		    &j->why, 554, 5, 6, 0, "It names no recipient: x-receiver is missing");
	(void)buf_addf(&j->say, "MAIL FROM:<%s>%s\r\n", sender, p->is_utf8 ? " SMTPUTF8" : "");
	(void)buf_add_str(&j->say, buf_str(&p->rcpts));
	j->stage = PICKUP_ENVELOPE;
	return 0;
}

static int
read_plain(struct pickup_job *j)
{
	struct plain p = {0};
	struct str line;
	size_t len;
	int r;

	buf_init(&p.rcpts, MAX_ENVELOPE);
	while ((r = peek_line(j, &line, &len)) > 0 && take_field(j, &p, line))
		buf_consume(&j->in, len);
	/* the first line of the message may be long: that is for the session to judge */
	if (r == -1 && j->why.smtp_code == 500)
		j->why = (struct why){0};
	else if (r == -1) {
		buf_clear(&p.rcpts);
		return -1;
	}
	r = make_commands(j, &p);
	buf_clear(&p.rcpts);
	return r;
}

/* ---- which form it is ---- */

static bool
begins_bsmtp(struct str line)
{
	static const struct str words[] = {
	    {"HELO ", 5}, {"EHLO ", 5}, {"MAIL ", 5}, {"XACK ", 5}, {"XMRG ", 5}};

	for (size_t i = 0; i < countof(words); i++)
		if (str_has_iprefix(line, words[i]))
			return true;
	return false;
}

static int
start_telling(struct pickup_job *j)
{
	struct str line;
	size_t len;
	int r = peek_line(j, &line, &len);

	if (r == -1)
		return -1;
	if (r == 0)
		return why_smtp(&j->why, 554, 5, 6, 0, "It is empty");
	(void)buf_add_cstr(&j->say, "EHLO pickup\r\n");
	if (begins_bsmtp(line)) {
		j->is_bsmtp = true;
		j->lines.dots = FEED_DOTS_LEAVE;
		j->stage = PICKUP_COMMANDS;
		return 0;
	}
	if (conf_bool(conf_global(j->feed.session.world->conf), CONF_GLOBAL_PICKUP_REMOVE_DOT))
		j->lines.dots = FEED_DOTS_KEEP_TWO;
	return read_plain(j);
}

/* ---- what is told next ---- */

static int
tell_data(struct pickup_job *j)
{
	j->stage = PICKUP_CONTENT;
	j->feed.session.n_given = buf_len(&j->given);
	(void)buf_add_cstr(&j->say, "DATA\r\n");
	return buf_add_str(&j->say, buf_str(&j->given));
}

static int
tell_command(struct pickup_job *j)
{
	struct str line = STR_NULL;
	size_t len;
	int r;

	if (j->feed.session.state == SESSION_CHUNK)
		return why_smtp(&j->why, 502, 5, 5, 1, "BDAT is not taken from a file");
	if (j->feed.session.state == SESSION_DATA) {
		const struct txn *t = j->feed.session.txn;
		j->wants_part = t->merge != NULL && merge_wants_part(t->merge);
		j->stage = PICKUP_CONTENT;
		return 0;
	}
	r = peek_line(j, &line, &len);
	if (r == 0)
		return why_smtp(&j->why, 554, 5, 6, 0, "It ends before its message");
	if (r == -1)
		return -1;
	if (line.len > 0)
		(void)buf_addf(&j->say, "%.*s\r\n", STR_ARG(line));
	buf_consume(&j->in, len);
	return 0;
}

static int
tell_content(struct pickup_job *j)
{
	size_t n;

	if (buf_len(&j->in) == 0 && !j->is_eof && read_more(j) == -1)
		return -1;
	n = feed_lines_add(&j->lines, str_sub(buf_str(&j->in), 0, READ_BYTES), &j->say);
	buf_consume(&j->in, n);
	/* nothing behind the message is told: another one would be taken, though this one may be refused */
	if (!j->lines.is_over && (!j->is_eof || buf_len(&j->in) > 0))
		return 0;
	if (j->wants_part && j->lines.is_over) {
		j->lines = (struct feed_lines){.dots = FEED_DOTS_LEAVE};
		j->stage = PICKUP_COMMANDS;
		return 0;
	}
	j->stage = PICKUP_END;
	if (!j->is_bsmtp)
		feed_lines_end(&j->lines, &j->say);
	return 0;
}

static int
tell_end(struct pickup_job *j)
{
	return why_smtp(&j->why, 554, 5, 6, 0, "It ends before its message");
}

/* Fills j->say, or moves to the next stage; -1 with j->why. */
typedef int tell_fn(struct pickup_job *j);
static tell_fn *const tells[] = {
    [PICKUP_START] = start_telling,
    [PICKUP_ENVELOPE] = tell_data,
    [PICKUP_COMMANDS] = tell_command,
    [PICKUP_CONTENT] = tell_content,
    [PICKUP_END] = tell_end,
};

/* ---- going on ---- */

static void
end(struct pickup_job *j)
{
	j->done(j, j->why.smtp_code / 100 == 5 ? PICKUP_BAD : PICKUP_LATER);
}

/* The message is durable; QUIT may follow it, another message may not. */
static void
end_sent(struct pickup_job *j)
{
	struct str rest;

	while (!j->is_eof && buf_len(&j->in) <= PICKUP_MAX_LINE && read_more(j) == 0)
		continue;
	rest = str_trim(buf_str(&j->in));
	j->has_more = rest.len > 0 && !str_ieq(rest, STR("QUIT"));
	j->done(j, PICKUP_SENT);
}

/* False: it failed, j->why says how. */
static bool
take_replies(struct pickup_job *j)
{
	struct feed_reply r;

	while (feed_next(&j->feed, &r)) {
		if (r.code < 400)
			continue;
		(void)why_smtp(&j->why, r.code, r.code / 100, 0, 0, "%.*s", STR_ARG(r.text));
		return false;
	}
	if (j->feed.session.state == SESSION_CLOSING) {
		(void)why_smtp(&j->why, 451, 4, 3, 0, "It is not taken now");
		return false;
	}
	return true;
}

static void
say_some(struct pickup_job *j)
{
	struct str all = buf_str(&j->say), some = str_sub(all, 0, FEED_MAX_SAY);

	/* replies come for lines: those of the envelope are told whole */
	feed_say(&j->feed, some);
	buf_consume(&j->say, some.len);
}

static void
on_step(struct feed *f)
{
	struct pickup_job *j = ph_container_of(f, struct pickup_job, feed);

	for (unsigned i = 0; i < TURN_STEPS; i++) {
		if (f->session.n_messages > 0) {
			end_sent(j);
			return;
		}
		if (!take_replies(j)) {
			end(j);
			return;
		}
		if (!feed_is_ready(f))
			return;
		if (buf_len(&j->say) > 0)
			say_some(j);
		else if (tells[j->stage](j) == -1) {
			end(j);
			return;
		}
	}
	feed_later(f);
}

void
pickup_job_start(struct pickup_job *j, struct world *w)
{
	buf_init(&j->in, 4 * READ_BYTES);
	buf_init(&j->say, MAX_ENVELOPE + MAX_GIVEN + 8 * READ_BYTES);
	buf_init(&j->given, MAX_GIVEN);
	feed_start(&j->feed, w, WORLD_DOOR_PICKUP, &(struct net_addr){0}, on_step);
	j->feed.session.preset_id = j->id;
	feed_later(&j->feed);
}

void
pickup_job_clear(struct pickup_job *j)
{
	feed_clear(&j->feed);
	buf_clear(&j->in);
	buf_clear(&j->say);
	buf_clear(&j->given);
	close(j->fd);
	j->fd = -1;
}
