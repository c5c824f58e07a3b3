/*
 * What the files of lib/conf share: the rows of the tables, the tree of blocks as read, and the loaded
 * configuration. Nobody outside of this folder (and its tests) may include it.
 */
#ifndef PH_CONF_CONF_INT_H
#define PH_CONF_CONF_INT_H

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/* ---- the tables ---- */

enum conf_type {
	CONF_TYPE_BOOL,
	CONF_TYPE_NUMBER,
	CONF_TYPE_SIZE,
	CONF_TYPE_TIME,
	CONF_TYPE_TIMES,
	CONF_TYPE_RATE,
	CONF_TYPE_VOLUME,
	CONF_TYPE_WORD,
	CONF_TYPE_WHEN,
	CONF_TYPE_STR,
	CONF_TYPE_LIST,
	CONF_TYPE_WORDS,
	CONF_TYPE_LINE
};
enum conf_merge { CONF_REPLACE, CONF_APPEND };
enum conf_reload { CONF_RELOAD, CONF_RESTART };
enum conf_status { CONF_HONOURED, CONF_NOT_YET, CONF_IGNORED, CONF_DEPRECATED };

struct conf_row {
	enum conf_block block;
	enum conf_key key;
	const char *name;
	enum conf_type type;
	const char *dflt;
	const char *syntax;
	enum conf_merge merge;
	enum conf_reload reload;
	enum conf_status status;
	const char *help;
};

enum conf_naming { CONF_NAME_NONE, CONF_NAME_ONE, CONF_NAME_MAYBE, CONF_NAME_SOME, CONF_NAME_RAW };
enum conf_many { CONF_ONCE, CONF_MERGED, CONF_UNIQUE, CONF_LAST, CONF_MANY };
struct conf_block_row {
	const char *tag;
	enum conf_naming naming;
	uint64_t parents; /* bit set of enum conf_block */
	enum conf_many many;
	const char *help;
};

/* Another spelling: `name` in `block` says `format` (its %s is the value) to `key`, in the block named `target`. */
struct conf_alias {
	enum conf_block block;
	const char *name;
	enum conf_key key;
	const char *target;	 /* name of the block to put it in; NULL: where it stands */
	const char *format;	 /* NULL: "%s" */
	enum conf_status status; /* DEPRECATED: said so */
	const char *help;
};

const struct conf_row *conf_row(enum conf_key k);
const struct conf_block_row *conf_block_row(enum conf_block b);
/* NULL when there is none */
const struct conf_row *conf_row_find(enum conf_block b, struct str name);
const struct conf_alias *conf_alias_find(enum conf_block b, struct str name);
const struct conf_alias *conf_alias_at(size_t i); /* NULL behind the last */
/* CONF_N_BLOCKS: there is none */
enum conf_block conf_block_find(struct str tag);
/* first key and number of keys of each block */
struct conf_range {
	enum conf_key first;
	uint32_t n;
};
void conf_ranges(struct conf_range r[CONF_N_BLOCKS]);
/* Is no directive of the block honoured, so that one note says it for all? */
bool conf_block_is_idle(enum conf_block b, enum conf_status *status);
bool conf_block_has(enum conf_block parent, enum conf_block child);

/* ---- memory: what lives as long as the configuration ---- */

struct conf_chunk;
struct conf_pool_mem {
	struct conf_chunk *chunks;
	size_t used, size;
};
void *conf_mem(struct conf_pool_mem *m, size_t size); /* zeroed */
struct str conf_mem_str(struct conf_pool_mem *m, struct str s);
void conf_mem_clear(struct conf_pool_mem *m);

/* ---- what was read ---- */

