/*
 * The configuration: PowerMTA's grammar (and the XML-like spelling) read whole, checked, merged, and asked by
 * key. A `struct conf` never changes after it was loaded; a reload makes another. Every directive is one row of
 * `directives.def`; the keys below are made from it: block prefix + name, upper case, '-' and '.' as '_':
 *
 *   CONF_GLOBAL_x CONF_SOURCE_x CONF_DOMAIN_x CONF_VMTA_x (<virtual-mta>) CONF_POOL_x (<virtual-mta-pool>)
 *   CONF_ACCT_x (<acct-file>) CONF_SPOOL_x CONF_LISTENER_x (<smtp-listener>) CONF_GROUP_x (<source-group>)
 *   CONF_USER_x (<smtp-user>) CONF_PROXY_x CONF_DNS_x CONF_BOUNCEPROC_x CONF_FBLPROC_x CONF_HTTP_x CONF_FBL_x
 *   CONF_DKIM_x CONF_KEY_x (<domain-key>) CONF_ACTION_x (<bounce-action>) CONF_SMTPSERVER_x CONF_API_x …
 *
 * e.g. CONF_DOMAIN_MAX_SMTP_OUT, CONF_GLOBAL_HOST_NAME, CONF_SOURCE_ALWAYS_ALLOW_RELAYING.
 */
#ifndef PH_CONF_CONF_H
#define PH_CONF_CONF_H

#include "lib/base/str.h"
#include "lib/base/why.h"
#include "lib/conf/keys.h" /* enum conf_key, made from directives.def */
#include "lib/net/addr.h"

struct conf;
struct conf_set; /* the effective values of one scope; lives as long as its conf */

/* ---- loading ---- */

/* One complaint; `text` is whole: "FILE:LINE:COLUMN: unknown directive "max-smpt-out"; did you mean "max-smtp-out"?" */
struct conf_message {
	bool is_error; /* otherwise a note: not yet honoured, deprecated, ignored with reason */
	char *text;
};
struct conf_messages {
	struct conf_message *list;
	size_t n;
};
void conf_messages_clear(struct conf_messages *m);

/* Reads the file and what it includes. NULL when there was any error; messages are filled in either case. */
struct conf *conf_load(const char *path, struct conf_messages *m);
/* The same as if the file `name`, it or one that it includes, held the text: a check before it is written. */
struct conf *conf_load_instead(
    const char *path, const char *name, struct str text, struct conf_messages *m);
/* The files that it was read from, each as often as it was included; borrowed. */
size_t conf_n_files(const struct conf *c);
const char *conf_file_at(const struct conf *c, size_t i);
/* Reads a snapshot (see conf_snapshot) from a descriptor, which stays the caller's. */
struct conf *conf_load_fd(int fd, struct conf_messages *m);
/* A sealed memfd with the whole configuration, includes expanded, every line with its origin. -1 with errno. */
int conf_snapshot(const struct conf *c) PH_MUST_CHECK;
/* The same for a process that does only this: without the passwords that others need. */
enum conf_reader {
	CONF_FOR_INJECTION = 1,
	CONF_FOR_DELIVERY = 2,
	CONF_FOR_OTHERS = 4,
	CONF_FOR_MONITOR = 8,
	CONF_FOR_ALL = 15
};
int conf_snapshot_for(const struct conf *c, unsigned readers) PH_MUST_CHECK;
void conf_free(struct conf **c);

/* ---- values ---- */

#define CONF_UNLIMITED UINT64_MAX /* numbers and sizes */
#define CONF_NEVER     INT64_MAX  /* times */

struct conf_rate {
	uint64_t count;	   /* CONF_UNLIMITED: no limit */
	int64_t period_ms; /* e.g. 500/15m: count 500, period_ms 900000 */
};

/* "500/15m" and "12M/m" as they stand in lists: "unlimited" and 0 mean CONF_UNLIMITED. False: malformed. */
bool conf_parse_rate(struct str s, struct conf_rate *r);
bool conf_parse_volume(struct str s, struct conf_rate *r);

