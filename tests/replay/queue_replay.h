/*
 * What the files of the queue replay share: the world around queued as the script plays it.
 */
#ifndef PH_TESTS_REPLAY_QUEUE_REPLAY_H
#define PH_TESTS_REPLAY_QUEUE_REPLAY_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "lib/spool/journal.h"

#define MAX_MESSAGES 256
#define MAX_ASKED    64

struct replay {
	struct buf config;
	struct conf *conf; /* what daemon_conf() gives */
	struct ipc_chan *chan[ROLE_MAX];
	struct journal *journal;
	struct mono start;
	struct {
		uint64_t id;
		char *name;
	} messages[MAX_MESSAGES];
	size_t n_messages;
	struct spool_place places[MAX_MESSAGES]; /* in the order of `accept` */
	size_t n_places;
	struct {
		uint32_t req;
		char *name; /* NULL: free */
	} asked[MAX_ASKED];
	uint32_t ttl_s;
	uint8_t notify; /* of the message that is being made */
	bool is_untold; /* the writer dies before it can tell of it */
	bool no_acks;	/* records are not acknowledged */
	uint64_t last_seq;
	struct ipc_process process; /* what the readers of reports were given last */
	struct ipc_copy copy;	    /* and bounced to be copied */
	enum { REPORTS_OK, REPORTS_FAIL, REPORTS_OFF } reports;
	struct ipc_judged verdict; /* of every failure */
	bool no_verdicts;
	char folder[64];
	uint32_t line;
};
extern struct replay replay;

struct replay_word {
	const char *word;
	void (*run)(struct str arg);
};
/* The folder is empty; once a process. */
void replay_begin(const char *folder);
/* One line of a script, neither empty nor a comment, and what it makes queued say. */
void replay_run(struct str line);
/* Until nobody has anything to say at this instant. */
void replay_settle(void);
/* queue_more.c's words; false: it is none of them. */
bool replay_more(struct str word, struct str arg);
/* queue_reports.c's. */
bool replay_reports(struct str word, struct str arg);
/* queue_policies.c's, and what it says of the questions. */
bool replay_policies(struct str word, struct str arg);
void replay_said_check(const struct ipc_msg *m);
void replay_said_run(const struct ipc_msg *m);
/* Prints one line of what queued says, with the time since `start`. */
void replay_event(const char *fmt, ...) PH_PRINTF(1, 2);
/* queue_orphans.c's. */
bool replay_orphans(struct str word, struct str arg);
/* The next word, a number; "CODE E.E.E TEXT", of which TEXT is left. */
uint64_t replay_number(struct str *arg);
void replay_reply(struct str *arg, uint16_t *code, uint8_t enh[3]);
/* "5s", "10m" in milliseconds. */
int64_t replay_ms(struct str s);
/* The script is wrong: says where and ends. */
void replay_die(const char *what) PH_NORETURN;
/* Prints one message of queued to that daemon and answers what needs no script; false: there was none. */
bool heard_one(struct ipc_chan *c);

#endif
