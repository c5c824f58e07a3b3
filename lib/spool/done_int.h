/*
 * The done log's form: files done/NNNNNNNN of one block (a checkpoint of the totals) and lines of fixed width, each
 * with a checksum seeded by the file's number. The first `n_table` lines repeat what is gone (S) and moved (M) from
 * the files before, so that the newest file alone tells it. Reading only; the store writes.
 *
 *	K IIIIIIIIIIIIIIII RRRRRRRR TTTTTTTT WGGGGGGGG SSSSSSSS\n	(hex)
 *
 * K: D, B, E, X a recipient's end (delivered, bounced, expired, deleted), counted; V, N, F, Y the same without an
 * accounting record; in lower case the same, repeated and not counted; S a segment that was let go of (I: its number);
 * M a record that was moved out into a queue file. I: message id, R: recipient, T: seconds since 1970, W and G: writer
 * and generation of the segment, "-" and 0 for a queue file.
 */
#ifndef PH_SPOOL_DONE_INT_H
#define PH_SPOOL_DONE_INT_H

#include "lib/base/clock.h"
#include "lib/ipc/structs.h"
#include "lib/spool/record_int.h"

#define DONE_FILE_BYTES (4u * 1024 * 1024)
#define DONE_LINE	56u
#define DONE_LINES	((DONE_FILE_BYTES - BLOCK_BYTES) / DONE_LINE)
#define DONE_MAX_BYTES	(128u * DONE_FILE_BYTES)
#define DONE_NO_WRITER	0xffu /* holder is a queue file */

struct done_line {
	uint64_t id; /* S: the segment's number */
	uint32_t rcpt, when_s, generation;
	uint8_t writer; /* or DONE_NO_WRITER */
	char kind;
};
struct done_header {
	uint64_t by_kind[FINAL_MAX]; /* before this file's lines */
	uint32_t number, n_table;
	uint32_t previous, previous_lines; /* of these the previous file's count */
};

/* How many lines a file may have: DONE_LINES, or more where its table would leave no room for others. */
static inline size_t
done_capacity(size_t n_table)
{
	return PH_MAX((size_t)DONE_LINES, n_table + DONE_LINES / 2);
}

char done_letter(enum final_kind kind);
/* FINAL_NONE for S and M; *counts: not a repetition. */
enum final_kind done_kind(char letter, bool *counts);

void done_line_write(char *p, uint32_t number, const struct done_line *l);
bool done_line_parse(const char *p, uint32_t number, struct done_line *l);
void done_header_write(char block[BLOCK_BYTES], const struct done_header *h);
bool done_header_parse(const char block[BLOCK_BYTES], struct done_header *h);

/* A file read whole. */
struct done_file {
	char *text;	/* owned */
	size_t n_lines; /* up to the last one that is good */
	uint32_t number;
	bool is_good; /* header and table */
	struct done_header head;
};
int done_file_read(struct done_file *f, int done_fd, uint32_t number) PH_MUST_CHECK;
void done_file_clear(struct done_file *f);
/* The next good line from *at on; false at the end. Lines that are broken are stepped over. */
bool done_file_next(const struct done_file *f, size_t *at, struct done_line *l);

/* The numbers of all files, ascending. Returns owned; -1 with errno. */
int done_list(int done_fd, uint32_t **numbers, size_t *n) PH_MUST_CHECK;

#endif
