/*
 * Numbers from text, exactly: the whole view must be digits, in range, without sign, blanks or overflow.
 */
#ifndef PH_BASE_NUM_H
#define PH_BASE_NUM_H

#include "lib/base/str.h"

/* True and *v set when s is a decimal number within [min, max]; otherwise false and *v unchanged. */
bool parse_u32(struct str s, uint32_t min, uint32_t max, uint32_t *v);
bool parse_u64(struct str s, uint64_t min, uint64_t max, uint64_t *v);
/* Exactly `digits` hexadecimal digits (1-16), either case. */
bool parse_hex64(struct str s, size_t digits, uint64_t *v);

uint16_t get_be16(const void *p);
uint32_t get_be32(const void *p);
void put_be16(void *p, uint16_t v);
void put_be32(void *p, uint32_t v);

#endif
