/*
 * The content of a message, byte by byte, at whatever edges it comes (RFC 5321 2.3.8, 4.5.2): only CRLF ends a line,
 * only CRLF.CRLF ends DATA. A bare CR, a bare LF or a NUL makes it bad, and bad content is still read to its true
 * end, so that nothing of it is ever taken for a command. Output is the wire form: dot-stuffed, without the final dot.
 */
#ifndef PH_INJECTD_DATA_H
#define PH_INJECTD_DATA_H

#include "lib/base/str.h"

#define DATA_MAX_LINE                                                                              \
	100000u /* octets of text; RFC 5321 4.5.3.1.6 wants 998, mail in use has more */

enum data_fault { DATA_GOOD, DATA_BARE_CR, DATA_BARE_LF, DATA_NUL, DATA_LONG_LINE };

/* Takes stored bytes in order; not called for bad content any more once the fault is known. */
typedef void data_sink(void *arg, struct str piece);

struct data_filter {
	data_sink *sink;
	void *arg;
	uint64_t n_bytes; /* of content: without stuffing dots */
	uint64_t n_dots;  /* lines of the output that begin with a dot */
	uint32_t line_len;
	uint8_t state;
	uint8_t fault; /* enum data_fault, the first one */
	bool is_over;  /* DATA: the final dot was read */
};

void data_init(struct data_filter *f, data_sink *sink, void *arg);
/* DATA: takes stuffed bytes up to the end of data. Returns how many were used; fewer than s.len only when is_over. */
size_t data_run(struct data_filter *f, struct str s);
/* BDAT (RFC 3030): takes all of a chunk's bytes, stuffs them. */
void data_run_chunk(struct data_filter *f, struct str s);
/* BDAT: the last chunk is over: ends its last line if it has no CRLF. */
void data_end_chunks(struct data_filter *f);

#endif
