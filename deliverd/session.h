/*
 * One SMTP session as a client: a pure state machine. Bytes, ends and the passing of time go in; bytes to send
 * (session_out), results and one end come out. It has no descriptor, no timer and no clock of its own, so tests,
 * replays and the fuzzer drive the same code as the daemon. It decides nothing about queues or retries: it reports.
 */
#ifndef PH_DELIVERD_SESSION_H
#define PH_DELIVERD_SESSION_H

#include "deliverd/mail.h"
#include "deliverd/outq.h"
#include "lib/base/clock.h"
#include "lib/ipc/structs.h"
#include "lib/smtp/ext.h"
#include "lib/smtp/reply.h"

enum session_tls { SESSION_TLS_NO, SESSION_TLS_MAY, SESSION_TLS_MUST };

struct session_conf {
	int64_t connect_ms;
	int64_t greeting_ms;
	int64_t command_ms; /* EHLO, MAIL, RCPT, RSET, STARTTLS */
	int64_t data_ms;    /* 354 */
	int64_t send_ms;    /* for each SESSION_SEND_STEP that the peer must take */
	int64_t dot_ms;
	int64_t multiline_ms; /* from the first line of a reply to its last */
	int64_t tls_ms;
	int64_t quit_ms;
	int64_t none;	 /* 0: states without a deadline */
	uint32_t window; /* transactions that may be given ahead */
	uint8_t tls;	 /* enum session_tls */
	bool ignore_8bitmime, ignore_chunking, ignore_pipelining, ignore_dsn;
	bool break_on_421;	/* smtp-421-means-mx-unavailable */
	bool assume_delivered;	/* assume-delivery-upon-data-termination-timeout */
	bool detect_loop;	/* a peer that greets with our own name is us */
	bool auth_in_clear;	/* PLAIN and LOGIN also without TLS */
	bool pix_workaround;	/* the final dot apart, behind a firewall that hides the greeting */
	bool is_told;		/* somebody reads the dialogue: session_ops.spoken */
	bool bounce_broken;	/* a connection lost in the data is a failure for good */
	bool bounce_broken_pix; /* the same behind such a firewall only */
	struct str auth_user;	/* empty: no AUTH; borrowed by session_new() for the call */
	struct str auth_password;
	char ehlo[256];
};
#define SESSION_SEND_STEP  (16u * 1024u)  /* progress that renews the deadline for sending */
#define SESSION_MAX_UNSENT (256u * 1024u) /* above this nothing more is fed */
#define SESSION_MAX_FLIGHT 1024u	  /* replies outstanding */

/* the end of a connection; text borrowed during the call */
struct session_end {
	enum conn_end end;
	enum smtp_stage stage;
	uint16_t code;
	uint8_t enh[3];
	bool was_up;
	bool is_amid_content; /* something was not sent whole, or a message has no answer */
	struct str text;
};
struct session_result {
	uint64_t id;
	uint64_t bytes;
	uint32_t txn;
	uint32_t rcpt;
	enum rcpt_outcome outcome;
	enum smtp_stage stage;
	uint16_t code;
	uint8_t enh[3];
	bool dsn_relayed;
	struct str text; /* borrowed during the call */
};

/* What comes out. None of them may free the session; `down` comes once and is the last. */
struct session_ops {
	/* The message of a transaction whose turn has come, or soon will; NULL with `why`. Where it is MAIL_WAITS,
	 * session_sealed() follows. */
	struct mail *(*load)(void *ctx, const struct spool_place *place, const uint32_t *idx,
	    uint32_t n, struct why *why);
	void (*up)(void *ctx, uint32_t offered); /* enum smtp_ext bits as offered last */
	void (*result)(void *ctx, const struct session_result *r);
	void (*txn_done)(void *ctx, uint32_t txn);
	void (*down)(void *ctx, const struct session_end *e);
	/* Begin the handshake; answer with session_tls_up() or session_tls_failed(). */
	void (*start_tls)(void *ctx);
	/* Where the conf says is_told: each command and each reply, without what may be a secret; contents by size. */
	void (*spoken)(void *ctx, bool from_peer, struct str line);
};

struct session;
/* Waits for the connection. *conf is copied. */
struct session *session_new(
    const struct session_conf *conf, const struct session_ops *ops, void *ctx, struct mono now);
void session_free(struct session **s);

/* ---- in ---- */
void session_connected(struct session *s, struct mono now);
void session_input(struct session *s, struct mono now, struct str bytes);
/* The connection is gone or never came; `end` END_LOST, END_REFUSED, END_TIMEOUT or END_LOCAL; the session words it. */
void session_lost(struct session *s, struct mono now, enum conn_end end, const char *what);
/* So many bytes of session_out() were given to the kernel. */
void session_sent(struct session *s, struct mono now, uint64_t n);
/* A message that waited for its signature has it, or has none. */
void session_sealed(struct session *s, struct mono now);
/* The deadline has come (harmless when it has not). */
void session_tick(struct session *s, struct mono now);
void session_tls_up(struct session *s, struct mono now);
void session_tls_failed(struct session *s, struct mono now, const char *what);
/* A transaction; indices ascending, n >= 1. False: more than the window, nothing was taken. */
bool session_txn(
    struct session *s, struct mono now, const struct ipc_txn *t, const uint32_t *idx, uint32_t n);
void session_quit(struct session *s, struct mono now);
/* The same, but transactions that were not begun are given back unreported. */
void session_drain(struct session *s, struct mono now);
/* The same, and at once where nothing can have been begun. */
void session_leave(struct session *s, struct mono now);
/* At once, unless the end of a message was sent and its fate is not known yet: then as session_leave(). */
void session_interrupt(struct session *s, struct mono now);
/* Ends at once; what is undecided stays unreported. */
void session_abort(struct session *s, struct mono now, const char *what);

/* ---- out ---- */
struct outq *session_out(struct session *s);
/* MONO_NEVER: none */
struct mono session_deadline(const struct session *s);
/* The recipients of its transactions that have no result, also when it has just died. */
void session_each_undecided(
    const struct session *s, void (*fn)(void *ctx, uint64_t id, uint32_t rcpt), void *ctx);
bool session_is_dead(const struct session *s);
/* Is what is said now an answer to AUTH, which nobody may see? */
bool session_is_in_auth(const struct session *s);
enum smtp_stage session_stage(const struct session *s);

#endif
