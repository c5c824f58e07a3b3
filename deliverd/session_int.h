/*
 * What the files of the session share: its states, the replies that it expects, and a transaction's phases.
 */
#ifndef PH_DELIVERD_SESSION_INT_H
#define PH_DELIVERD_SESSION_INT_H

#include "deliverd/session.h"

/* S(NAME, stage, which of the conf's times, what it is doing) */
#define SESSION_STATES(S)                                                                          \
	S(CONNECT, STAGE_CONNECT, connect_ms, "connecting")                                        \
	S(GREETING, STAGE_GREETING, greeting_ms, "waiting for the greeting")                       \
	S(EHLO, STAGE_EHLO, command_ms, "waiting for the reply to EHLO")                           \
	S(HELO, STAGE_EHLO, command_ms, "waiting for the reply to HELO")                           \
	S(STARTTLS, STAGE_TLS, command_ms, "waiting for the reply to STARTTLS")                    \
	S(TLS, STAGE_TLS, tls_ms, "negotiating TLS")                                               \
	S(AUTH, STAGE_AUTH, command_ms, "authenticating")                                          \
	S(IDLE, STAGE_IDLE, none, "idle")                                                          \
	S(RSET, STAGE_MAIL, command_ms, "waiting for the reply to RSET")                           \
	S(MAIL, STAGE_MAIL, command_ms, "waiting for the reply to MAIL")                           \
	S(RCPT, STAGE_RCPT, command_ms, "waiting for the reply to RCPT")                           \
	S(DATA, STAGE_DATA, data_ms, "waiting for the reply to DATA")                              \
	S(SEND, STAGE_BODY, send_ms, "sending")                                                    \
	S(DOT, STAGE_BODY, dot_ms, "waiting for the reply to the end of data")                     \
	S(BDAT, STAGE_BODY, dot_ms, "waiting for the reply to BDAT")                               \
	S(QUIT, STAGE_QUIT, quit_ms, "waiting for the reply to QUIT")                              \
	S(DEAD, STAGE_QUIT, none, "ended")

enum session_state {
#define S(name, stage, ms, doing) SESSION_##name,
	SESSION_STATES(S)
#undef S
	    SESSION_STATE_MAX
};

/* Where a transaction is in being sent; what is decided already is with its recipients. */
enum txn_phase {
	TXN_WAITING, /* given, nothing sent */
	TXN_RCPT,    /* MAIL was sent, recipients follow */
	TXN_DATA,    /* all RCPT were sent */
	TXN_GO,	     /* DATA was sent, 354 is awaited */
	TXN_BODY,    /* 354 came */
	TXN_CLOSED,  /* everything was sent (or nothing more will be) */
	TXN_PHASE_MAX
};
enum rcpt_state { RCPT_OPEN, RCPT_ACCEPTED, RCPT_DECIDED };

struct txn_rcpt {
	uint32_t index; /* in the envelope */
	uint8_t state;	/* enum rcpt_state */
};
struct txn {
	struct txn *next;
	struct mail *mail; /* from its begin until the content is queued */
	struct spool_place place;
	uint64_t bytes; /* transparent size */
	uint32_t number;
	uint32_t n_rcpts;
	uint32_t n_fed;	     /* RCPT commands queued */
	uint32_t n_accepted; /* by RCPT, whatever came after */
	uint32_t n_undecided;
	uint32_t n_awaited; /* replies outstanding */
	uint8_t phase;	    /* enum txn_phase */
	bool begun;	    /* MAIL was queued */
	bool bdat;
	bool answered; /* some reply came */
	bool mail_ok;
	bool mail_refused;
	bool
	    doubted; /* a reply to one of its commands could not be read: nothing is refused for good */
	bool ended; /* the peer's transaction is surely over */
	struct txn_rcpt rcpts[];
};

/* a reply that must come, in order */
struct expect {
	struct txn *txn;
	uint64_t end; /* offset in the output behind what it answers */
	uint32_t rcpt;
	uint8_t state; /* enum session_state: what we do while it is the first */
};
struct expects {
	struct expect *ring;
	uint32_t size; /* power of two */
	uint32_t head, count;
	uint64_t popped; /* since the beginning: tells one first from the next */
};

