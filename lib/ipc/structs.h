/*
 * The heads of the messages of messages.def. Fixed layout without padding: every size is asserted in ipc_table.c
 * by way of the rows. Times are struct wall's nanoseconds; addresses are 16 bytes, IPv4 in the first four.
 */
#ifndef PH_IPC_STRUCTS_H
#define PH_IPC_STRUCTS_H

#include "lib/base/base.h"
#include "lib/ipc/structs_control.h"

/* Where a message's record lies. Journal: writer/segment/generation/offset. Queue file: kind says so, by id. */
enum spool_kind { SPOOL_JOURNAL = 1, SPOOL_FILE = 2 };
struct spool_place {
	uint64_t id;	     /* the message's */
	uint64_t len;	     /* whole record in bytes: header line, envelope, empty line, message */
	uint64_t offset;     /* in the segment; 0 for a file */
	uint32_t segment;    /* number within the writer's directory */
	uint32_t generation; /* of the segment */
	uint16_t writer;
	uint16_t kind;	  /* enum spool_kind */
	uint32_t env_len; /* header line + envelope + empty line: where the message begins */
};

struct ipc_addr {
	uint8_t bytes[16];
	uint16_t port;	/* host order */
	uint8_t family; /* 4, 6, or 0: none */
	uint8_t pad[5];
};

struct ipc_empty {
	uint64_t zero;
};
struct ipc_hello {
	uint64_t protocol;
	uint32_t role;
	uint32_t instance;
	uint64_t pid;
};
struct ipc_config {
	uint64_t generation;
};
/* a descriptor for a daemon: what it is for, see enum ipc_fd_kind */
enum ipc_fd_kind {
	FD_LISTEN_SMTP = 1, /* index: row of conf's listeners; text: "address:port" as bound */
	FD_LISTEN_CONTROL,
	FD_LISTEN_DUMMY,
	FD_SPOOL_DIR,  /* text: path */
	FD_ACCT_DIR,   /* index: number of the <acct-file>; text: path of the directory */
	FD_MOVE_DIR,   /* index: number of the <acct-file>: its move-to */
	FD_STATS_PAGE, /* index: instance; role in `role` */
	FD_LOG,
	FD_TLS_FILE, /* text: path as configured; its contents, sealed. Before START, and before each CONFIG_USE */
	FD_LISTEN_API, /* as FD_LISTEN_SMTP, for mail over HTTP */
	FD_PICKUP_DIR, /* for the first injectd, before START and before each CONFIG_USE */
	FD_PICKUP_BAD,
	FD_TRACK_KEY, /* memory: the key of lib/track */
	FD_INJECT_BOARD, /* IPC_BOARD_BYTES of memory that all injectd share: counts of connections and failures */
	FD_LISTEN_HTTP,
	FD_LOG_READ,	    /* the log as it is now, for reading */
	FD_SUPPRESS_FILTER, /* index: 0 the store's, 1 the lists'; to be read (lib/suppress/filter.h) */
	FD_ADDRESS_FILE, /* of an <address-list>; text: path as configured. Before START and CONFIG_USE */
	FD_KIND_MAX
};
#define IPC_BOARD_BYTES (256u * 1024)
struct ipc_fd {
	uint32_t kind;
	uint32_t index;
	uint32_t role;
	uint32_t pad;
};
struct ipc_peer {
	uint32_t role;
	uint32_t instance;
};
struct ipc_stop {
	uint64_t drain_ms; /* finish what is in flight for at most so long; 0: leave now */
};

struct ipc_segment {
	uint64_t end; /* SEALED: bytes in use */
	uint32_t segment;
	uint32_t generation;
	uint32_t writer;
	uint32_t pad;
};
/* may injectors accept? */
struct ipc_spool_state {
	uint64_t queued_rcpts;
	uint64_t queued_bytes;
	uint32_t accept; /* 1 yes, 0 no: text says why */
	uint32_t pad;
};

