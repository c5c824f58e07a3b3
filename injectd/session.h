/*
 * A client's SMTP session without its socket: bytes in, bytes out. It takes what was read, runs every whole command,
 * and gathers the replies; the connection writes them, arms the deadline and closes. Bounded: an idle session holds
 * no buffers, input waits (at most what one read brought) while a message is on its way to the disk.
 */
#ifndef PH_INJECTD_SESSION_H
#define PH_INJECTD_SESSION_H

#include "injectd/txn.h"
#include "injectd/world.h"
#include "lib/base/clock.h"

#define SESSION_MAX_LINE   (16u * 1024) /* a command with its CRLF: definitions of a mail merge */
#define SESSION_LONG_LINE  4096u	/* parameters of DSN and SMTPUTF8, AUTH */
#define SESSION_SHORT_LINE 512u		/* other commands, RFC 5321 4.5.3.1.4 */
#define SESSION_MAX_HELO   255u
#define SESSION_MAX_ERRORS 20u
#define SESSION_MAX_INPUT  (128u * 1024) /* kept unprocessed */
#define SESSION_OUT_PAUSE  (32u * 1024)	 /* with so much unsent no further command is run */

#define SESSION_STATES(STATE)                                                                      \
	STATE(COMMAND) /* waits for a command */                                                   \
	STATE(DATA)    /* within the content after 354 */                                          \
	STATE(CHUNK)   /* within a BDAT chunk */                                                   \
	STATE(AUTH)    /* waits for a line of an AUTH exchange */                                  \
	STATE(VERIFY)  /* a password is being tried */                                             \
	STATE(CHECK)   /* the sender is being checked */                                           \
	STATE(TLS)     /* nothing is taken until session_tls_up() */                               \
	STATE(WAIT)    /* the message is on its way to the disk */                                 \
	STATE(CLOSING) /* last replies are to be written, then it ends */
enum session_state {
#define STATE(name) SESSION_##name,
	SESSION_STATES(STATE)
#undef STATE
	    SESSION_STATE_MAX
};

/* What the client's TLS is; protocol NULL: in clear. Texts are OpenSSL's. */
struct session_tls {
	const char *protocol, *cipher;
	unsigned char print[USERS_PRINT]; /* of the certificate that the client has shown */
	bool has_print;
};
struct auth;
struct inbound;

struct session {
	struct world *world;
	const struct conf_set *set; /* its <source>; NULL: look it up again */
	struct net_addr client, local;
	char client_text[NET_ADDR_TEXT];
	uint64_t id;
	void (*wake)(struct session *s); /* there is output, or room for input, again */
	struct session_tls tls;
	char *user;	   /* owned; NULL: not authenticated */
	struct auth *auth; /* owned; an exchange under way */
	struct inbound
	    *inbound; /* owned; what was found out about the client and its mail, see inbound.h */
	char *helo;   /* owned; NULL: no greeting yet */
	struct txn *txn; /* owned unless in WAIT; NULL: no transaction */
	struct buf in, out;
	struct mono deadline; /* MONO_NEVER: none */
	uint64_t preset_id;   /* of the next message; 0: one is drawn */
	size_t n_given;	     /* so many bytes at the content's front are ours to obey, see feed.h */
	uint64_t chunk_left; /* CHUNK: bytes to come */
	uint64_t progress;   /* DATA, CHUNK: bytes since the deadline was moved */
	struct why chunk_why; /* CHUNK: why it will be refused; smtp_code 0: taken */
	size_t n_behind;      /* bytes that came with this command and follow it */
	uint32_t n_asked;     /* of world.checks, without an answer yet */
	bool asks_suppress;   /* world.suppress has not answered yet */
	uint32_t n_errors;    /* since the last message that was accepted */
	uint32_t n_messages;
	uint16_t door;
	uint8_t state;	    /* enum session_state */
	bool has_cert_user; /* authenticated by its certificate */
	bool is_greeted, is_esmtp, is_last_chunk, is_overlong, is_polite;
	bool is_quiet;	/* XACK OFF: RCPT and XDFN get no reply, see commands.c */
	bool is_hushed; /* such a command is being run */
};

/*
 * Greets into s->out, or refuses (then the state is CLOSING); or waits for TLS (the state is TLS) and greets then.
 * client_text is made here.
 */
void session_start(struct session *s, struct world *w, uint16_t door, const struct net_addr *client,
    const struct net_addr *local);
/* Ends it at whatever point; a message that waits for the disk goes on without it. */
void session_clear(struct session *s);

/* The state was TLS, and s->out was written: the handshake is over. All that was said before is forgotten. */
void session_tls_up(struct session *s, const struct session_tls *tls);

/* May more input be given? */
bool session_wants_input(const struct session *s);
/* Takes the bytes. */
void session_input(struct session *s, struct str bytes);
/* Output was written, or the state has changed: goes on with input that was kept. */
void session_resume(struct session *s);
/* The deadline has passed: 421 4.4.2. */
void session_timeout(struct session *s);
/* The daemon stops: 421 4.3.2 now, or after the message under way. */
void session_stop(struct session *s);
/* The configuration changes: no pointer into it is kept. */
void session_forget_conf(struct session *s);

/* ---- for the commands ---- */

const struct conf_set *session_set(struct session *s);
/* It does not come over SMTP, and whoever could give it to us may send mail: pickup, API. */
bool session_is_inner(const struct session *s);
/* How mail comes in here, for a Received field (RFC 3848, RFC 6531): "ESMTPSA". */
const char *session_protocol(const struct session *s, bool is_utf8);
/* "250 2.1.0 text\r\n"; a == 0: without enhanced status. 4yz may close instead, see disconnect-on-transient-error. */
void session_reply(struct session *s, int code, int enh, const char *fmt, ...) PH_PRINTF(4, 5);
/* The same for a reason that has a code. */
void session_reply_why(struct session *s, const struct why *why);
/* Counts an error of the client's; too many end the session. */
void session_error(struct session *s);
/* No further input is looked at. */
void session_close(struct session *s);
void session_enter(struct session *s, enum session_state state);
/* 5.1.3 as one number */
#define ENH(a, b, c) ((a)*10000 + (b)*100 + (c))

/* What was asked through world.checks has an answer: of the message CHECKED; never from within the question. */
void session_checked(
    struct session *s, enum check_kind kind, unsigned result, const struct str text[3]);

/* The answer about the recipient that came last: on which list it is; empty: on none. */
void session_suppressed(struct session *s, struct str list);

/* The content is complete, and all about it is known: hands it over, or refuses. */
void session_submit(struct session *s);

/* The disk has answered for the transaction of this session: replies. why NULL: accepted under `id`. */
void session_settled(struct session *s, uint64_t id, const struct why *why);

#endif
