/*
 * MTA-STS (RFC 8461): what a domain publishes about the TLS of its mail exchangers, from the texts that it publishes it
 * in to a struct, and from that to one line that another process of ours can read. It asks nobody, keeps nothing and
 * has no clock.
 */
#ifndef PH_STS_STS_H
#define PH_STS_STS_H

#include "lib/base/buf.h"
#include "lib/base/why.h"

#define STS_MAX_ID	 32
#define STS_MAX_POLICY	 (64u * 1024) /* of the text as published; RFC 8461 3.3 suggests it */
#define STS_MAX_PATTERNS 3500	   /* bytes of all patterns together, each with a blank behind it */
#define STS_MAX_AGE_S	 31557600u /* RFC 8461 3.2 */

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE, STS_MODES };
struct sts_policy {
	uint8_t mode; /* enum sts_mode */
	uint32_t max_age_s;
	uint32_t patterns_len;
	char patterns[STS_MAX_PATTERNS]; /* lower case, a blank behind each */
};

const char *sts_mode_name(enum sts_mode m);
/*
 * The id of the policy that the texts of _mta-sts.DOMAIN announce, one text a line. False: none of them, or more than
 * one, is such a record, or it is malformed; then the domain has no policy (RFC 8461 3.1).
 */
bool sts_record_id(struct str texts, char id[STS_MAX_ID + 1]);
/* The policy's text. -1 with why: it is none (3.2). */
int sts_policy_parse(struct str text, struct sts_policy *p, struct why *why) PH_MUST_CHECK;
/* "MODE MAX-AGE PATTERN…", for sts_policy_read(). -1: the buffer is full. */
int sts_policy_write(const struct sts_policy *p, struct buf *to) PH_MUST_CHECK;
/* False: it is no such line; believed no more than the policy's text. */
bool sts_policy_read(struct str line, struct sts_policy *p);
/* May mail go to a host of that name (4.1)? The patterns as the policy has them; "*.x" stands for one label before x. */
bool sts_mx_matches(struct str patterns, struct str host);

#endif
