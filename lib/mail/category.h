/*
 * The bounce category of a recipient's end: one of PowerMTA's words, for accounting. It reads a reply's enhanced
 * status only; it decides nothing about delivery.
 */
#ifndef PH_MAIL_CATEGORY_H
#define PH_MAIL_CATEGORY_H

#include "lib/base/str.h"

/* A constant word: "bad-mailbox", "quota-issues", …, "success" for class 2, "other". */
const char *category_of(uint16_t code, const uint8_t enh[3]);

#endif
