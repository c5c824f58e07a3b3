/*
 * spool/state/limits: what must be known of limits after a restart, as lines that are appended. A line is on disk
 * before anything that it allows leaves this process: lines are gathered and written together before the channels
 * are. A line that was being written when everything ended allowed nothing. Each line carries a checksum; a line
 * that does not fit makes the file a damaged one, and then all that it could have said is taken for used up.
 */
#ifndef PH_QUEUED_LIMIT_LIMIT_FILE_H
#define PH_QUEUED_LIMIT_LIMIT_FILE_H

#include "lib/base/str.h"

enum limit_file_state {
	LIMIT_FILE_NEW, /* the spool is a new one: nothing was ever sent */
	LIMIT_FILE_GOOD,
	LIMIT_FILE_UNKNOWN /* damaged, or gone though there was one: said in the log */
};
/* Reads it, line by line, without checksum and line end. */
enum limit_file_state limit_file_read(int spool_fd, void (*line)(struct str s));
/*
 * Writes a new file that takes its place when it is durable: `fill` calls limit_file_add(). From then on lines go
 * into it. A failure is said in the log and tried again with the next line.
 */
void limit_file_renew(void (*fill)(void));
/* One line; `is_durable`: flushed to the disk as well, so that it outlives a loss of power. */
void limit_file_add(bool is_durable, struct str line);
void limit_file_addf(bool is_durable, const char *fmt, ...) PH_PRINTF(2, 3);
/* Writes what was added; before the end of the turn. */
void limit_file_flush(void);
/* Has it grown so much that a new one would be far smaller than it? */
bool limit_file_is_long(void);

#endif
