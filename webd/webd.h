/*
 * What the files of webd share: its one state, and what each file offers to the others. It serves the web monitor and
 * the URLs for scripts; all that it knows it asks of queued or reads on the pages of statistics. It opens no file and
 * no connection, and what a visitor may not do it does not ask for.
 */
#ifndef PH_WEBD_WEBD_H
#define PH_WEBD_WEBD_H

#include "lib/base/buf.h"
#include "lib/ctl/commands.h"
#include "lib/ctl/tree.h"
#include "lib/ev/ev.h"
#include "lib/net/addr.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;
struct MHD_PostProcessor;
struct ssl_ctx_st;
struct conf;

/* ---- access.c: who may do what ---- */

enum access { ACCESS_NONE, ACCESS_MONITOR, ACCESS_OPERATOR, ACCESS_ADMIN };
/* what http-access says of an address */
struct visit {
	enum access access;
	bool is_barred; /* a line says none: no log-in, no key helps */
	bool no_logs;
};
const char *access_name(enum access a);
/* Reads what a new configuration and the access file say; `users` is the file's content, empty: there is none. */
void access_use_conf(const struct conf *c, struct str users);
void access_clear(void);
struct visit access_of(const struct net_addr *client);
bool access_is_key(struct str key);
/* Is this one of our own names or an address, with or without a port? Anything else may be another's page (rebinding). */
bool access_is_own_host(struct str host);
bool access_has_users(void);
/* The user's hash, borrowed until the next configuration; empty: there is no such user. */
struct str access_user(struct str name, enum access *a);

/* ---- conn.c: sockets, from accept to their end ---- */

struct tunnel;
struct conn {
	struct conn *next, **back;
	struct net_addr client;
	int fd; /* the client's. -1: gone */
	struct ev_io io;
	struct ev_timer deadline;
	struct tunnel *tunnel; /* through which TLS goes; NULL: in clear */
	bool is_tls;
	bool in_server; /* libmicrohttpd has it */
	bool is_idle;	/* no whole request is there */
};
void conns_init(void);
void conns_listen(int fd);
void conns_unlisten(void);
/* Takes the configuration's TLS context into use (NULL: none); owned by it. */
void conns_use_tls(struct ssl_ctx_st *ctx);
bool conns_have_tls(void);
void conns_free(void);
/* The server lets go of its side. */
void conn_left_server(struct conn *c);
/* The tunnel has ended and was freed. */
void conn_left_tunnel(struct conn *c);
/* It has so long for its next step, then it is cut off. < 0: for ever. */
void conn_allow_ms(struct conn *c, int64_t ms);

/* ---- tunnel.c ---- */
/* TLS between the client and one end of a socket pair; *inner is the other end, the caller's. NULL: no memory, errno. */
struct tunnel *tunnel_new(struct conn *c, struct ssl_ctx_st *ctx, int *inner);
void tunnel_free(struct tunnel **t);

/* ---- server.c: libmicrohttpd in the loop ---- */

void server_open(void);
/* Takes fd. -1: it was closed. */
int server_add(struct conn *c, int fd) PH_MUST_CHECK;
/* At the end of this turn: for a connection was resumed. */
void server_run_soon(void);
void server_close(void);

/* ---- request.c: one request ---- */

#define REQUEST_MAX_BODY   (4u * 1024 * 1024) /* the largest is a configuration file */
#define REQUEST_MAX_FIELDS 64
struct field {
	char *name;
	struct buf value;
};
struct request {
	struct request *next, **back;
	struct MHD_Connection *mhd;
	struct conn *conn;
	struct MHD_PostProcessor *post;
	char path[256];
	bool is_post;
	bool is_bad_uri;
	bool has_begun, is_answering, is_suspended, is_refused, is_stream, is_sent;
	size_t body_len;
	struct field fields[REQUEST_MAX_FIELDS];
	size_t n_fields;
	struct mono began;

	enum access access;
	bool no_logs;
	bool by_key;
	char user[64]; /* who logged in, or "" */
	struct session *session;

	unsigned status;
	size_t reply_len;
	struct MHD_Response *response; /* ready to be sent */
	void *ctx;		       /* whose answer it waits for; freed by that one */
};
/* A field of the query or the form; empty when there is none. */
struct str request_field(const struct request *r, const char *name);
bool request_has(const struct request *r, const char *name);
struct str request_header(const struct request *r, const char *name);
/* The answer; text is copied. Once a request. */
void request_reply(struct request *r, unsigned status, const char *type, struct str text);
/* The same from a tree, in the form that the client asked for (JSON, XML, dom). */
void request_tree(struct request *r, unsigned status, struct tree *t);
/* A sentence, in the form that the client asked for (JSON, XML, dom). */
void request_say(struct request *r, unsigned status, const char *fmt, ...) PH_PRINTF(3, 4);
void request_redirect(struct request *r, const char *to);
/* A stream of events (webd/live.h): never ends by itself. */
void request_stream(struct request *r);
/* One more header field for the answer that was given. */
void request_add_header(struct request *r, const char *name, const char *value);
/* There is a new event. */
void requests_wake_streams(void);
/* All that wait are resumed: before the end. */
void requests_resume_all(void);

/* ---- route.c: which function answers which URL ---- */

void route_request(struct request *r);
/* Has it the right? Otherwise it was answered. */
bool route_may(struct request *r, enum access needed);

/* ---- session.c: log-ins ---- */

#define SESSION_TOKEN 64 /* hexadecimal */
struct session;
void session_init(void);
/* Finds whose cookie came, and gives the request its rights. */
void session_apply(struct request *r);
/* Is it what a POST must bring along? */
bool session_is_token(const struct request *r, struct str token);
void session_login(struct request *r);
void session_logout(struct request *r);
void session_tell(struct request *r);
/* Users may have gone, or changed: then their log-ins end. */
void session_use_conf(void);

/* ---- ask.c: questions to queued ---- */

#define ASK_MAX_LEAVES 400000u
struct question {
	enum ctl_command command;
	struct str args[16]; /* by enum ctl_arg; copied */
	uint32_t max;
};
/* The answer; ok is in the tree. NULL: there was none, `why`. */
typedef void ask_done(void *ctx, struct tree *answer, const char *why);
void ask_init(void);
void ask_add_channel(uint32_t number, int fd);
void ask(const struct question *q, ask_done *done, void *ctx);
void ask_free(void);

/* ---- script.c: the URLs for scripts ---- */

/* True: it is one of them, and was answered or will be. */
bool script_serve(struct request *r);
void script_command(struct request *r);
void script_list(struct request *r);

/* ---- live.c: statistics ---- */

void live_init(void);
void live_page(uint32_t role, uint32_t instance, int fd);
void live_history(struct request *r);
void live_labels(struct request *r);
void live_metrics(struct request *r);
/* The last event as it is sent, and its number, from 1. */
struct str live_event(uint64_t *number);

/* ---- pages.c: what browsers get ---- */

bool pages_serve(struct request *r);

/* ---- edit.c: the configuration's files ---- */

void edit_serve_get(struct request *r);
void edit_serve_post(struct request *r);
struct ipc_msg;
/* master's answer */
void edit_answered(struct ipc_msg *m);

/* ---- say.c: what the log tells ---- */

void say_data(const struct request *r);
void say_request(const struct request *r);

/* ---- log_page.c ---- */

void log_page_use(int fd);
void log_page_serve(struct request *r);

struct webd {
	struct MHD_Daemon *mhd;
	struct conn *adding; /* handed to the server just now */
};
extern struct webd webd;

#endif