bool conf_bool(const struct conf_set *s, enum conf_key k);
uint64_t conf_u64(const struct conf_set *s, enum conf_key k); /* number, size in bytes */
int64_t conf_ms(const struct conf_set *s, enum conf_key k);   /* time in ms */
int conf_enum(const struct conf_set *s, enum conf_key k); /* index into the row's words, 0 first */
struct conf_rate conf_rate(const struct conf_set *s, enum conf_key k);
/* The value's text; empty when unset. For a list: its first item. */
struct str conf_str(const struct conf_set *s, enum conf_key k);
/* Lists (comma lists, repeated directives): number of items and item i as text. */
size_t conf_n(const struct conf_set *s, enum conf_key k);
struct str conf_item(const struct conf_set *s, enum conf_key k, size_t i);
/* Argument i of a value with several (FILE [PASSWORD]), without its quotes; false: it is not there or does not fit. */
bool conf_arg(struct str value, size_t i, char *out, size_t size);
/* item i of a list of times */
int64_t conf_item_ms(const struct conf_set *s, enum conf_key k, size_t i);
/* Was it written anywhere (false: the default holds)? */
bool conf_is_set(const struct conf_set *s, enum conf_key k);
/* Is the directive written in any block, with a value that is not empty? */
bool conf_uses(const struct conf *c, enum conf_key k);
/* A time within a line's text: "90s", "1d12h". False: it is none. */
bool conf_parse_time(struct str s, int64_t *ms);
/* Where the effective value comes from; file NULL and line 0: the default. */
struct conf_origin {
	const char *file;
	uint32_t line;
};
struct conf_origin conf_origin(const struct conf_set *s, enum conf_key k);
/* The same of item i of a list. */
struct conf_origin conf_item_origin(const struct conf_set *s, enum conf_key k, size_t i);
/* `key value` as the file would say it (for show settings). Returns owned. */
char *conf_print(const struct conf_set *s, enum conf_key k);
const char *conf_key_name(enum conf_key k);
/* the keys of one block, in order: for (k = CONF_NONE; (k = conf_next_key(CONF_BLOCK_DOMAIN, k)) != CONF_NONE;) */
enum conf_key conf_next_key(enum conf_block block, enum conf_key after);

/* ---- scopes ---- */

const struct conf_set *conf_global(const struct conf *c);
/*
 * The settings of queue domain/vmta: <domain> in <virtual-mta>, else in its pool, else global; within each the
 * most specific pattern wins and the others fill in. Queues that match the same blocks share one set, so memory
 * does not grow with the number of queues. `vmta` empty: the default VirtualMTA.
 */
const struct conf_set *conf_queue(const struct conf *c, struct str domain, struct str vmta);
/* The settings for a client: by address (most specific CIDR wins), or by name, which overrides them ("{auth}", …). */
const struct conf_set *conf_source(const struct conf *c, const struct net_addr *client);
const struct conf_set *conf_source_named(
    const struct conf *c, struct str name); /* NULL: there is none */
/* The settings of a name over those of the address; an unknown name adds nothing. */
const struct conf_set *conf_source_with(
    const struct conf *c, struct str name, const struct net_addr *client);

/* The settings of several names, the first ones before the others, over those of the address. */
const struct conf_set *conf_source_of(
    const struct conf *c, const struct str *names, size_t n, const struct net_addr *client);

/* VirtualMTAs and pools share one name space; names compare without ASCII case. */
struct conf_vmta {
	struct str name;
	const struct conf_set *set; /* CONF_VMTA_… */
	/* source addresses in file order: smtp-source-host (CIDR already expanded to this machine's addresses),
	 * else the global ones; n_sources 0: any address, host-name */
	const struct conf_source_host *sources;
	size_t n_sources;
};
struct conf_source_host {
	struct net_addr
	    addr; /* as the remote sees it, family 0: any; behind a proxy with the port, 0: any */
	struct str host;       /* EHLO name */
	struct net_addr proxy; /* where it is, with port; family 0: none */
	struct net_addr local; /* behind a proxy: bound to here towards it; family 0: any */
	uint32_t rank; /* those of the lowest are used, unless their proxies do not answer */
	uint8_t proxy_version; /* of the PROXY protocol: 1 or 2 */
};
struct conf_pool_member {
	const struct conf_vmta *vmta;
	uint32_t weight; /* >= 1 */
};
struct conf_pool {
	struct str name;
	const struct conf_set *set; /* CONF_POOL_… */
	const struct conf_pool_member *members;
	size_t n_members;
};
const struct conf_vmta *conf_vmta(const struct conf *c, struct str name);
/* The VirtualMTA of mail that chose none: nameless, its set NULL, with the global source addresses. */
const struct conf_vmta *conf_default_vmta(const struct conf *c);
const struct conf_pool *conf_pool(const struct conf *c, struct str name);
/* Is the VirtualMTA of that name a member of it? */
bool conf_pool_has(const struct conf_pool *p, struct str vmta);
size_t conf_n_vmtas(const struct conf *c);
const struct conf_vmta *conf_vmta_at(const struct conf *c, size_t i);
size_t conf_n_pools(const struct conf *c);
const struct conf_pool *conf_pool_at(const struct conf *c, size_t i);

