/*
 * What a session knows of the process around it: the configuration in force, the name in greetings, the doors
 * (listeners), whether mail may be taken now, and where messages go. The daemon fills it from its channels; a test
 * fills it by hand, with an intake of its own. It must never hold a descriptor.
 */
#ifndef PH_INJECTD_WORLD_H
#define PH_INJECTD_WORLD_H

#include "lib/auth/lockout.h"
#include "injectd/users.h"
#include "lib/conf/conf.h"
#include "lib/spool/journal.h"

struct session;

#define WORLD_MAX_DOORS 64
/* behind those of the listeners: what does not come over SMTP has the settings of a reserved source */
#define WORLD_DOOR_PICKUP WORLD_MAX_DOORS
#define WORLD_DOOR_API	  (WORLD_MAX_DOORS + 1)
#define WORLD_N_DOORS	  (WORLD_MAX_DOORS + 2)
#define WORLD_HOST_MAX	  256

/* Where messages go: lib/spool's journal, or a test's memory. The contracts are those of lib/spool/journal.h. */
struct intake_ops {
	uint64_t (*new_id)(void *ctx);
	/* one call of txn_settled(token, …) follows, never from within */
	void (*append)(void *ctx, uint64_t id, struct str env, struct buf *message, void *token);
	void *(*large_start)(void *ctx, uint64_t id, size_t env_room, struct why *why);
	int (*large_write)(void *large, struct str piece, struct why *why);
	/* text in front of all that was written; once, and only where env_room had room for it */
	void (*large_front)(void *large, struct str text);
	void (*large_commit)(void *large, struct str env, void *token);
	void (*large_abort)(void *large);
};

/* Who looks things up for a session (checker.c); what a session gets for it comes by session_checked(). */
struct check_ops {
	/* False: nobody can be asked now. text: as of the message CHECK. */
	bool (*ask)(struct session *s, const struct ipc_check *q, const struct str text[3]);
	/* Forgets what that session has asked. */
	void (*cancel)(struct session *s);
};

/* Who says whether an address gets no mail (suppressed.c). */
struct suppress_ops {
	/* Nearly always: no, and nobody need be asked. */
	bool (*may_be)(struct str address);
	/* Asks; session_suppressed() follows, not from within. False: nobody can be asked now. */
	bool (*ask)(struct session *s, struct str address, struct str lists);
	/* Forgets what that session has asked. */
	void (*cancel)(struct session *s);
};

/* A listener: what its row of the configuration says now. Views into the configuration in force. */
struct door {
	struct str source; /* named source, or empty */
	struct str vmta;   /* VirtualMTA or pool, or empty */
	struct str type;   /* of what comes in here, as accounting has it: "smtp" */
	bool is_await_slot;
	bool has_tls; /* a certificate */
	bool is_immediate_tls;
};

struct world {
	const struct conf *conf;
	const struct check_ops *checks;	     /* NULL: nobody can be asked */
	const struct suppress_ops *suppress; /* NULL: nobody is suppressed */
	const struct intake_ops *intake;
	void *intake_ctx;
	struct door door[WORLD_N_DOORS];
	struct users users;
	struct lockout *failures;  /* shared by all processes; NULL: not counted */
	char host[WORLD_HOST_MAX]; /* NUL-terminated */
	struct why refusal;	   /* smtp_code != 0: what MAIL is answered */
	bool is_stopping;
	size_t merge_held;  /* bytes that mail merges under way keep, see merge.h */
	struct buf scratch; /* for one envelope; used within one call only */
	uint64_t last_session;
};

/* The rest is cleared; conf may come later, by world_use_conf(). */
void world_init(struct world *w, const struct intake_ops *ops, void *ctx);
void world_clear(struct world *w);
/* The configuration in force from now on; no session may keep a pointer into the old one (session_forget_conf). */
void world_use_conf(struct world *w, const struct conf *conf);

#endif
