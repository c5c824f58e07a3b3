/*
 * What a record needs from the spool: the envelope, the recipient and, if a column asks for it, the message's
 * header section. The last message that was read is kept, since the records of its recipients come together.
 */
#ifndef PH_ACCTD_SOURCE_H
#define PH_ACCTD_SOURCE_H

#include "lib/spool/envelope.h"
#include "lib/spool/reader.h"

#define SOURCE_HEADERS_MAX (64 * 1024)

struct source {
	struct spool_reader *reader;
	struct buf raw;		  /* header line, envelope, and the first bytes of the message */
	struct buf scratch;	  /* decoded values of env */
	struct spool_place place; /* of what is in raw */
	struct envelope env;
	struct env_iter iter;
	struct env_rcpt rcpt;
	uint32_t rcpt_index;
	bool is_loaded, has_rcpt;
};

/* spool_fd: the spool directory, borrowed */
void source_init(struct source *s, int spool_fd);
void source_clear(struct source *s);
/* Loads the record at `place` and recipient `index` of it into s->env and s->rcpt. -1 with `why`. */
int source_load(struct source *s, const struct spool_place *place, uint32_t index,
    bool with_headers, struct why *why) PH_MUST_CHECK;
/* The message's header section as far as it was loaded, wire form. */
struct str source_headers(const struct source *s);

#endif