enum dns_kind { DNS_MX = 1, DNS_HOST = 2 };
struct ipc_resolve {
	uint32_t req;	    /* the asker's number, given back */
	uint8_t kind;	    /* enum dns_kind */
	uint8_t families;   /* bit 0: A, bit 1: AAAA */
	uint16_t tlsa_port; /* 0: TLSA records are not wanted */
};
struct ipc_dns_addr {
	struct ipc_addr
	    addr; /* family 0: one of the best exchangers, for which no address was found */
	uint32_t req;
	uint16_t pref;
	uint16_t pad;
};
enum dns_status {
	DNS_OK = 0,
	DNS_NXDOMAIN, /* the domain does not exist */
	DNS_NODATA,   /* it exists, without anything to connect to */
	DNS_NULL_MX,  /* RFC 7505 */
	DNS_SERVFAIL, /* temporary: refused, failed, malformed */
	DNS_TIMEOUT,  /* temporary */
	DNS_NO_ADDR,  /* MX exist, none of them has an address (permanently so) */
	DNS_BAD_NAME, /* not a domain name at all */
	DNS_STATUS_MAX
};
struct ipc_dns_done {
	uint32_t req;
	uint32_t ttl_s;
	uint16_t n_addrs; /* addresses that went before */
	uint8_t status;	  /* enum dns_status */
	uint8_t ad;	  /* all answers were authenticated by a trusted resolver */
	uint32_t pad;
};

enum check_kind {
	CHECK_SPF = 1, /* RFC 7208 */
	CHECK_IPREV, /* RFC 8601 3: does the client's address have a name that leads back to it? */
	CHECK_TXT,   /* texts of a name: result PASS, NONE or TEMPERROR */
	CHECK_KIND_MAX
};
#define CHECK_MAX_TEXT 8192 /* of CHECKED's texts */
struct ipc_check {
	struct ipc_addr client;
	uint32_t req; /* the asker's number, given back */
	uint16_t max_void;
	uint8_t kind; /* enum check_kind */
	uint8_t pad;
};
struct ipc_checked {
	uint32_t req;
	uint8_t kind;
	uint8_t result; /* enum spf_result */
	uint8_t pad[2];
};

/* one of our source addresses is listed, or is not any more */
struct ipc_dnsbl {
	struct ipc_addr addr;
	uint32_t code; /* 127.x.y.z, without the 127 */
	uint32_t listed;
};

/* a connection that queued grants; `conn` is queued's number */
struct ipc_conn_open {
	struct ipc_addr dst;
	struct ipc_addr src;	/* bound to here; family 0: any */
	struct ipc_addr proxy;	/* connected to instead of dst; family 0: none */
	struct ipc_addr client; /* as which the proxy connects to dst */
	uint32_t conn;
	uint32_t window;	/* most transactions that will be given ahead */
	uint32_t proxy_version; /* of the PROXY protocol: 1 or 2; 0: no proxy */
	uint32_t type; /* enum delivery_type; with another than SMTP there are no addresses */
	uint32_t talk; /* enum talk_bit: what of the dialogue is told to queued, beside the log */
	uint32_t
	    verify; /* 1: only with TLS and a certificate of that host's by a known authority (MTA-STS) */
};
enum talk_bit {
	TALK_CONNECTIONS = 1,
	TALK_COMMANDS = 2,
	TALK_DATA = 4,
	TALK_TLS = 8,
	TALK_FAILURES = 16
};
struct ipc_conn_talk {
	uint32_t conn;
	uint32_t pad;
};
enum conn_close {
	CONN_QUIT = 1,	/* after what was given */
	CONN_ABORT,	/* at once */
	CONN_LEAVE,	/* after the transaction under way; the others come back untried */
	CONN_INTERRUPT, /* at once, unless the content's end was sent: then as CONN_LEAVE */
	CONN_CLOSE_MAX
};
struct ipc_conn_close {
	uint32_t conn;
	uint32_t how; /* enum conn_close */
};
struct ipc_conn_up {
	struct ipc_addr src; /* what the kernel bound */
	uint32_t conn;
	uint32_t extensions; /* enum smtp_ext bits of lib/smtp */
};
/* how far a connection or transaction was when it ended */
enum smtp_stage {
	STAGE_CONNECT,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_TLS,
	STAGE_AUTH,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_BODY, /* some of the content was sent, the reply to its end is missing */
	STAGE_IDLE,
	STAGE_QUIT,
	STAGE_MAX
};
enum conn_end {
	END_CLOSED = 1, /* in order, by us */
	END_LOST,	/* the peer closed or reset it */
	END_TIMEOUT,
	END_REFUSED,  /* connect failed: text says how */
	END_REPLY,    /* the peer's reply ended it (greeting, EHLO, 421) */
	END_PROTOCOL, /* the peer broke the protocol */
	END_LOCAL, /* our own trouble (source address missing, descriptors): never counts as an attempt */
	END_MAX
};
struct ipc_conn_down {
	struct ipc_addr src; /* what the kernel bound, as far as it came; family 0: nothing */
	uint32_t conn;
	uint16_t code; /* SMTP reply code or 0 */
	uint8_t enh[3];
	uint8_t stage;	  /* enum smtp_stage */
	uint8_t end;	  /* enum conn_end */
	uint8_t up;	  /* 1: a session had been established */
	uint8_t at_proxy; /* 1: it is the proxy that cannot be reached */
	uint8_t pad[3];
};
/* text 0: the recipients' indices, uint32_t each, native order, ascending */
struct ipc_txn {
	struct spool_place place;
	uint32_t conn;
	uint32_t txn; /* number within the connection, from 0 */
};
enum rcpt_outcome {
	OUT_DELIVERED = 1,
	OUT_FAILED, /* for good */
	OUT_DEFERRED, /* a remote reply or a connection's failure while this transaction was under way */
	OUT_UNTRIED, /* given back: does not count as an attempt */
	OUT_MAX
};
struct ipc_result {
	uint64_t id;
	uint64_t bytes; /* content bytes sent, when delivered */
	uint32_t conn;
	uint32_t txn;
	uint32_t rcpt; /* index in the envelope */
	uint16_t code; /* SMTP reply code, 0: none came */
	uint8_t enh[3];
	uint8_t outcome; /* enum rcpt_outcome */
	uint8_t stage;
	uint8_t dsn_relayed; /* delivered, and the peer lacks DSN: action is "relayed" */
	uint8_t pad[4];
};
struct ipc_txn_done {
	uint32_t conn;
	uint32_t txn;
};

