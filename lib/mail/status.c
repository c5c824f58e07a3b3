#include "lib/mail/status.h"

struct row {
	uint8_t class; /* 0: any */
	uint8_t subject;
	uint8_t detail;
	const char *text;
};

/* RFC 3463, 3886, 4468, 4954, 5248, 6710, 7293, 7372, 7505, 8461 */
static const struct row rows[] = {
    {2, 0, 0, "success"},
    {0, 0, 0, "undefined status"},
    {0, 1, 0, "other address status"},
    {2, 1, 5, "destination address valid"},
    {0, 1, 1, "bad destination mailbox address"},
    {0, 1, 2, "bad destination system address"},
    {0, 1, 3, "bad destination mailbox address syntax"},
    {0, 1, 4, "destination mailbox address ambiguous"},
    {0, 1, 5, "destination address valid"},
    {0, 1, 6, "destination mailbox has moved"},
    {0, 1, 7, "bad sender's mailbox address syntax"},
    {0, 1, 8, "bad sender's system address"},
    {0, 1, 9, "message relayed to non-compliant mailer"},
    {0, 1, 10, "recipient address has null MX"},
    {0, 2, 0, "mailbox-related failure"},
    {0, 2, 1, "mailbox disabled, not accepting messages"},
    {0, 2, 2, "mailbox full"},
    {0, 2, 3, "message length exceeds administrative limit"},
    {0, 2, 4, "mailing list expansion problem"},
    {0, 3, 0, "mail system-related failure"},
    {0, 3, 1, "mail system full"},
    {0, 3, 2, "system not accepting network messages"},
    {0, 3, 3, "system not capable of selected features"},
    {0, 3, 4, "message too big for system"},
    {0, 3, 5, "system incorrectly configured"},
    {0, 3, 6, "requested priority was changed"},
    {0, 4, 0, "other or undefined network or routing status"},
    {0, 4, 1, "no answer from host"},
    {0, 4, 2, "bad connection"},
    {0, 4, 3, "directory server failure"},
    {0, 4, 4, "unable to route"},
    {0, 4, 5, "mail system congestion"},
    {0, 4, 6, "routing loop detected"},
    {0, 4, 7, "delivery time expired"},
    {0, 5, 0, "protocol-related failure"},
    {0, 5, 1, "invalid command"},
    {0, 5, 2, "syntax error"},
    {0, 5, 3, "too many recipients"},
    {0, 5, 4, "invalid command arguments"},
    {0, 5, 5, "wrong protocol version"},
    {0, 5, 6, "authentication exchange line is too long"},
    {0, 6, 0, "other or undefined media error"},
    {0, 6, 1, "media not supported"},
    {0, 6, 2, "conversion required and prohibited"},
    {0, 6, 3, "conversion required but not supported"},
    {0, 6, 4, "conversion with loss performed"},
    {0, 6, 5, "conversion failed"},
    {0, 6, 6, "message content not available"},
    {0, 6, 7, "non-ASCII addresses not permitted for that sender or recipient"},
    {0, 6, 8, "UTF-8 string reply is required, but not permitted"},
    {0, 6, 9, "UTF-8 header message cannot be transferred"},
    {0, 7, 0, "other or undefined security status"},
    {0, 7, 1, "delivery not authorized"},
    {0, 7, 2, "mailing list expansion prohibited"},
    {0, 7, 3, "security conversion required but not possible"},
    {0, 7, 4, "security features not supported"},
    {0, 7, 5, "cryptographic failure"},
    {0, 7, 6, "cryptographic algorithm not supported"},
    {0, 7, 7, "message integrity failure"},
    {0, 7, 8, "authentication credentials invalid"},
    {0, 7, 9, "authentication mechanism is too weak"},
    {0, 7, 10, "encryption needed"},
    {0, 7, 11, "encryption required for requested authentication mechanism"},
    {0, 7, 12, "a password transition is needed"},
    {0, 7, 13, "user account disabled"},
    {0, 7, 14, "trust relationship required"},
    {0, 7, 15, "priority level is too low"},
    {0, 7, 16, "message is too big for the specified priority"},
    {0, 7, 17, "mailbox owner has changed"},
    {0, 7, 18, "domain owner has changed"},
    {0, 7, 19, "recipient validity check cannot be completed"},
    {0, 7, 20, "no passing DKIM signature found"},
    {0, 7, 21, "no acceptable DKIM signature found"},
    {0, 7, 22, "no valid author-matched DKIM signature found"},
    {0, 7, 23, "SPF validation failed"},
    {0, 7, 24, "SPF validation error"},
    {0, 7, 25, "reverse DNS validation failed"},
    {0, 7, 26, "multiple authentication checks failed"},
    {0, 7, 27, "sender address has null MX"},
    {0, 7, 28, "mail flood detected"},
    {0, 7, 29, "authenticated received chain validation failed"},
    {0, 7, 30, "TLS is required"},
};

static const struct row *
find(uint8_t class, uint8_t subject, uint8_t detail)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].subject == subject && rows[i].detail == detail &&
		    (rows[i].class == 0 || rows[i].class == class))
			return &rows[i];
	}
	return NULL;
}

/* "bad destination mailbox address"; for what is not in the table, its subject's general text. */
static const char *
status_text(const uint8_t enh[3])
{
	const struct row *row = find(enh[0], enh[1], enh[2]);

	if (row == NULL)
		row = find(enh[0], enh[1], 0);
	if (row == NULL)
		row = find(enh[0], 0, 0);
	return row->text;
}

static bool
is_class(unsigned c)
{
	return c == 2 || c == 4 || c == 5;
}

void
status_effective(const uint8_t enh[3], uint16_t code, uint8_t out[3])
{
	unsigned class = code / 100;

	if (is_class(enh[0])) {
		memcpy(out, enh, 3);
		if (is_class(class))
			out[0] = (uint8_t) class;
		return;
	}
	out[0] = (uint8_t)(is_class(class) ? class : 4);
	out[1] = out[2] = 0;
}

const char *
status_format(const uint8_t enh[3], uint16_t code, char text[STATUS_TEXT])
{
	uint8_t e[3];

	status_effective(enh, code, e);
	snprintf(text, STATUS_TEXT, "%u.%u.%u (%s)", e[0], e[1], e[2], status_text(e));
	return text;
}
