/*
 * One <acct-file> on disk: the current file, its link, its rotation and what becomes of finished files. All
 * calls may block on the disk, so they are made in the writer's thread (or before it runs). What is written
 * is whole lines, and after any crash the next start finds a file that ends with a whole line, or makes it so.
 */
#ifndef PH_ACCTD_FILE_H
#define PH_ACCTD_FILE_H

#include "acctd/name.h"
#include "lib/base/buf.h"

struct acct_file;

/* takes def; the descriptors are borrowed until acct_file_set_dirs() or the end. move_fd -1: nothing is moved. */
struct acct_file *acct_file_new(struct acct_def *def, int dir_fd, int move_fd);
/* Closes without flushing: what was not committed is not on disk. */
void acct_file_free(struct acct_file **f);
void acct_file_set_dirs(struct acct_file *f, int dir_fd, int move_fd);

/*
 * Makes the lines in *data durable and consumes them from it as far as they are; begins files, moves and deletes
 * finished ones as it is due (`rotate`: now). 0: all of it is on disk. -1 with `why`: call again with what is
 * left; a piece of a line that could be written is taken away first.
 */
int acct_file_commit(struct acct_file *f, struct buf *data, struct wall now, bool rotate,
    struct why *why) PH_MUST_CHECK;
/* Is there something to do even without data: no file is open yet, midnight, the interval is over? */
bool acct_file_is_due(struct acct_file *f, struct wall now);
/* Until the interval of a file that has records is over, at least 0; INT64_MAX: none runs. */
int64_t acct_file_interval_left_ms(const struct acct_file *f, struct wall now);
/* Things to tell a person that stopped nothing; empties the note. False: none. */
bool acct_file_note(struct acct_file *f, struct why *note);

#endif
