/*
 * The addresses that get no more mail: the store on disk, which is bounced's alone, and the lists of the configuration.
 * Changes are gathered and made durable together, one flush for all of a turn; who made one hears when it is on disk.
 * For those who ask before they trouble us there are two filters, handed out anew whenever they are new.
 */
#ifndef PH_BOUNCED_SUPPRESSED_H
#define PH_BOUNCED_SUPPRESSED_H

#include <sys/queue.h>

#include "bounced/lists.h"
#include "lib/ev/ev.h"
#include "lib/suppress/suppress.h"

/* name of the store where a reply names a list */
#define SUPPRESSED_LIST "suppressed"

enum suppressed_filter { FILTER_STORE, FILTER_LISTS, N_FILTERS };

/* 1: changed; 0: there was nothing to remove; -1: it cannot be done (out of form). */
typedef void suppressed_done(void *ctx, int result);
struct change {
	TAILQ_ENTRY(change) link;
	struct suppression e; /* into `text` */
	suppressed_done *done;
	void *ctx;
	bool is_removal;
	int result;
	char text[];
};
TAILQ_HEAD(changes, change);

struct suppressed {
	struct suppress *store;
	struct lists *lists, *next; /* in force, and being read */
	struct changes waiting;
	struct ev_defer flush, step;
	struct ev_timer again, sweep;
	/* a filter is new: for the readers, borrowed; NULL: nothing can be found by it */
	void (*tell)(enum suppressed_filter which, const struct filter *f);
};

/* What belongs to the process; suppressed_open() with the rights that remain. */
void suppressed_init(
    struct suppressed *s, void (*tell)(enum suppressed_filter which, const struct filter *f));
/* Opens the store in that directory. -1: no, `why` as of suppress_open(); it may be tried again. */
int suppressed_open(struct suppressed *s, const char *dir, struct why *why) PH_MUST_CHECK;
/* Reads the lists anew; takes the files' descriptors. `at_once`: at the start, when nobody waits yet. */
void suppressed_use_conf(struct suppressed *s, const struct conf *c, struct list_file *files,
    size_t n_files, bool at_once);
/* Makes durable what waits. */
void suppressed_close(struct suppressed *s);

/* Of the entry the texts are copied. `done` comes when it is durable, never from within; NULL: nobody waits. */
void suppressed_add(
    struct suppressed *s, const struct suppression *e, suppressed_done *done, void *ctx);
void suppressed_remove(
    struct suppressed *s, struct str address, struct str scope, suppressed_done *done, void *ctx);

/* whose mail it is */
struct suppressed_question {
	struct str address;
	struct str lists; /* names with commas */
	struct str vmta, pool;
};
struct suppressed_answer {
	bool is_suppressed;
	char list[256];	      /* name of the list */
	struct suppression e; /* of the store; into the buffer */
};
/* Entries for a pool count for mail of each of its members. Changes that wait are not seen yet. b: emptied. */
void suppressed_ask(struct suppressed *s, const struct suppressed_question *q,
    struct suppressed_answer *a, struct buf *b);

#endif
