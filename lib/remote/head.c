/* What the message's own header says, and what kind of message that makes it. */
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"

static void
copy_first_address(char *dst, struct str value)
{
	struct str address;
	size_t at = 0;

	if (remote_next_address(value, &at, &address))
		(void)str_copy(dst, REMOTE_ADDRESS, address);
}

static bool
says_auto_reply(struct str name, struct str v)
{
	static const struct {
		struct str name, prefix;
	} rows[] = {{STR("auto-submitted"), STR("auto-replied")}, {STR("x-autoreply"), STR("yes")},
	    {STR("x-autorespond"), STR("")}, {STR("x-autoresponder"), STR("")},
	    {STR("x-auto-response-suppress"), STR("none-of-it")},
	    {STR("x-apple-action"), STR("vacation")}, {STR("precedence"), STR("auto_reply")},
	    {STR("precedence"), STR("auto-reply")}, {STR("x-autoreply-from"), STR("")},
	    {STR("x-mail-autoreply"), STR("")}};

	for (size_t i = 0; i < countof(rows); i++)
		if (str_ieq(name, rows[i].name) && str_has_iprefix(v, rows[i].prefix))
			return true;
	return false;
}

static void
take(struct remote_head *h, struct str name, struct str raw)
{
	char value[4096];
	struct str v;

	(void)header_unfold(raw, value, sizeof value);
	v = str_of(value);
	if (str_ieq(name, STR("from")) && h->from[0] == '\0')
		copy_first_address(h->from, v);
	else if (str_ieq(name, STR("to")) && h->to[0] == '\0')
		copy_first_address(h->to, v);
	else if (str_ieq(name, STR("subject")))
		(void)mime_decode_words(v, h->subject, sizeof h->subject);
	else if (str_ieq(name, STR("x-failed-recipients")))
		(void)str_copy(h->failed_rcpts, sizeof h->failed_rcpts, v);
	else if (str_ieq(name, STR("return-path")) && str_eq(str_trim(v), STR("<>")))
		h->is_from_nobody = true;
	h->is_auto_reply = h->is_auto_reply || says_auto_reply(name, v);
}

void
remote_read_head(struct remote_head *h, struct str message)
{
	struct str head = str_sub(message, 0, mime_head_length(message));
	struct header_iter it;
	struct header_field f;

	*h = (struct remote_head){0};
	mime_read_type(head, &h->type);
	header_iter_init(&it, head);
	while (header_next(&it, &f))
		take(h, f.name, f.value);
}

/* ---- the verdict ---- */

static const char *const daemon_words[] = {"mailer-daemon", "postmaster", "mail-daemon", "mdaemon",
    "maildaemon", "mailerdaemon", "post_master", "post-master", "mail delivery", "mail-deamon",
    "double-bounce", "bounce", "mailadm", "microsoftexchange", "delivery", "noreply-subscribers",
    "nobody@", NULL};
static const char *const subject_words[] = {"undeliver", "delivery", "returned mail", "failure",
    "failed", "mail error", "could not send", "not delivered", "non-remis", "non remis",
    "unzustellbar", "nicht zugestellt", "nondeliver", "returning", "unable to deliver", "rejected",
    "bounce", "mail system error", "user unknown", "message you sent", "delayed",
    "warning:", "can't be delivered", "zustell", "mail could not", "dsn:", "problem",
    /* French, Spanish, Portuguese, Italian, Dutch, the Scandinavian languages, Polish, Czech, Hungarian, Turkish */
    "chec de remise", "chec de la remise", "chec d'envoi", "non distribu", "non délivr",
    "podido entregar", "no entregado", "error de entrega", "fallo de entrega",
    "fallo en la entrega", "não entreg", "nao entreg", "falha na entrega", "falha de entrega",
    "devolvid", "devuelto", "mancata consegna", "mancato recapito", "non recapitat",
    "non consegnat", "onbestelbaar", "niet bezorgd", "niet afgeleverd", "ikke leveret",
    "ikke levert", "inte levereras", "ej levererat", "niedostarcz", "nie dostarcz", "zwrot wiadomo",
    "nedoruč", "nelze doru", "kézbesít", "teslim edilem", "iletilemedi",
    /* Russian, Chinese, Japanese, Korean */
    "едостав", "е достав", "退信", "退回", "投递失败", "配信", "配達不能", "전송 실패", "반송",
    NULL};
static const char *const reply_words[] = {"out of office", "out-of-office",
    "auto:", "automatic reply", "auto reply", "autoreply", "auto-reply", "automatic response",
    "autoresponse", "auto response", "vacation", "abwesenheit", "on holiday", "away from",
    "thank you for your", "i am away", "challenge", NULL};
static const char *const strong_words[] = {"could not be delivered", "couldn't be delivered",
    "unable to deliver", "undeliverable", "delivery failed", "delivery to the following",
    "failed permanently", "permanent fatal", "error delivering", "failed to deliver",
    "wasn't delivered", "user unknown", "no such user", "unknown user", "failed recipient",
    "cannot be delivered", "can't be delivered", "delivery error", "unable to deliver", "not reach",
    "transcript of session", "does not exist",
    /* the same in other languages */
    "podido entregar", "podido ser entregad", "ser entregue", "essere consegnat",
    "essere recapitat", "être remis", "être distribu", "être délivr", "zugestellt werden",
    "worden bezorgd", "worden afgeleverd", "dostarczon", "doručen", "kézbesít", "teslim edilem",
    "доставлен", "доставить", "无法投递", "退回", "配信でき", NULL};