/* a recipient of a transaction that an earlier queued had ordered */
struct ipc_orphan {
	uint64_t id;
	uint32_t rcpt;
	uint32_t pad;
};
/* its final result (delivered or failed for good), and of the connection what accounting wants */
struct ipc_orphan_result {
	struct ipc_addr dst;
	struct ipc_addr src;
	struct ipc_result result; /* conn and txn are 0 */
	uint32_t extensions;
	uint32_t pad;
};

enum acct_type {
	ACCT_DELIVERED = 1, /* d */
	ACCT_BOUNCED,	    /* b */
	ACCT_TRANSIENT,	    /* t */
	ACCT_QUEUE,	    /* tq */
	ACCT_RECEIVED,	    /* r */
	ACCT_REMOTE_BOUNCE, /* rb */
	ACCT_REMOTE_STATUS, /* rs */
	ACCT_COMPLAINT,	    /* f */
	ACCT_TYPE_MAX
};
enum final_kind {
	FINAL_NONE = 0,
	FINAL_DELIVERED,
	FINAL_BOUNCED,
	FINAL_EXPIRED,
	FINAL_DELETED,
	/* the same without an accounting record, as configured or ordered; only the done log tells them apart */
	FINAL_QUIET_DELIVERED,
	FINAL_QUIET_BOUNCED,
	FINAL_QUIET_EXPIRED,
	FINAL_QUIET_DELETED,
	FINAL_MAX
};
#define FINAL_QUIETLY(kind) ((enum final_kind)((kind) + FINAL_DELETED))
/* as the words of <domain>'s type stand */
enum delivery_type {
	DELIVERY_SMTP,
	DELIVERY_PIPE,
	DELIVERY_FILE,
	DELIVERY_DISCARD,
	DELIVERY_HTTP,
	DELIVERY_TYPES
};
struct ipc_record {
	struct spool_place place; /* kind 0: none (tq) */
	struct ipc_addr src;
	struct ipc_addr dst;
	uint64_t seq; /* rises by one a record */
	int64_t logged_ns;
	int64_t first_attempt_ns; /* of the recipient; 0: not known */
	uint64_t bytes;
	uint32_t rcpt;
	uint32_t extensions;
	uint16_t code;
	uint8_t enh[3];
	uint8_t type;  /* enum acct_type */
	uint8_t final; /* enum final_kind */
	uint8_t local; /* 1: our own verdict, diag is x-pmta;…; 0: a remote reply, smtp;… */
	uint8_t dsn_relayed;
	uint8_t
	    quiet; /* 1: no CSV line (disable-acct-records, --no-accounting), only the acknowledgement */
	uint8_t delivery; /* enum delivery_type: the queue's */
	uint8_t pad[1];
	uint32_t nth; /* of the records that one report makes (rb, rs, f) */
};
struct ipc_record_ack {
	uint64_t seq; /* all up to this are on disk */
};

