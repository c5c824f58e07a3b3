/* Where in a text the header of the returned message begins. */
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"

static bool
is_one_of(struct str name, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

/* fields that every message has, and fields that text for people seldom has */
static const struct str usual[] = {STR("from"), STR("to"), STR("subject"), STR("date"),
    STR("sender"), STR("reply-to"), STR("mime-version"), STR("content-type"),
    STR("content-transfer-encoding"), STR("cc"), STR("x-mailer"), STR("user-agent")};
static const struct str telling[] = {STR("received"), STR("message-id"), STR("return-path"),
    STR("dkim-signature"), STR("x-originating-ip"), STR("delivered-to"),
    STR("domainkey-signature")};

static struct str
line_name(struct str line)
{
	size_t colon = str_find(line, ':');

	return colon == STR_NPOS || colon > 60 ? STR("") : str_sub(line, 0, colon);
}

struct run {
	size_t begin, n_usual, n_telling, n_fields;
};

static bool
is_header(const struct run *run)
{
	return run->n_fields >= 3 && (run->n_telling >= 1 || run->n_usual >= 4) &&
	       run->n_usual + run->n_telling >= 2;
}

static void
count_field(struct run *run, struct str line)
{
	struct str name = line_name(line);

	run->n_fields++;
	run->n_usual += is_one_of(name, usual, countof(usual));
	run->n_telling += is_one_of(name, telling, countof(telling));
}

size_t
remote_find_header(struct str text)
{
	struct run run = {0};
	size_t at = 0, lf, len;

	while (at < text.len) {
		lf = str_find(str_skip(text, at), '\n');
		len = lf == STR_NPOS ? text.len - at : lf + 1;
		switch (header_line_kind(str_sub(text, at, len))) {
		case HEADER_LINE_FIELD:
			if (run.n_fields == 0)
				run.begin = at;
			count_field(&run, str_sub(text, at, len));
			break;
		case HEADER_LINE_CONTINUED:
			break;
		default:
			if (is_header(&run))
				return run.begin;
			run = (struct run){0};
		}
		at += len;
	}
	return is_header(&run) ? run.begin : text.len;
}
