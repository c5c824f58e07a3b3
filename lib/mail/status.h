/*
 * Enhanced status codes (RFC 3463 and its registry) with the short texts that accounting and reports show, and
 * the words of delivery reports. Tables only: it never judges a reply.
 */
#ifndef PH_MAIL_STATUS_H
#define PH_MAIL_STATUS_H

#include "lib/base/buf.h"

#define STATUS_TEXT 96 /* room for "x.y.z (text)" */

/*
 * The status to show: enh itself when it is one (class 2, 4 or 5), else class.0.0 from the SMTP reply code, else
 * 4.0.0. A class that contradicts the code's first digit is corrected to the code's.
 */
void status_effective(const uint8_t enh[3], uint16_t code, uint8_t out[3]);
/* "5.1.1 (bad destination mailbox address)" of the effective status, into text; returns text. */
const char *status_format(const uint8_t enh[3], uint16_t code, char text[STATUS_TEXT]);

#endif
