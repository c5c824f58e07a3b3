/* What the files of this folder share. */
#ifndef PH_TRACK_TRACK_INT_H
#define PH_TRACK_TRACK_INT_H

#include "lib/track/track.h"

/* n bytes as small letters and digits, five bits each, and a NUL: mail systems may change the case of letters */
void track_base32(const uint8_t *bytes, size_t n, char *text);
/* Keyed digest over the parts, ASCII case ignored, with a bound between them. */
void track_digest(
    const uint8_t key[32], const struct str *parts, size_t n, uint8_t *out, size_t len);

#endif
