/*
 * The heads of messages about control commands, which structs.h includes: what clients ask queued, what it asks others for
 * them, and edits of the configuration. The same rules hold.
 */
#ifndef PH_IPC_STRUCTS_CONTROL_H
#define PH_IPC_STRUCTS_CONTROL_H

#include "lib/base/base.h"

/* control: see lib/ctl/commands.def */
struct ipc_ctl_request {
	uint64_t cursor; /* where a paged answer goes on; 0: from the start */
	uint32_t command;
	uint32_t max; /* rows wanted; 0: the server's page */
};
enum ctl_value {
	CTL_TEXT,
	CTL_NUMBER,
	CTL_BOOL,
	CTL_NO_ROWS, /* an empty list, its value is empty */
	CTL_PROGRESS /* no leaf: how far a long answer is, in per cent */
};
/* one leaf of the answer's tree: text 0 its path ("queue[3].name"), text 1 its value */
struct ipc_ctl_field {
	uint32_t kind; /* enum ctl_value */
	uint32_t pad;
};
/* of a request that goes on until the client leaves */
struct ipc_ctl_event {
	int64_t when_ns;
	uint32_t n_dropped; /* events before this one that the client was too slow for */
	uint32_t pad;
};
struct ipc_ctl_end {
	uint64_t cursor; /* 0: complete */
	uint32_t ok;
	uint32_t
	    exit; /* what a client that is a command ends with, of sysexits.h; 0: as `ok` says */
};
struct ipc_forward {
	struct ipc_ctl_request request;
	uint32_t token;
	uint32_t pad;
};
struct ipc_forward_field {
	uint32_t token;
	uint32_t kind; /* enum ctl_value */
};
struct ipc_forward_end {
	uint64_t cursor;
	uint32_t token;
	uint32_t ok;
};
/* queued asks master, or acctd, on behalf of a client */
struct ipc_ask {
	uint32_t token;
	uint32_t what; /* enum ask_what */
};
enum ask_what { ASK_RELOAD = 1, ASK_ROTATE_LOG, ASK_ROTATE_ACCT, ASK_STOP, ASK_PRECACHE, ASK_SPF };
enum edit_what {
	EDIT_LIST = 1, /* lines: "file NAME", "backup NAME" */
	EDIT_READ,     /* the content of a file */
	EDIT_ROLL_BACK,
	EDIT_CHECK, /* with EDIT_PUT */
	EDIT_WRITE, /* with EDIT_PUT */
	EDIT_WHAT_MAX
};
struct ipc_edit {
	uint32_t token; /* the asker's, given back */
	uint32_t what;	/* enum edit_what */
};
struct ipc_answer {
	uint32_t token;
	uint32_t ok;
};

#endif