struct conf_at {
	uint32_t file; /* index of conf.files */
	uint32_t line; /* 0: nowhere, computed here */
	uint32_t col;
};
struct conf_item {
	struct str text;
	uint64_t num; /* number, bytes, count of a rate, index of a word, 0 or 1 */
	int64_t ms;   /* time, period of a rate */
	uint32_t seq; /* rises from item to item over all directives: the order of the file */
	struct conf_at at;
};
struct conf_value {
	enum conf_key key;
	uint32_t n;
	struct conf_item *items; /* owned by conf.mem */
	uint32_t cap;
	bool is_cleared; /* "": ends what would be inherited */
	struct conf_at at;
};
struct conf_blk {
	enum conf_block kind;
	uint32_t index; /* in conf.blocks */
	uint32_t parent;
	struct str name; /* as canonical text: patterns with blanks between */
	struct str *names;
	size_t n_names;
	struct conf_value *values;
	size_t n_values, cap_values;
	struct conf_set *set; /* its own values */
	struct conf_at at;
	uint32_t ordinal; /* among the VirtualMTAs, among the pools */
	bool is_dead;	  /* replaced by others */
};

struct conf_set {
	const struct conf *c;
	enum conf_block kind;
	const struct conf_value *v[];
};

struct conf_file {
	char *path;
};
/* a file's content that is part of the configuration */
struct conf_text {
	struct str path, text;
};
struct conf_macro {
	struct str name;
	struct str *items;
	size_t n;
	struct conf_at at;
	uint8_t mark;
};
/* growing array of pointers or structs: `list` has room for `cap` */
#define CONF_GROW(list, n, cap)                                                                    \
	do {                                                                                       \
		if ((n) == (cap)) {                                                                \
			(cap) = (cap) == 0 ? 8 : (cap)*2;                                          \
			(list) = xreallocarray((list), (size_t)(cap), sizeof((list)[0]));          \
		}                                                                                  \
	} while (0)

struct conf_queues;	/* queue_match.c */
struct conf_sources;	/* source_match.c */
struct conf_relay;	/* relay.c */
struct conf_choices;	/* choice.c */
struct conf_rewrites;	/* rewrite.c */
struct conf_forwards;	/* forward.c */
struct conf_processors; /* processor.c */
struct conf_names;	/* names.c: table of names */

struct conf {
	struct conf_pool_mem mem;
	struct conf_file *files;
	size_t n_files, cap_files;
	struct conf_blk **blocks; /* [0] is the global one */
	size_t n_blocks, cap_blocks;
	struct conf_text *texts;
	size_t n_texts, cap_texts;
	struct conf_macro *macros;
	size_t n_macros, cap_macros;
	struct conf_range range[CONF_N_BLOCKS];
	struct conf_value defaults[CONF_N_KEYS];
	struct conf_set *empty[CONF_N_BLOCKS];
	struct conf_set *merged[CONF_N_BLOCKS]; /* of blocks that go together, else NULL */
	struct conf_queues *queues;
	struct conf_sources *sources;
	struct conf_names *names; /* VirtualMTAs and pools */
	struct conf_vmta *vmtas;  /* and behind the last one the default */
	size_t n_vmtas;
	struct conf_pool *pools;
	size_t n_pools;
	struct conf_listener *listeners;
	size_t n_listeners;
	struct conf_relay *relay;
	struct conf_choices *choices;
	struct conf_rewrites *rewrites;
	struct conf_forwards *forwards;
	struct conf_processors *processors;
	uint32_t last_seq;
	struct conf_key_file *key_files;
	size_t n_key_files;
};

/* ---- complaints ---- */

#define CONF_MESSAGES_MAX 200
struct conf_load {
	struct conf *c;
	struct conf_messages *m;
	size_t n_errors;
	bool is_snapshot;	/* was checked when it was made */
	unsigned how;		/* CONF_ANY_ADDRESS, CONF_NO_INCLUDE */
	const char *instead_of; /* this file is read as the text; NULL: none */
	struct str instead;
	struct conf_at at[CONF_MESSAGES_MAX]; /* of the messages */
	bool said[CONF_N_KEYS];		      /* notes: once a directive */
	bool said_block[CONF_N_BLOCKS];
	struct conf_lines *lines; /* what became of each line; NULL: nobody asks */
	struct conf_at *line_at;  /* of those */
	size_t n_line_at, cap_line_at;
};
void conf_error(struct conf_load *l, struct conf_at at, const char *fmt, ...) PH_PRINTF(3, 4);
void conf_messages_sort(struct conf_load *l); /* by file and line */
void conf_note(struct conf_load *l, struct conf_at at, const char *fmt, ...) PH_PRINTF(3, 4);
/* `; did you mean "x"?` or nothing, for the word nearest among those valid in the block. Static text. */
const char *conf_hint(enum conf_block b, struct str word, bool is_tag);
unsigned conf_distance(struct str a, struct str b, unsigned limit);