/* a command of the configuration; numbers as lib/command/commands.h counts them */
enum exec_flag {
	EXEC_IS_STREAM =
	    1, /* if the asker goes it gets its end of file, and may go on for a while; otherwise it is killed */
};
struct ipc_exec_run {
	uint64_t hash;	 /* of the asker's list of commands */
	uint32_t job;	 /* the asker's number, given back */
	uint32_t number; /* in that list */
	uint32_t option; /* what its kind makes of it, 0: nothing */
	uint32_t flags;	 /* enum exec_flag bits */
};
struct ipc_exec_job {
	uint32_t job;
	uint32_t pad;
};
enum exec_end {
	EXEC_EXITED = 1,  /* status: its exit status */
	EXEC_SIGNALED,	  /* status: the signal */
	EXEC_NOT_STARTED, /* the text says why; another try may be no better */
	EXEC_BAD_VALUE,	  /* a value cannot stand in the command line */
	EXEC_REFUSED, /* not now: another configuration is in force, too many run, or an earlier one has not ended */
	EXEC_LOST, /* execd died; never sent */
	EXEC_END_MAX
};
struct ipc_exec_done {
	uint32_t job;
	uint32_t status;
	uint32_t end; /* enum exec_end */
	uint32_t pad;
};

enum report_kind { REPORT_FAILED = 1, REPORT_DELAYED, REPORT_DELIVERED, REPORT_RELAYED };
struct ipc_report_rcpt {
	uint64_t id;
	int64_t when_ns;
	uint32_t rcpt;
	uint16_t code;
	uint8_t enh[3];
	uint8_t kind;  /* enum report_kind */
	uint8_t local; /* as in ipc_record */
	uint8_t pad[5];
};
/* sends what REPORT_RCPT gathered for this message */
struct ipc_report {
	struct spool_place place;
	int64_t expires_ns; /* delayed: until when we try */
};
struct ipc_report_done {
	uint64_t id;
	uint32_t ok; /* 1: durable in the spool or none was due; 0: try again later */
	uint32_t pad;
};

/* A recipient's copy of a message, which goes to a processor: read it, and say what it tells. */
struct ipc_process {
	struct spool_place place;
	uint32_t rcpt;
	uint32_t handle; /* the asker's, given back */
};
/* what proves that a report is about mail of ours, and that this recipient had it */
enum report_proof { PROOF_NONE, PROOF_TRUSTED, PROOF_VERP, PROOF_ENVID, PROOF_HEADER, PROOF_MAX };
/* one record of those that the report makes; before PROCESSED */
struct ipc_processed_rcpt {
	uint64_t id;
	uint32_t handle;
	uint32_t nth;
	uint32_t fbl;	   /* the <fbl> block whose address it came to, from 1 on; 0: none */
	uint8_t type;	   /* enum acct_type: rb, rs or f */
	uint8_t proof;	   /* enum report_proof */
	uint8_t complains; /* 1: the recipient wants no more such mail */
	uint8_t pad;
};
enum process_verdict {
	PROCESS_BEGUN, /* no verdict yet: told before the message is looked at, so that what kills is known */
	PROCESS_UNMATCHED, /* ordinary mail */
	PROCESS_MATCHED,   /* a report; its records went before */
	PROCESS_ERROR,	   /* it could not be read */
	PROCESS_VERDICTS
};
struct ipc_processed {
	uint64_t id;
	uint32_t handle;
	uint32_t n;	  /* records that went before */
	uint32_t verdict; /* enum process_verdict */
	uint32_t fbl;	  /* the <fbl> block whose address it came to, from 1 on; 0: none */
};
/* The message once more, for other recipients; nothing is ever reported about it, and no processor reads it again. */
struct ipc_copy {
	uint64_t token; /* the asker's, given back */
	struct spool_place place;
	uint32_t rcpt; /* for which it came, index in the envelope */
	uint32_t also; /* 1: to this one too */
};
/* A recipient of ours has complained, and it is proved: he gets no more mail. */
struct ipc_complained {
	uint64_t token; /* the asker's, given back */
};
/* A complaint for the commands of its <fbl> block. */
struct ipc_handle {
	uint64_t token; /* the asker's, given back */
	struct spool_place place;
	uint32_t rcpt;	  /* to whom it came, index in the envelope */
	uint32_t fbl;	  /* the block, from 1 on */
	uint32_t handler; /* of its lines, from 0 on */
	uint32_t pad;
};
struct ipc_errand_done {
	uint64_t token;
	uint32_t ok; /* 1: done and durable, or it can never be done; 0: try again later */
	uint32_t pad;
};

