/* How an entry lies in the table: key = address in small letters, NUL, scope; value = fields with TABs between. */
#ifndef PH_SUPPRESS_ENTRY_INT_H
#define PH_SUPPRESS_ENTRY_INT_H

#include "lib/suppress/suppress.h"

#define ENTRY_KEY   1024
#define ENTRY_VALUE 4096

/* Length of the key in key[ENTRY_KEY]; 0: the address or the scope is too long or has a NUL. */
size_t entry_key(struct str address, struct str scope, char key[ENTRY_KEY]);
/* Texts are cut and cleaned of control characters. */
void entry_write(const struct suppression *e, struct buf *value);
/* Views into key and value. False: the entry is damaged. */
bool entry_parse(struct str key, struct str value, struct suppression *e);

#endif