static const char *const bounce_words[] = {"not be delivered", "undeliver", "permanent error",
    "returned to", "not delivered", "was rejected", "bounced", "mailbox", "rcpt to", "undelivered",
    "error while", "may not exist", "unknown address", "error", "invalid", NULL};
static const char *const challenge_words[] = {"requires confirmation", "confirm this mail",
    "confirm that you", "verify that you are", "challenge-response", "challenge/response", NULL};
static const char *const delay_words[] = {"will be retried", "has been delayed",
    "still undelivered", "not yet been delivered", "has not been delivered", "will keep trying",
    "keep trying to deliver", "attempts will continue", "delivery attempts will", "continue to try",
    "temporary failure", "delayed:", "delivery delayed", "delivery status notification (delay)",
    "warning message only", "will try again", "still trying", "retry for",
    "could not be delivered for", "retried for", "still in the queue", "no action is required",
    NULL};
static const char *const final_words[] = {"giving up", "given up", "permanent",
    "failed permanently", "will not be retried", "no further", "not going to try", "undeliverable",
    "has expired", "will be deleted", NULL};

static enum remote_kind
by_actions(const struct remote_report *r)
{
	enum remote_kind kind = REMOTE_NONE;

	for (size_t i = 0; i < r->n_rcpts; i++) {
		const char *a = r->rcpts[i].action;
		if (strcmp(a, "delayed") == 0)
			kind =
			    kind == REMOTE_NONE || kind == REMOTE_DELIVERED ? REMOTE_DELAYED : kind;
		else if (strcmp(a, "delivered") == 0 || strcmp(a, "relayed") == 0 ||
			 strcmp(a, "expanded") == 0)
			kind = kind == REMOTE_NONE ? REMOTE_DELIVERED : kind;
		else
			return REMOTE_BOUNCE;
	}
	return kind;
}

/* refused until somebody clicks somewhere: the address is good */
static bool
is_challenge(const struct remote_report *r)
{
	return r->n_rcpts > 0 && remote_has_word(str_of(r->rcpts[0].diag), challenge_words);
}

static bool
is_delay(const struct remote_report *r, const struct remote_head *h)
{
	struct str text = buf_str(&r->human), subject = str_of(h->subject);

	if (remote_has_word(subject, final_words))
		return false;
	if (remote_has_word(subject, delay_words) || str_has_iprefix(subject, STR("warning")))
		return true;
	return remote_has_word(text, delay_words) && !remote_has_word(text, final_words);
}

/* What comes back was sent by the one that it comes back to: only a report does that. */
static bool
returns_own(const struct remote_report *r, const struct remote_head *h)
{
	static const struct str names[] = {STR("from"), STR("return-path"), STR("sender")};
	char value[1024], address[REMOTE_ADDRESS];
	struct header_field f;

	for (size_t i = 0; i < countof(names) && h->to[0] != '\0'; i++) {
		if (!header_find(r->returned, names[i], &f))
			continue;
		address[0] = '\0';
		(void)header_unfold(f.value, value, sizeof value);
		copy_first_address(address, str_of(value));
		if (str_ieq(str_of(address), str_of(h->to)))
			return true;
	}
	return false;
}

/* Some servers call their reports answers, too; but these come from the server, and say that something failed. */
static bool
is_answer(const struct remote_head *h)
{
	static const struct str daemons[] = {
	    STR("mailer-daemon@"), STR("mail-daemon@"), STR("maildaemon@")};
	struct str subject = str_of(h->subject);

	if (remote_has_word(subject, reply_words))
		return true;
	for (size_t i = 0; i < countof(daemons) && h->is_from_nobody; i++)
		if (str_has_iprefix(str_of(h->from), daemons[i]) &&
		    remote_has_word(subject, subject_words))
			return false;
	return h->is_auto_reply;
}

enum remote_kind
remote_judge(const struct remote_report *r, const struct remote_head *h, bool has_status)
{
	struct str subject = str_of(h->subject), text = buf_str(&r->human);
	int points;

	if (strcmp(h->type.report_type, "disposition-notification") == 0)
		return REMOTE_MDN;
	if (strcmp(h->type.report_type, "feedback-report") == 0)
		return REMOTE_COMPLAINT;
	if (has_status)
		return is_challenge(r) ? REMOTE_AUTOREPLY : by_actions(r);
	if (h->failed_rcpts[0] != '\0')
		return is_delay(r, h) ? REMOTE_DELAYED : REMOTE_BOUNCE;
	points = 2 * remote_has_word(str_of(h->from), daemon_words) + (h->is_from_nobody ? 1 : 0) +
		 2 * remote_has_word(subject, subject_words) + (r->returned.len > 0) +
		 2 * returns_own(r, h) + remote_has_word(text, bounce_words) +
		 remote_has_word(text, strong_words);
	/* an answer by a program is no failure, unless it brings back what was sent */
	if (is_answer(h) && !(points > 5 && returns_own(r, h)))
		return REMOTE_AUTOREPLY;
	if (points < 4)
		return REMOTE_NONE;
	return is_delay(r, h) ? REMOTE_DELAYED : REMOTE_BOUNCE;
}
