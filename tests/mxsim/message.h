/*
 * A message as it comes in: hashed, checked for what must not be in it, its header kept to find the identity, written
 * to the dump folder if asked. It never holds the whole message.
 */
#ifndef PH_MXSIM_MESSAGE_H
#define PH_MXSIM_MESSAGE_H

#include <xxhash.h>

#include "lib/base/buf.h"
#include "tests/mxsim/provider.h"

enum dot_state { DOT_BOL, DOT_SEEN, DOT_CR, DOT_MID };

struct message {
	XXH3_state_t *hash;
	FILE *dump;
	struct buf head;
	uint64_t size, number;
	uint32_t line_len;
	uint8_t header_match; /* bytes of the empty line seen */
	bool in_body, was_cr, bad_lf, bad_cr, bad_nul, bad_line, bad_eight;
	enum dot_state dot;
};

void message_init(struct message *m);
void message_clear(struct message *m);
/* dump_fd -1: no dump */
void message_begin(struct message *m, uint64_t number, int dump_fd);
void message_add(struct message *m, struct str s);
/* As the body of DATA: takes off the stuffing; true when the final dot came. *used: bytes taken. */
bool message_add_stuffed(struct message *m, struct str s, size_t *used);
/* Was accepted: the dump gets its final name; or was not: it goes. */
void message_end(struct message *m, int dump_fd, bool is_accepted);
struct str message_id(struct message *m);
uint64_t message_hash(const struct message *m);
/* Adds what was found wrong to the provider's counts. */
void message_count_faults(const struct message *m, struct provider *p, bool is_8bit);

#endif
