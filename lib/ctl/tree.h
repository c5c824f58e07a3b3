/*
 * An answer of the server: leaves (path, kind, value) in order, and what can be asked of them. Paths look like
 * `queue[3].event[0].text`. The whole is bounded.
 */
#ifndef PH_CTL_TREE_H
#define PH_CTL_TREE_H

#include "lib/base/buf.h"
#include "lib/base/hmap.h"
#include "lib/ipc/structs.h"

#define TREE_MAX_LEAVES 4000000u

struct leaf {
	char *path, *value;
	enum ctl_value kind;
};
struct tree {
	struct leaf *leaves;
	size_t n, room;
	struct hmap by_path;
	char *message; /* the server's closing sentence */
	bool ok;
	int exit; /* what the command ends with when it is not ok; 0: 1 */
};

void tree_init(struct tree *t);
void tree_clear(struct tree *t);
int tree_add(struct tree *t, struct str path, struct str value, enum ctl_value kind) PH_MUST_CHECK;
/* The value at that path (printf-made), "" when there is none; of equal paths the first. Borrowed. */
const char *tree_get(const struct tree *t, const char *path, ...) PH_PRINTF(2, 3);
/* How many `name[i]` there are at the top level (indices rise from `name[first]`). */
size_t tree_count(const struct tree *t, const char *name);

/*
 * For a terminal and for line by line reading: control characters and what is not UTF-8 become `?`, in all values and
 * in the message. A value may come from a stranger's reply.
 */
void tree_make_printable(struct tree *t);
/* Bytes of the UTF-8 character at p, of which `left` >= 1 are there; 0: it is none. */
size_t tree_utf8(const char *p, size_t left);

/* The whole answer in PowerMTA's machine forms. */
void tree_print_dom(const struct tree *t, FILE *out);
void tree_print_json(const struct tree *t, FILE *out);
void tree_print_xml(const struct tree *t, FILE *out);

#endif