/*
 * The content of a file that include-headers-from names (header fields: whole lines with CRLF), or bounce-rules,
 * body-pattern-file and the like (as it is). p NULL: it was not read.
 */
struct str conf_file_text(const struct conf *c, struct str path);

/* Blocks of which there may be many: <acct-file>, <spool>, <smtp-listener>, <smtp-user>, … by number in file order. */
size_t conf_n_blocks(const struct conf *c, enum conf_block block);
const struct conf_set *conf_block_at(const struct conf *c, enum conf_block block, size_t i);
/*
 * The next block of the kind, behind the *at'th of all (0: the first), in which one of the n keys is written; what it
 * says by itself, and where it stands. NULL: there is none.
 */
const struct conf_set *conf_block_saying(const struct conf *c, enum conf_block block, size_t *at,
    const enum conf_key *keys, size_t n, struct conf_origin *origin);
/* All blocks of a kind that is written once, or in parts (<http>); none written: the defaults. */
const struct conf_set *conf_merged(const struct conf *c, enum conf_block block);
struct str conf_block_name(
    const struct conf *c, enum conf_block block, size_t i); /* <acct-file NAME> */
struct conf_origin conf_block_origin(const struct conf *c, enum conf_block block, size_t i);
/* The block that it stands in, and that one's name; CONF_BLOCK_GLOBAL: in none. */
enum conf_block conf_block_parent(
    const struct conf *c, enum conf_block block, size_t i, struct str *name);
/* All listeners, one-line directives and blocks alike; none written: one on 0.0.0.0:25. */
struct conf_listener {
	struct net_addr addr;	    /* with port */
	struct str source;	    /* named source or empty */
	struct str vmta;	    /* virtual-mta or virtual-mta-pool of the dialect, or empty */
	const struct conf_set *set; /* CONF_LISTENER_… */
	struct conf_origin origin;
};
size_t conf_n_listeners(const struct conf *c);
const struct conf_listener *conf_listener_at(const struct conf *c, size_t i);

/*
 * May mail be relayed to this recipient's domain or address from a source that may not relay? (relay-domain,
 * host-name, relay-address)
 */
bool conf_is_relay_rcpt(const struct conf *c, struct str address);
/* Is it one of our own (host-name)? */
bool conf_is_local_domain(const struct conf *c, struct str domain);
/* Is it one of our own, and mail for those has a queue, <domain local>? */
bool conf_goes_local(const struct conf *c, struct str domain);
/*
 * Where mail to this address goes instead: <aliases>, and `postmaster` for postmaster and abuse at our own domains.
 * *targets: addresses, borrowed. 0: nowhere else.
 */
size_t conf_forward(const struct conf *c, struct str address, const struct str **targets);

/*
 * Files of private keys for signing, each once, sorted by name: the same list with the same numbers in every process
 * that has this configuration. Nothing here reads them; the hash tells one list from another.
 */
struct conf_key_file {
	struct str path;
	struct conf_origin origin;
};
size_t conf_n_key_files(const struct conf *c);
const struct conf_key_file *conf_key_file_at(const struct conf *c, size_t i);
bool conf_key_file_find(const struct conf *c, struct str path, uint32_t *index);
uint64_t conf_key_files_hash(const struct conf *c);
/* the file's name in a value of a directive that names one (domain-key, dkim-sign, …); empty: none */
struct str conf_key_file_of(enum conf_key key, struct str value);

/* Accounting: the columns of <acct-file> number i for a record type letter ("d", "tq", …) are kept as written, see lib/acct. */

#endif