struct session {
	const struct session_ops *ops;
	void *ctx;
	struct mono now;
	struct mono deadline;
	uint64_t told;	     /* offset in the output up to which `spoken` knows of it */
	uint64_t armed_for;  /* expects.popped when the deadline was set */
	uint64_t armed_sent; /* out.sent at that time */
	struct outq out;
	struct expects expects;
	struct txn *first, **tail; /* in the order given */
	struct txn *feeding;	   /* the first that is not closed */
	struct txn *last_begun;	   /* until it is finished */
	struct smtp_caps caps;	   /* as offered */
	uint32_t ext;		   /* as used: without what is ignored */
	uint32_t n_txns;
	uint32_t n_decided; /* transactions finished on this connection */
	enum session_state state;
	bool is_up, is_tls, is_quitting;
	bool need_rset;
	bool is_loop;
	bool is_pix;		     /* the greeting is masked by a firewall */
	bool line_armed;	     /* the deadline is that of a multi-line reply */
	struct smtp_reply *bye;	     /* a 421 that was the last reply; owned */
	struct session_doubt *doubt; /* owned; NULL: every reply was readable */
	struct session_auth *auth;   /* owned; NULL: not wanted, or done */
	struct session_conf conf;
	struct reply_parser parser;
};

/* ---- session.c ---- */
void session_enter(struct session *s, enum session_state state);
void session_expect(struct session *s, enum session_state state, struct txn *t, uint32_t rcpt);
const struct expect *session_first(const struct session *s); /* NULL: none */
struct expect session_pop(struct session *s);
const char *session_doing(const struct session *s);

/* ---- session_auth.c ---- */
/* NULL where the conf has no user. */
struct session_auth *session_auth_new(const struct session_conf *conf);
void session_auth_free(struct session_auth **a);
/* Authenticates, and then comes up. */
void session_auth_begin(struct session *s);
void session_on_auth(struct session *s, const struct expect *e);

/* ---- session_doubt.c ---- */
/*
 * The reply to the first expected one could not be read, and so many of the bytes given belong to it. False: nothing
 * is to be learned from those that follow.
 */
bool session_doubt_begin(struct session *s, const char *what);
/* The reply in s->parser, while in doubt. */
void session_doubt_reply(struct session *s);
void session_doubt_free(struct session_doubt **d);

/* ---- session_feed.c ---- */
void session_say_ehlo(struct session *s);
void session_say_helo(struct session *s);
/* Queues as much of the transactions as may be in flight now. */
void session_feed(struct session *s);
/* Nothing more of it will be sent; session_try_finish() follows. */
void session_close_txn(struct session *s, struct txn *t);

/* ---- session_reply.c ---- */
/* Handles the reply in s->parser, which answers the first expected one. */
void session_on_reply(struct session *s);
/* The reply in s->parser answers *e, which was popped. */
void session_handle(struct session *s, const struct expect *e);
void session_on_line(void *arg, uint32_t line, struct str text);
/* All that comes before the first message is done. */
void session_come_up(struct session *s);

/* ---- session_end.c ---- */
/* the peer's word, or our own (code 0) */
struct verdict {
	enum rcpt_outcome outcome;
	enum smtp_stage stage;
	uint16_t code;
	uint8_t enh[3];
	struct str text;
};
struct verdict verdict_of_reply(const struct smtp_reply *r, enum smtp_stage stage);
void session_decide(struct session *s, struct txn *t, uint32_t rcpt, const struct verdict *v);
/* All recipients in that state. */
void session_decide_all(
    struct session *s, struct txn *t, enum rcpt_state state, const struct verdict *v);
/* Reports and forgets it if it is closed and no reply is outstanding. */
void session_try_finish(struct session *s, struct txn *t);
/* Ends the session: reports what was under way, then the end. */
void session_die(struct session *s, struct session_end e);
void session_die_of_reply(struct session *s, enum smtp_stage stage);
void session_die_of_protocol(struct session *s, const char *what);
void session_drop_waiting(struct session *s);
void session_free_txns(struct session *s);

#endif
