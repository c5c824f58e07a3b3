/*
 * Reading JSON (RFC 8259) whose shape is known: each object and list is read by who knows what belongs there, and what
 * does not is an error. So its depth is that of the reader's own tables, and nothing is ever passed over. Text is
 * decoded in place. Hostile input; nothing is allocated.
 */
#ifndef PH_JSON_READ_H
#define PH_JSON_READ_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define JSON_MAX_MEMBERS 32 /* of an object */

struct json {
	char *p, *end; /* what is left; changed where strings are */
	struct why why;
};

/* Each: 0, or -1 with j->why (a sentence). */
typedef int json_fn(struct json *j, void *ctx);
struct json_member {
	struct str name;
	json_fn *read;
};

void json_init(struct json *j, char *text, size_t len);
/* A value that is a string; *s lives as long as the text. Valid UTF-8; it may hold NUL. */
int json_string(struct json *j, struct str *s) PH_MUST_CHECK;
int json_bool(struct json *j, bool *v) PH_MUST_CHECK;
/* An object of these members, each once at most, in any order. n <= JSON_MAX_MEMBERS. */
int json_object(
    struct json *j, const struct json_member *members, size_t n, void *ctx) PH_MUST_CHECK;
/* A list, each item by read(). */
int json_list(struct json *j, json_fn *read, void *ctx) PH_MUST_CHECK;
/* Is the next value a string (and not something else)? */
bool json_is_string(struct json *j);
/* Nothing but blanks follows. */
int json_end(struct json *j) PH_MUST_CHECK;

#endif
