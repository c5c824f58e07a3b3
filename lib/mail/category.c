#include "lib/mail/category.h"

#include "lib/mail/status.h"

#define ANY 255

/* first match wins */
static const struct {
	uint8_t subject;
	uint8_t detail;
	const char *category;
} rows[] = {
    {1, 1, "bad-mailbox"},
    {1, 2, "bad-domain"},
    {1, 3, "bad-mailbox"},
    {1, 4, "bad-mailbox"},
    {1, 6, "bad-mailbox"},
    {1, 7, "invalid-sender"},
    {1, 8, "invalid-sender"},
    {1, 10, "bad-domain"},
    {2, 0, "bad-mailbox"},
    {2, 1, "inactive-mailbox"},
    {2, 2, "quota-issues"},
    {3, 3, "content-related"},
    {3, 5, "bad-configuration"},
    {4, 1, "no-answer-from-host"},
    {4, 2, "bad-connection"},
    {4, 3, "routing-errors"},
    {4, 4, "routing-errors"},
    {4, 6, "routing-errors"},
    {4, 7, "message-expired"},
    {5, 3, "policy-related"},
    {5, ANY, "protocol-errors"},
    {6, ANY, "content-related"},
    {7, 0, "policy-related"},
    {7, 1, "policy-related"},
    {7, 2, "policy-related"},
    {7, 7, "content-related"},
};

const char *
category_of(uint16_t code, const uint8_t enh[3])
{
	uint8_t e[3];

	status_effective(enh, code, e);
	if (e[0] == 2)
		return "success";
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].subject == e[1] && (rows[i].detail == e[2] || rows[i].detail == ANY))
			return rows[i].category;
	}
	return "other";
}
