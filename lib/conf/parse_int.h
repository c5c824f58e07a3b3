/*
 * What reading files (read.c), lines (parse.c), tags (tag.c) and special directives (translate.c) share: the
 * stacks of open files and open blocks. They are bounded; nothing recurses.
 */
#ifndef PH_CONF_PARSE_INT_H
#define PH_CONF_PARSE_INT_H

#include "lib/conf/conf_int.h"

#define DEPTH_MAX	16		    /* blocks in blocks */
#define INCLUDE_MAX	16		    /* files in files */
#define FILES_MAX	4096		    /* files in all */
#define FILE_BYTES_MAX	(16u * 1024 * 1024) /* one file */
#define TOTAL_BYTES_MAX (64u * 1024 * 1024) /* all files */
#define MACRO_BYTES_MAX (1024u * 1024)	    /* one domain-macro line with its continuations */

struct frame {
	enum conf_block kind;
	uint32_t blk;	 /* in conf.blocks */
	bool is_unknown; /* its content was complained about: skipped */
	char tag[64];
	struct conf_at at;
};
struct source {
	char *path; /* owned */
	char *text; /* owned; NULL: not opened yet */
	size_t len, pos;
	uint32_t file, line;
	size_t depth;	/* of blocks at its beginning */
	uint32_t level; /* of inclusion */
	bool in_comment;
	bool is_wrapped; /* a block was opened for it */
	uint64_t dev, ino;
	struct conf_at at; /* of the include */
};
struct parse {
	struct conf_load *l;
	struct frame stack[DEPTH_MAX];
	size_t depth; /* stack[0] is the global block */
	struct source *sources;
	size_t n_sources, cap_sources;
	size_t n_files, total;
	const char *base; /* of the line, for columns */
	uint32_t file, line;
	struct buf macro; /* a domain-macro that goes on */
	struct conf_at macro_at;
	bool is_macro_open;
	bool in_element;    /* value of <directive>…</directive> */
	bool is_said;	    /* what becomes of the line was said: what it puts is its own matter */
	uint32_t acct_smtp; /* block of acct-smtp-file */
};

struct conf_at parse_at(const struct parse *p, const char *where);
struct frame *parse_top(struct parse *p);
struct conf_blk *parse_blk(struct parse *p);

/* One line without comments. */
void parse_line(struct parse *p, char *line, size_t len);
/* One directive: name and what follows. */
void parse_directive(struct parse *p, struct str name, struct str rest);
/* A statement that begins with '<'; returns what follows it on the line. */
struct str parse_tag(struct parse *p, struct str s);
/* index of "</name" in s, *end: of its '>'; STR_NPOS: it is not there */
size_t parse_find_closing(struct str s, struct str name, size_t *end);
void parse_push(
    struct parse *p, enum conf_block kind, uint32_t blk, struct str tag, struct conf_at at);
void parse_pop(struct parse *p);
/* Is `name` a directive in this block, under any spelling? */
bool parse_knows(enum conf_block b, struct str name);
/* Puts a value and says what is to be said about its row. */
void parse_put(struct parse *p, struct conf_blk *b, const struct conf_row *row, struct str rest,
    struct conf_at at);
/* A list that stands in another block becomes one of its own, by this name. Static text. */
struct str parse_made_name(struct parse *p, const char *where);

/* Directives that are more than a value. False: `name` is none of them. */
bool translate_directive(struct parse *p, struct str name, struct str rest);
bool translate_knows(enum conf_block b, struct str name);
/* ---- lines.c: what becomes of each statement; all do nothing when nobody asks ---- */
void lines_begin(struct parse *p, struct str name, struct str rest, struct conf_at at);
void lines_begin_block(struct parse *p, struct str name, struct str args, struct conf_at at);
void lines_block(struct conf_load *l, enum conf_block kind);
void lines_row(
    struct parse *p, const struct conf_row *row, const struct conf_blk *b, struct str rest);
/* NULL: honoured as it stands */
void lines_say(struct conf_load *l, const char *translation);
void lines_end(struct conf_load *l);

void parse_macro_end(struct parse *p);
void read_include(struct parse *p, struct str pattern, struct conf_at at, bool is_wrapped);

#endif
