/* The fields of message/delivery-status (RFC 3464 2): a block for the message, one for each recipient. */
#include "lib/base/xalloc.h"
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"
#include "lib/smtp/reply.h"

/* "type; value": the value */
static struct str
without_type(struct str v)
{
	size_t semi = str_find(v, ';');

	if (semi == STR_NPOS || semi > 20 || str_find(str_sub(v, 0, semi), '@') != STR_NPOS)
		return str_trim(v);
	return str_trim(str_skip(v, semi + 1));
}

/* the address in "rfc822;a@b", "rfc822; <a@b>" or with a comment; what has no "@" as it is */
static void
copy_address(char dst[REMOTE_ADDRESS], struct str v)
{
	struct str value = without_type(v), address;
	size_t at = 0, lt = str_find(value, '<');

	if (lt == STR_NPOS && str_find(value, ' ') == STR_NPOS &&
	    str_find(value, '@') != STR_NPOS) {
		(void)str_copy(dst, REMOTE_ADDRESS, value);
		return;
	}
	if (remote_next_address(value, &at, &address)) {
		(void)str_copy(dst, REMOTE_ADDRESS, address);
		return;
	}
	if (lt != STR_NPOS)
		value = str_sub(value, lt + 1, str_find(str_skip(value, lt + 1), '>'));
	(void)str_copy(dst, REMOTE_ADDRESS, value);
}

static void
copy_first_word(char *dst, size_t size, struct str v)
{
	size_t n = 0;

	v = str_trim(v);
	while (n < v.len && v.p[n] != ' ' && v.p[n] != '\t' && v.p[n] != '(')
		n++;
	(void)str_copy(dst, size, str_sub(v, 0, n));
}

static const struct str field_names[REMOTE_FIELDS] = {
    [FIELD_REPORTING_MTA] = STR("reporting-mta"),
    [FIELD_ENVID] = STR("original-envelope-id"),
    [FIELD_ARRIVAL] = STR("arrival-date"),
    [FIELD_ORIGINAL] = STR("original-recipient"),
    [FIELD_FINAL] = STR("final-recipient"),
    [FIELD_ACTION] = STR("action"),
    [FIELD_STATUS] = STR("status"),
    [FIELD_MTA] = STR("remote-mta"),
    [FIELD_DIAG] = STR("diagnostic-code"),
    [FIELD_LAST_ATTEMPT] = STR("last-attempt-date"),
    [FIELD_RETRY_UNTIL] = STR("will-retry-until"),
};

static void
take_field(struct remote_rcpt *rc, enum remote_field which, struct str v)
{
	switch (which) {
	case FIELD_FINAL:
		copy_address(rc->final, v);
		break;
	case FIELD_ORIGINAL:
		copy_address(rc->original, v);
		break;
	case FIELD_ACTION:
		copy_first_word(rc->action, sizeof rc->action, v);
		str_lower(rc->action, strlen(rc->action));
		break;
	case FIELD_STATUS:
		(void)smtp_enh_parse(str_trim(v), rc->enh);
		break;
	case FIELD_DIAG:
		(void)str_copy(rc->diag, sizeof rc->diag, without_type(v));
		break;
	case FIELD_MTA:
		copy_first_word(rc->mta, sizeof rc->mta, without_type(v));
		break;
	default:
		break;
	}
}

static enum remote_field
field_of(struct str name)
{
	for (size_t i = 0; i < REMOTE_FIELDS; i++)
		if (str_ieq(name, field_names[i]))
			return (enum remote_field)i;
	return REMOTE_FIELDS;
}

static bool
is_of_message(enum remote_field which)
{
	return which < FIELD_ORIGINAL;
}

static void
take_message_field(struct remote_report *r, enum remote_field which, struct str v)
{
	if (which == FIELD_REPORTING_MTA)
		copy_first_word(r->reporting_mta, sizeof r->reporting_mta, without_type(v));
	else if (which == FIELD_ENVID)
		(void)str_copy(r->envid, sizeof r->envid, str_trim(v));
}

static void
keep_raw(struct remote_report *r, struct remote_rcpt *rc, enum remote_field which, struct str v)
{
	size_t at = buf_len(&r->fields);

	if (rc->raw[which].len > 0 || buf_add_str(&r->fields, v) == -1)
		return;
	rc->raw[which].at = (uint32_t)at;
	rc->raw[which].len = (uint32_t)v.len;
}

/* what a run through the blocks holds */
struct block {
	struct remote_rcpt message; /* the message's fields, which every recipient gets */
	struct remote_rcpt blank;   /* what is beyond the bounds */
};

static void
take_line(
    struct remote_report *r, struct block *b, struct remote_rcpt **rc, const struct header_field *f)
{
	enum remote_field which = field_of(f->name);
	char value[REMOTE_DIAG];
	struct str v;

	if (which == REMOTE_FIELDS)
		return;
	(void)header_unfold(f->value, value, sizeof value);
	v = str_of(value);
	if (is_of_message(which)) {
		take_message_field(r, which, v);
		keep_raw(r, &b->message, which, v);
		return;
	}
	/* some leave out the empty line between two blocks */
	if (which == FIELD_FINAL && *rc != NULL && (*rc)->final[0] != '\0')
		*rc = NULL;
	if (*rc == NULL) {
		*rc = remote_add_rcpt(r);
		*rc = *rc == NULL ? &b->blank : *rc;
		memcpy((*rc)->raw, b->message.raw, sizeof b->message.raw);
	}
	take_field(*rc, which, v);
	keep_raw(r, *rc, which, v);
}

/* One block of fields; *rest moves behind it, or over the line that is no field. */
static void
read_block(struct remote_report *r, struct block *b, struct str *rest)
{
	struct header_iter it;
	struct header_field f;
	struct remote_rcpt *rc = NULL;
	size_t used = 0, lf;

	header_iter_init(&it, *rest);
	while (header_next(&it, &f)) {
		used = (size_t)(f.whole.p + f.whole.len - rest->p);
		take_line(r, b, &rc, &f);
	}
	if (used == 0) {
		lf = str_find(*rest, '\n');
		used = lf == STR_NPOS ? rest->len : lf + 1;
	}
	*rest = str_skip(*rest, used);
}

void
remote_read_status(struct remote_report *r, struct str body)
{
	size_t before = r->n_rcpts;
	struct block *b = xcalloc(1, sizeof *b);

	while (body.len > 0)
		read_block(r, b, &body);
	free(b);
	for (size_t i = before; i < r->n_rcpts; i++)
		remote_take_codes(&r->rcpts[i]);
}