/* a mail to the operator */
struct ipc_notice {
	uint64_t id; /* queued's number */
};
struct ipc_notice_done {
	uint64_t id;
	uint32_t ok; /* 1: durable in the spool; 0: try again later */
	uint32_t pad;
};

/* What of a failure is asked: its category, and what is to follow. */
enum judge_kind {
	JUDGE_PERMANENT = 1, /* refused for good */
	JUDGE_TRANSIENT,     /* for now */
	JUDGE_ENDED,	     /* our own end of it (expired, deleted, …): nothing follows */
	JUDGE_QUEUE,	     /* no recipient's: no host could be reached */
	JUDGE_KIND_MAX
};
struct ipc_judge {
	struct spool_place place; /* where the recipient's address is; kind 0: it has none */
	uint64_t seq;		  /* the asker's number, given back */
	uint32_t rcpt;
	uint16_t code;
	uint8_t enh[3];
	uint8_t kind;  /* enum judge_kind */
	uint8_t local; /* 1: our own verdict, not a remote's reply */
	uint8_t
	    of_rcpt; /* 1: it may concern the recipient's address, not only the connection or the sender */
	uint8_t pad[4];
};
enum judge_action {
	JUDGED_NOTHING,	   /* it goes on as without an action */
	JUDGED_RETRY,	   /* after retry_ms (0: as without) */
	JUDGED_BOUNCE,	   /* ends now */
	JUDGED_SUPPRESSED, /* the address is, durably; this one goes on as without */
	JUDGED_MAX
};
struct ipc_judged {
	uint64_t seq;
	int64_t retry_ms;
	uint32_t max_tries; /* of the recipient; UINT32_MAX: any number */
	uint32_t line;	    /* of the action in the configuration; 0: none */
	uint8_t action;	    /* enum judge_action */
	uint8_t is_hard;
	uint8_t pad[6];
};

struct ipc_is_suppressed {
	uint64_t token; /* the asker's */
};
struct ipc_suppressed {
	uint64_t token;
	uint32_t is_suppressed;
	uint32_t pad;
};
struct ipc_filter {
	uint32_t index; /* as of FD_SUPPRESS_FILTER */
	uint32_t pad;
};

/* The descriptor holds for each key uint32_t length, uint32_t enum dkim_algorithm, and so many bytes of PEM. */
struct ipc_keys {
	uint64_t generation; /* of the configuration that names them */
	uint64_t hash;	     /* conf_key_files_hash() */
	uint64_t n;
};
struct ipc_sign_keys {
	uint64_t generation;
	uint64_t hash;
	uint32_t first;
	uint32_t total; /* complete when first and the text's length reach it */
};
struct ipc_sign {
	uint64_t generation;
	uint64_t job;  /* the asker's number, given back */
	uint32_t key;  /* number in that configuration's list of key files */
	uint32_t part; /* the asker's too */
	uint8_t digest[32];
};
enum sign_status {
	SIGN_OK,
	SIGN_UNKNOWN, /* no keys of that generation: ask anew with the configuration in force */
	SIGN_FAILED,
	SIGN_STATUS_MAX
};
struct ipc_signed {
	uint64_t job;
	uint32_t status; /* enum sign_status */
	uint32_t part;
};

#endif