/* ---- lexing one line ---- */

/* Blanks out comments in place (`in_comment`: state of <!-- --> across lines). Returns the new length. */
size_t conf_lex_strip(char *line, size_t len, bool *in_comment);
struct conf_word {
	struct str text; /* unquoted, in conf.mem when it had escapes */
	struct str raw;	 /* as it stands */
	bool is_quoted;
};
/* Next word of *rest, up to a blank or `stop` outside of quotes. False: nothing left. Unclosed quotes are text. */
bool conf_lex_word(struct conf_pool_mem *m, struct str *rest, char stop, struct conf_word *w);
/* Next /pattern/ of *rest; false when it does not begin with one or does not end. */
bool conf_lex_regex(struct str *rest, struct str *regex);
/* End of the tag that begins at s.p[0] == '<': index of its '>', or STR_NPOS. */
size_t conf_lex_tag_end(struct str s);
/* Appends s, in quotes where it needs them (`more`: further characters that need them). */
void conf_quote(struct buf *b, struct str s, const char *more);
bool conf_is_utf8(struct str s, size_t *bad);

/* ---- values ---- */

bool conf_parse_size(struct str s, uint64_t *bytes);
bool conf_parse_bool(struct str s, bool *v);
/* Is `word` one of the words of "a|b|c"? *index counts from 0. */
bool conf_one_of(const char *words, struct str word, unsigned *index);

/* Checks the arguments in `rest` against a LINE's or STR's syntax and appends the canonical text to `out`. */
int conf_syntax_line(
    struct conf_pool_mem *m, const char *syntax, struct str rest, struct buf *out, struct why *why);
/* one argument of one kind ("HOST", "VMTA|by-smtp-source-ip"); may rewrite *text */
int conf_syntax_arg(struct conf_pool_mem *m, struct str kind, struct str *text, struct why *why);
bool conf_is_all(
    struct str s, const char *more); /* letters, digits, bytes beyond ASCII, and those of `more` */
/* kinds that take the rest of the line */
bool conf_tail_find(struct str kind, size_t *tail);
int conf_tail_put(
    struct conf_pool_mem *m, size_t tail, struct str rest, struct buf *out, struct why *why);

/* Parses `rest` as the value of `row` into v (appending to it where the row says so). */
int conf_value_parse(struct conf *c, const struct conf_row *row, struct str rest,
    struct conf_value *v, struct why *why);
void conf_value_print(const struct conf_value *v, struct buf *b, bool with_lines);

/* ---- the tree ---- */

struct conf_blk *conf_blk_new(
    struct conf *c, enum conf_block kind, uint32_t parent, struct conf_at at);
void conf_blk_add_name(struct conf *c, struct conf_blk *b, struct str name);
/* the first living block of this kind and name below parent, or a new one */
struct conf_blk *conf_blk_of(
    struct conf *c, enum conf_block kind, uint32_t parent, struct str name, struct conf_at at);
/* Of blocks whose last one holds, the others die. */
void conf_blk_drop_repeated(struct conf_load *l);
struct conf_value *conf_blk_value(struct conf_blk *b, enum conf_key k); /* NULL: not there */
struct conf_value *conf_blk_xvalue(struct conf_blk *b, enum conf_key k);
struct conf_item *conf_value_add(struct conf *c, struct conf_value *v);
/* Sets a value by name, as a line in the block would; complains. False: complaint. */
bool conf_blk_put(struct conf_load *l, struct conf_blk *b, const struct conf_row *row,
    struct str rest, struct conf_at at);

/* Sets from blocks, the most specific first. */
struct conf_set *conf_set_new(
    const struct conf *c, enum conf_block kind, struct conf_blk *const *list, size_t n);

/* ---- reading and finishing ---- */

/* For tests: take addresses and directories of keys that are not there; open no further files. */
enum { CONF_ANY_ADDRESS = 1, CONF_NO_INCLUDE = 2 };
struct conf *conf_load_with(const char *path, struct conf_messages *m, unsigned how);
struct conf *conf_load_text(
    struct str text, const char *name, struct conf_messages *m, unsigned how);
/* `lines` empty at first, or NULL */
struct conf_lines;
struct conf *conf_load_text_lines(struct str text, const char *name, struct conf_messages *m,
    unsigned how, struct conf_lines *lines);
/* The text of a snapshot; it is written into (comments are blanked out). */
struct conf *conf_load_snapshot(char *text, size_t len, struct conf_messages *m);
int conf_parse_path(struct conf_load *l, const char *path);
void conf_parse_text(struct conf_load *l, struct str text, const char *name);
void conf_parse_snapshot(struct conf_load *l, struct str text);
uint32_t conf_file_add(struct conf *c, struct str path);
void conf_put_text(const struct conf *c, struct buf *b, bool with_origins);
bool conf_may_read(enum conf_key k, unsigned readers);

bool conf_macro_define(struct conf_load *l, struct str name, struct str list, struct conf_at at);
bool conf_macros_check(struct conf_load *l);
/* Calls `f` with every expansion of `pattern`; was_macro tells whether there was any. False after a complaint. */
typedef void conf_expand_fn(void *arg, struct str pattern, bool was_macro);
bool conf_macro_expand(
    struct conf_load *l, struct str pattern, struct conf_at at, conf_expand_fn *f, void *arg);

struct conf_names *conf_names_new(void);
void conf_names_free(struct conf_names **t);
/* Adds; false when the name is there already. The name is borrowed. */
bool conf_names_put(struct conf_names *t, struct str name, uint32_t value);
bool conf_names_get(const struct conf_names *t, struct str name, uint32_t *value);

void conf_vmtas_build(struct conf_load *l);
/* ---- proxy.c ---- */
/* Sources behind proxies, where they hold for the VirtualMTA (b NULL: the default one). False: there are none. */
bool conf_proxied_sources(struct conf_load *l, struct conf_blk *b, struct conf_vmta *v);
void conf_queues_build(struct conf_load *l);
void conf_queues_free(struct conf_queues **q);
void conf_sources_build(struct conf_load *l);
void conf_sources_free(struct conf_sources **s);
void conf_listeners_build(struct conf_load *l);
void conf_addresses_expand(
    struct conf_load *l); /* CIDR of source hosts and listeners to our addresses */
void conf_key_directory_expand(struct conf_load *l);
void conf_key_files_build(struct conf_load *l);
void conf_relay_build(struct conf_load *l);
void conf_relay_free(struct conf_relay **r);
/* name, *.name, [*.]name, * */
bool conf_is_domain_of(struct str pattern, struct str domain);
void conf_texts_read(struct conf_load *l);
void conf_texts_put(const struct conf *c, struct buf *b);
bool conf_texts_take(struct conf *c, struct str line);
void conf_choices_build(struct conf_load *l);
void conf_rewrites_build(struct conf_load *l);
void conf_forwards_build(struct conf_load *l);
void conf_forwards_free(struct conf_forwards **t);
void conf_processors_build(struct conf_load *l);
void conf_processors_free(struct conf_processors **p);
void conf_choices_free(struct conf_choices **t);
void conf_check(struct conf_load *l);
void conf_check_users(struct conf_load *l);
void conf_check_fields(struct conf_load *l);
/* Patterns and rules of bounce categories, and the actions that follow. */
void conf_check_bounces(struct conf_load *l);
/* Patterns that do not compile are complained about. */
void conf_regex_check(struct conf_load *l, const struct conf_row *row, const struct conf_item *it);

#endif
