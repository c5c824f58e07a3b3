/* The dialogues that the session's test plays; script.h says how they are written. */
#ifndef PH_TEST_DELIVERD_SESSION_ROWS_H
#define PH_TEST_DELIVERD_SESSION_ROWS_H

#include "tests/unit/deliverd/script.h"

/* peers up to the end of EHLO */
static const char plain[] = "S:220 mx\nC:EHLO me\nS:250 mx\nE:up \n";
static const char piping[] = "S:220 mx\nC:EHLO me\nS:250-mx|250 PIPELINING\nE:up PIPELINING\n";
static const char chunking[] =
    "S:220 mx\nC:EHLO me\nS:250-mx|250-PIPELINING|250 CHUNKING\nE:up PIPELINING,CHUNKING\n";
static const char slow_chunking[] = "S:220 mx\nC:EHLO me\nS:250-mx|250 CHUNKING\nE:up CHUNKING\n";

enum flags {
	WHOLE = 1, /* meaning depends on the peer's pieces: play it whole only */
	TLS_MAY = 2,
	TLS_MUST = 4,
	BREAK_421 = 8,
	NO_8BIT = 16,
	NO_DSN = 32,
	NO_CHUNK = 64,
	NO_PIPE = 128,
	ASSUME = 256,
};

struct row {
	const char *name;
	const char *prefix;
	const char *script;
	unsigned flags;
};

/* clang-format off: a script is read in lines of a dialogue */
static const struct row rows[] = {
    /* ---- before the first message ---- */
    {"a greeting of several lines", NULL, "S:220-hello|220 mx\nC:EHLO me\nS:250 mx\nE:up \n", 0},
    {"a 421 greeting ends it", NULL,
	"S:421 4.3.2 busy\nE:down reply GREETING 421 4.3.2 never 421 4.3.2 busy\n", 0},
    {"a 554 greeting ends it", NULL,
	"S:554 go away\nE:down reply GREETING 554 5.0.0 never 554 go away\n", 0},
    {"a 354 greeting is nonsense", NULL,
	"S:354 go\nE:down protocol GREETING 0 4.5.0 never protocol error: 354 while waiting for "
	"the greeting\n",
	0},
    {"no greeting in five minutes", NULL,
	"T:299999\nN:\nT:1\nE:down timeout GREETING 0 4.4.2 never timed out while waiting for the "
	"greeting\n",
	0},
    {"a dripping greeting has one deadline", NULL,
	"R:22\nT:150000\nR:0 m\nT:149999\nN:\nR:x\nT:1\nE:down timeout GREETING 0 4.4.2 never "
	"timed out while "
	"waiting for the greeting\n",
	0},
    {"a greeting of many slow lines has its own deadline once", NULL,
	"S:220-a\nT:299999\nS:220-b\nN:\nT:1\nE:down timeout GREETING 0 4.4.2 never timed out "
	"while waiting for "
	"the greeting\n",
	0},
    {"closed before the greeting", NULL,
	"X:\nE:down lost GREETING 0 4.4.2 never connection lost while waiting for the greeting\n",
	0},
    {"garbage instead of a greeting", NULL,
	"S:SSH-2.0-x\nE:down protocol GREETING 0 4.5.0 never protocol error: reply without a "
	"code\n",
	WHOLE},
    {"EHLO refused, HELO works", NULL,
	"S:220 x\nC:EHLO me\nS:500 what\nC:HELO me\nS:250 hi\nE:up \n", 0},
    {"HELO refused as well", NULL,
	"S:220 x\nC:EHLO me\nS:500 what\nC:HELO me\nS:550 no\nE:down reply EHLO 550 5.0.0 never "
	"550 no\n",
	0},
    {"EHLO refused for now", NULL,
	"S:220 x\nC:EHLO me\nS:450 4.3.2 later\nE:down reply EHLO 450 4.3.2 never 450 "
	"4.3.2 later\n",
	0},
    {"closed at EHLO", NULL,
	"S:220 x\nC:EHLO me\nX:\nE:down lost EHLO 0 4.4.2 never connection lost while waiting "
	"for the reply to EHLO\n",
	0},
    {"EHLO unanswered", NULL,
	"S:220 x\nC:EHLO me\nT:300000\nE:down timeout EHLO 0 4.4.2 never timed out while "
	"waiting for the reply to EHLO\n",
	0},
    {"the peer greets with our name", NULL,
	"S:220 ME\nC:EHLO me\nS:250 Me hello\nE:down protocol EHLO 0 4.4.6 never "
	"mail loops back to myself: the peer greets with our own name\n",
	0},
    {"a greeting and more in one piece", NULL,
	"S:220 x|250 y\nE:down protocol EHLO 0 4.5.0 never protocol error: "
	"a reply came before the command was sent\n",
	WHOLE},

    /* ---- one command at a time ---- */
    {"one message", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nN:\nS:250 2.1.0 ok\nC:RCPT TO:<r0@y>\nN:\nS:250 "
	"ok\nC:DATA\nN:\nS:354 go\nC:A\nC:.\n"
	"S:250 2.0.0 queued as 1\nE:result 0/0 delivered BODY 250 2.0.0 250 2.0.0 queued as "
	"1\nE:done 0\n",
	0},
    {"two messages, no RSET between", plain,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nN:\n"
	"S:250 k\nE:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\nC:MAIL FROM:<s@x>\nS:250 "
	"k\nC:RCPT TO:<r1@y>\n"
	"S:250 k\nC:DATA\nS:354 k\nC:B\nC:.\nS:250 k\nE:result 1/1 delivered BODY 250 2.0.0 250 "
	"k\nE:done 1\n",
	0},
    {"several recipients, exact outcomes", plain,
	"M:a 0,1,2,3\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:RCPT "
	"TO:<r1@y>\nS:550 5.1.1 no\n"
	"E:result 0/1 failed RCPT 550 5.1.1 550 5.1.1 no\nC:RCPT TO:<r2@y>\nS:450 4.2.0 later\n"
	"E:result 0/2 deferred RCPT 450 4.2.0 450 4.2.0 later\nC:RCPT TO:<r3@y>\nS:251 "
	"forwarded\nC:DATA\nS:354 k\n"
	"C:A\nC:.\nS:250 k\nE:result 0/0 delivered BODY 250 2.0.0 250 k\nE:result 0/3 delivered "
	"BODY 250 2.0.0 250 k\n"
	"E:done 0\n",
	0},
    {"552 to RCPT is temporary", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:552 too many\n"
	"E:result 0/0 deferred RCPT 552 5.0.0 552 too many\nE:done 0\n",
	0},
    {"MAIL refused: no RCPT, and no RSET after", plain,
	"M:a 0,1\nM:b 0\nC:MAIL FROM:<s@x>\nS:550 5.7.1 no\nE:result 0/0 failed MAIL 550 5.7.1 550 "
	"5.7.1 no\n"
	"E:result 0/1 failed MAIL 550 5.7.1 550 5.7.1 no\nE:done 0\nC:MAIL FROM:<s@x>\nX:\n"
	"E:down lost MAIL 0 4.4.2 up connection lost while waiting for the reply to MAIL\n",
	0},
    {"all recipients refused: no DATA, RSET before the next MAIL", plain,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:550 5.1.1 no\n"
	"E:result 0/0 failed RCPT 550 5.1.1 550 5.1.1 no\nE:done 0\nC:RSET\nN:\nS:250 k\nC:MAIL "
	"FROM:<s@x>\nS:250 k\n"
	"C:RCPT TO:<r1@y>\nS:250 k\nC:DATA\nS:354 k\nC:B\nC:.\nS:250 k\nE:result 1/1 delivered "
	"BODY 250 2.0.0 250 k\n"
	"E:done 1\n",
	0},
    {"DATA refused", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:554 5.6.0 no\n"
	"E:result 0/0 failed DATA 554 5.6.0 554 5.6.0 no\nE:done 0\nQ:\nC:QUIT\nS:221 bye\n"
	"E:down closed QUIT 0 0.0.0 up closed\n",
	0},
    {"content refused, no RSET after", plain,
	"M:a 0\nM:b 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\n"
	"S:554 5.7.1 spam\nE:result 0/0 failed BODY 554 5.7.1 554 5.7.1 spam\nE:done 0\nC:MAIL "
	"FROM:<s@x>\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	0},
    {"354 to RCPT", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:354 go\n"
	"E:result 0/0 deferred RCPT 0 4.5.0 protocol error: 354 while waiting for the reply to "
	"RCPT\nE:done 0\n"
	"E:down protocol RCPT 0 4.5.0 up protocol error: 354 while waiting for the reply to RCPT\n",
	0},
    {"250 to DATA", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:250 k\n"
	"E:result 0/0 deferred DATA 0 4.5.0 protocol error: 250 while waiting for the reply to "
	"DATA\nE:done 0\n"
	"E:down protocol DATA 0 4.5.0 up protocol error: 250 while waiting for the reply to DATA\n",
	0},
    {"354 to the final dot", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nS:354 k\n"
	"E:result 0/0 deferred BODY 0 4.5.0 protocol error: 354 while waiting for the reply to the "
	"end of data\n"
	"E:done 0\nE:down protocol BODY 0 4.5.0 up protocol error: 354 while waiting for the reply "
	"to the end of data\n",
	0},
    {"codes of two classes to MAIL", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250-ok|550 no\nE:result 0/0 deferred MAIL 0 4.5.0 protocol "
	"error: reply with "
	"codes 250 and 550\nE:done 0\nE:down protocol MAIL 0 4.5.0 up protocol error: reply with "
	"codes 250 and 550\n",
	WHOLE},
    {"replies sent ahead are never believed", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k|250 k|250 k|354 go|250 queued\n"
	"E:result 0/0 deferred MAIL 0 4.5.0 protocol error: the peer spoke out of turn\nE:done 0\n"
	"E:down protocol MAIL 0 4.5.0 up protocol error: the peer spoke out of turn\n",
	WHOLE},
    {"a reply before the content was sent is never believed", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nB:2\nS:354 k\nS:250 "
	"queued\n"
	"E:result 0/0 deferred BODY 0 4.5.0 protocol error: a reply came before the command was "
	"sent\nE:done 0\n"
	"E:down protocol BODY 0 4.5.0 up protocol error: a reply came before the command was "
	"sent\nD:2\n",
	WHOLE},
    {"a refusal in the middle of the content is heard", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nB:2\nS:354 k\nS:554 "
	"5.7.1 stop\n"
	"E:result 0/0 failed BODY 554 5.7.1 554 5.7.1 stop\nE:done 0\n"
	"E:down reply BODY 554 5.7.1 up amid content 554 5.7.1 stop\nD:2\n",
	WHOLE},

    /* ---- the ends, at each stage ---- */
    {"lost at MAIL", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nX:\n"
	"E:result 0/0 deferred MAIL 0 4.4.2 connection lost while waiting for the reply to "
	"MAIL\nE:done 0\n"
	"E:down lost MAIL 0 4.4.2 up connection lost while waiting for the reply to MAIL\n",
	0},
    {"lost at RCPT", plain,
	"M:a 0,1\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nX:\n"
	"E:result 0/0 deferred RCPT 0 4.4.2 connection lost while waiting for the reply to RCPT\n"
	"E:result 0/1 deferred RCPT 0 4.4.2 connection lost while waiting for the reply to "
	"RCPT\nE:done 0\n"
	"E:down lost RCPT 0 4.4.2 up connection lost while waiting for the reply to RCPT\n",
	0},
    {"lost after the dot", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nX:\n"
	"E:result 0/0 deferred BODY 0 4.4.2 connection lost while waiting for the reply to the end "
	"of data\nE:done 0\n"
	"E:down lost BODY 0 4.4.2 up connection lost while waiting for the reply to the end of "
	"data\n",
	0},
    {"ten minutes for the reply to the dot", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nT:599999\nN:\nT:1\n"
	"E:result 0/0 deferred BODY 0 4.4.2 timed out while waiting for the reply to the end of "
	"data\nE:done 0\n"
	"E:down timeout BODY 0 4.4.2 up timed out while waiting for the reply to the end of data\n",
	0},
    {"or delivery is assumed", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nT:600000\n"
	"E:result 0/0 delivered BODY 0 2.0.0 no reply to the end of data in time, delivery is "
	"assumed\nE:done 0\n"
	"E:down timeout BODY 0 4.4.2 up timed out while waiting for the reply to the end of data\n",
	ASSUME},
    {"two minutes for 354", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nT:119999\nN:\nT:1\n"
	"E:result 0/0 deferred DATA 0 4.4.2 timed out while waiting for the reply to DATA\nE:done "
	"0\n"
	"E:down timeout DATA 0 4.4.2 up timed out while waiting for the reply to DATA\n",
	0},
    {"three minutes for the peer to take the content", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nB:1\nS:354 "
	"k\nD:1\nT:179999\nN:\n"
	"T:1\nE:result 0/0 deferred BODY 0 4.4.2 timed out while sending\nE:done 0\n"
	"E:down timeout BODY 0 4.4.2 up timed out while sending\n",
	WHOLE},
    {"given up amid the content", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nA:\n"
	"E:down closed BODY 0 0.0.0 up amid content given up\n",
	0},
    {"an idle peer leaves", plain, "X:\nE:down lost IDLE 0 4.4.2 up connection lost while idle\n",
	0},
    {"an idle peer says good-bye", plain,
	"S:421 4.4.2 timeout\nE:down lost IDLE 421 4.4.2 up 421 4.4.2 timeout\n", WHOLE},
    {"an idle peer speaks", plain,
	"S:250 ok\nE:down protocol IDLE 0 4.5.0 up protocol error: the peer spoke out of turn\n",
	WHOLE},
    {"a stale connection costs no attempt", plain,
	"M:a 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:A\nC:.\nS:250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\nM:b 0\nC:MAIL FROM:<s@x>\nX:\n"
	"E:down lost MAIL 0 4.4.2 up connection lost while waiting for the reply to MAIL\n",
	0},
    {"421 to MAIL, then the end", plain,
	"M:a 0\nM:b 0\nC:MAIL FROM:<s@x>\nS:421 4.7.28 rate\nE:result 0/0 deferred MAIL 421 4.7.28 "
	"421 4.7.28 rate\n"
	"E:done 0\nC:MAIL FROM:<s@x>\nX:\nE:down reply MAIL 421 4.7.28 up 421 4.7.28 rate\n",
	0},
    {"421 that means the exchanger", plain,
	"M:a 0\nM:b 0\nC:MAIL FROM:<s@x>\nS:421 4.7.28 rate\nE:result 0/0 deferred MAIL 421 4.7.28 "
	"421 4.7.28 rate\n"
	"E:done 0\nE:down reply MAIL 421 4.7.28 up 421 4.7.28 rate\n",
	BREAK_421},
    {"quit when all is done", plain,
	"M:a 0\nQ:\nC:MAIL FROM:<s@x>\nS:550 no\nE:result 0/0 failed MAIL 550 5.0.0 550 no\nE:done "
	"0\nC:QUIT\n"
	"S:221 bye\nE:down closed QUIT 0 0.0.0 up closed\n",
	0},
    {"no answer to QUIT", plain,
	"Q:\nC:QUIT\nT:4999\nN:\nT:1\nE:down closed QUIT 0 0.0.0 up closed\n", 0},
    {"closed at QUIT", plain, "Q:\nC:QUIT\nX:\nE:down closed QUIT 0 0.0.0 up closed\n", 0},
    {"an error to QUIT does not matter", plain,
	"Q:\nC:QUIT\nS:554 no\nE:down closed QUIT 0 0.0.0 up closed\n", 0},
    {"quit before EHLO was answered", NULL,
	"S:220 x\nC:EHLO me\nQ:\nN:\nS:250 x\nE:up \nC:QUIT\nS:221 k\nE:down closed QUIT 0 0.0.0 "
	"up closed\n",
	0},

    /* ---- PIPELINING ---- */
    {"a group, then content and the next group in one flight", piping,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nN:\nS:250 k|250 k|354 go\n"
	"C:A\nC:.\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r1@y>\nC:DATA\nN:\nS:250 one\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 one\nE:done 0\nS:250 k|250 k|354 "
	"go\nC:B\nC:.\nS:250 two\n"
	"E:result 1/1 delivered BODY 250 2.0.0 250 two\nE:done 1\n",
	0},
    {"partial refusals", piping,
	"M:a 0,1,2,3\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:RCPT TO:<r1@y>\nC:RCPT "
	"TO:<r2@y>\nC:RCPT TO:<r3@y>\n"
	"C:DATA\nS:250 k|250 k|550 5.1.1 no|450 4.2.0 later|250 k|354 go\n"
	"E:result 0/1 failed RCPT 550 5.1.1 550 5.1.1 no\nE:result 0/2 deferred RCPT 450 4.2.0 450 "
	"4.2.0 later\n"
	"C:A\nC:.\nS:250 k\nE:result 0/0 delivered BODY 250 2.0.0 250 k\nE:result 0/3 delivered "
	"BODY 250 2.0.0 250 k\n"
	"E:done 0\n",
	0},
    {"354 although nobody was accepted: a lone dot", piping,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nS:250 k|550 no|354 go\n"
	"E:result 0/0 failed RCPT 550 5.0.0 550 no\nC:.\nC:MAIL FROM:<s@x>\nC:RCPT "
	"TO:<r1@y>\nC:DATA\n"
	"S:554 nobody\nE:done 0\nS:250 k|250 k|354 k\nC:B\nC:.\nS:250 k\n"
	"E:result 1/1 delivered BODY 250 2.0.0 250 k\nE:done 1\n",
	0},
    {"DATA refused because nobody was accepted: RSET with the next group", piping,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nS:250 k|550 no|554 nobody\n"
	"E:result 0/0 failed RCPT 550 5.0.0 550 no\nE:done 0\nC:RSET\nC:MAIL FROM:<s@x>\nC:RCPT "
	"TO:<r1@y>\nC:DATA\n"
	"S:250 k|250 k|250 k|354 k\nC:B\nC:.\nS:250 k\nE:result 1/1 delivered BODY 250 2.0.0 250 "
	"k\nE:done 1\n",
	0},
    {"MAIL refused: all that follows is passed over", piping,
	"M:a 0,1\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:RCPT TO:<r1@y>\nC:DATA\n"
	"S:451 4.3.0 later|503 no|503 no|503 no\nE:result 0/0 deferred MAIL 451 4.3.0 451 4.3.0 "
	"later\n"
	"E:result 0/1 deferred MAIL 451 4.3.0 451 4.3.0 later\nE:done 0\nC:MAIL FROM:<s@x>\nC:RCPT "
	"TO:<r1@y>\nC:DATA\n"
	"A:\nE:down closed MAIL 0 0.0.0 up given up\n",
	0},
    {"421 in the middle of a group", piping,
	"M:a 0,1\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:RCPT TO:<r1@y>\nC:DATA\nS:250 "
	"k|250 k\n"
	"S:421 4.3.2 bye\nE:result 0/1 deferred RCPT 421 4.3.2 421 4.3.2 bye\nX:\n"
	"E:result 0/0 deferred DATA 421 4.3.2 421 4.3.2 bye\nE:done 0\nE:down reply DATA 421 4.3.2 "
	"up 421 4.3.2 bye\n",
	0},
    {"421 to the dot, the next group is given back", piping,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nS:250 k|250 k|354 go\n"
	"C:A\nC:.\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r1@y>\nC:DATA\nS:421 4.3.2 bye\n"
	"E:result 0/0 deferred BODY 421 4.3.2 421 4.3.2 bye\nE:done 0\nX:\nE:down reply MAIL 421 "
	"4.3.2 up 421 4.3.2 bye\n",
	0},
    {"lost after the dot, the next group is given back", piping,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nS:250 k|250 k|354 go\n"
	"C:A\nC:.\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r1@y>\nC:DATA\nX:\n"
	"E:result 0/0 deferred BODY 0 4.4.2 connection lost while waiting for the reply to the end "
	"of data\nE:done 0\n"
	"E:down lost BODY 0 4.4.2 up connection lost while waiting for the reply to the end of "
	"data\n",
	0},
    {"PIPELINING ignored by configuration", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 PIPELINING\nE:up PIPELINING\nM:a 0\nC:MAIL "
	"FROM:<s@x>\nN:\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	NO_PIPE},

    /* ---- CHUNKING ---- */
    {"messages stream", chunking,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 3 LAST\nC:A\nC:RSET\nC:MAIL "
	"FROM:<s@x>\n"
	"C:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:B\nN:\nS:250 k|250 k|250 one|250 k|250 k|250 k|250 "
	"two\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 one\nE:done 0\n"
	"E:result 1/1 delivered BODY 250 2.0.0 250 two\nE:done 1\n",
	0},
    {"no RSET where a recipient is known to be accepted", chunking,
	"M:a 0\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 3 LAST\nC:A\nS:250 k|250 k\nM:b "
	"1\nC:MAIL FROM:<s@x>\n"
	"C:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:B\nS:250 one|250 k|250 k|250 two\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 one\nE:done 0\n"
	"E:result 1/1 delivered BODY 250 2.0.0 250 two\nE:done 1\n",
	0},
    {"partial refusals under BDAT", chunking,
	"M:a 0,1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:A\n"
	"S:250 k|550 5.1.1 no|250 k|250 got it\nE:result 0/0 failed RCPT 550 5.1.1 550 5.1.1 no\n"
	"E:result 0/1 delivered BODY 250 2.0.0 250 got it\nE:done 0\n",
	0},
    {"all refused under BDAT, RSET before the next", chunking,
	"M:a 0\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 3 LAST\nC:A\nS:250 k|550 5.1.1 no|503 "
	"nobody\n"
	"E:result 0/0 failed RCPT 550 5.1.1 550 5.1.1 no\nE:done 0\nM:b 1\nC:RSET\nC:MAIL "
	"FROM:<s@x>\n"
	"C:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:B\nS:250 k|250 k|250 k|250 two\n"
	"E:result 1/1 delivered BODY 250 2.0.0 250 two\nE:done 1\n",
	0},
    {"content refused under BDAT", chunking,
	"M:a 0,1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:A\n"
	"S:250 k|250 k|250 k|452 4.3.1 full\nE:result 0/0 deferred BODY 452 4.3.1 452 4.3.1 full\n"
	"E:result 0/1 deferred BODY 452 4.3.1 452 4.3.1 full\nE:done 0\n",
	0},
    {"dots are taken out for BDAT", chunking,
	"M:dots 0\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 11 LAST\nC:.a\nC:b\nC:..\nS:250 "
	"k|250 k|250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\n",
	0},
    {"an empty message by BDAT", chunking,
	"M:empty 0\nC:MAIL FROM:<>\nC:RCPT TO:<r0@y>\nC:BDAT 0 LAST\nS:250 k|250 k|250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\n",
	0},
    {"lost while messages stream: only the first counts", chunking,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 3 LAST\nC:A\nC:RSET\nC:MAIL "
	"FROM:<s@x>\n"
	"C:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:B\nS:250 k\nX:\n"
	"E:result 0/0 deferred RCPT 0 4.4.2 connection lost while waiting for the reply to "
	"RCPT\nE:done 0\n"
	"E:down lost RCPT 0 4.4.2 up connection lost while waiting for the reply to RCPT\n",
	0},
    {"all refused, then lost at BDAT: the next was not under way", chunking,
	"M:a 0\nM:b 1\nC:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:BDAT 3 LAST\nC:A\nC:RSET\nC:MAIL "
	"FROM:<s@x>\n"
	"C:RCPT TO:<r1@y>\nC:BDAT 3 LAST\nC:B\nS:250 k|550 no\nE:result 0/0 failed RCPT 550 5.0.0 "
	"550 no\nX:\nE:done 0\n"
	"E:down lost BODY 0 4.4.2 up connection lost while waiting for the reply to BDAT\n",
	0},
    {"CHUNKING without PIPELINING goes step by step", slow_chunking,
	"M:a 0\nM:b 0\nC:MAIL FROM:<s@x>\nN:\nS:250 k\nC:RCPT TO:<r0@y>\nN:\nS:250 k\nC:BDAT 3 "
	"LAST\nC:A\nN:\nS:250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\nC:MAIL FROM:<s@x>\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	0},
    {"CHUNKING ignored by configuration", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250-PIPELINING|250 CHUNKING\nE:up PIPELINING,CHUNKING\nM:a "
	"0\n"
	"C:MAIL FROM:<s@x>\nC:RCPT TO:<r0@y>\nC:DATA\nA:\nE:down closed MAIL 0 0.0.0 up given up\n",
	NO_CHUNK},

    /* ---- content and parameters ---- */
    {"stuffed content goes as it is by DATA", plain,
	"M:dots 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:..a\nC:b\nC:...\nC:.\n"
	"S:250 k\nE:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\n",
	0},
    {"an empty message", plain,
	"M:empty 0\nC:MAIL FROM:<>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:.\nS:250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\n",
	0},
    {"content without a line's end gets one", plain,
	"M:noeol 0\nC:MAIL FROM:<s@x>\nS:250 k\nC:RCPT TO:<r0@y>\nS:250 k\nC:DATA\nS:354 "
	"k\nC:N\nC:.\nS:250 k\n"
	"E:result 0/0 delivered BODY 250 2.0.0 250 k\nE:done 0\n",
	0},
    {"SIZE, 8BITMIME", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250-SIZE 100|250 8BITMIME\nE:up SIZE,8BITMIME\nM:8bit 0\n"
	"C:MAIL FROM:<s@x> SIZE=4 BODY=8BITMIME\nA:\nE:down closed MAIL 0 0.0.0 up given up\n",
	0},
    {"too large for the peer", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 SIZE 2\nE:up SIZE\nM:a 0\n"
	"E:result 0/0 failed MAIL 0 5.3.4 message of 3 bytes is above the peer's limit of "
	"2\nE:done 0\nN:\n",
	0},
    {"8-bit content for a peer without 8BITMIME", plain,
	"M:8bit 0\nE:result 0/0 failed MAIL 0 5.6.3 message needs 8BITMIME, which the peer does "
	"not offer\nE:done 0\n",
	0},
    {"unless that is ignored", plain,
	"M:8bit 0\nC:MAIL FROM:<s@x>\nA:\nE:down closed MAIL 0 0.0.0 up given up\n", NO_8BIT},
    {"8BITMIME that is not used", plain,
	"M:8asc 0\nC:MAIL FROM:<s@x>\nA:\nE:down closed MAIL 0 0.0.0 up given up\n", 0},
    {"UTF-8 for a peer without SMTPUTF8", plain,
	"M:utf8 0\nE:result 0/0 failed MAIL 0 5.6.7 message needs SMTPUTF8, which the peer does "
	"not offer\nE:done 0\n",
	0},
    {"SMTPUTF8 that is not used", plain,
	"M:utf8asc 0\nC:MAIL FROM:<s@x>\nA:\nE:down closed MAIL 0 0.0.0 up given up\n", 0},
    {"SMTPUTF8 offered", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 SMTPUTF8\nE:up SMTPUTF8\nM:utf8 0\nC:MAIL "
	"FROM:<\xc3\xa9@x> SMTPUTF8\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	0},
    {"DSN", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 DSN\nE:up DSN\nM:dsn 0\nC:MAIL FROM:<s@x> RET=HDRS "
	"ENVID=q+2B1+20+3D\n"
	"S:250 k\nC:RCPT TO:<r0@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bp@y\nA:\nE:down closed "
	"RCPT 0 0.0.0 up given up\n",
	0},
    {"DSN never", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 DSN\nE:up DSN\nM:never 0\nC:MAIL FROM:<s@x> RET=FULL\n"
	"S:250 k\nC:RCPT TO:<r0@y> NOTIFY=NEVER ORCPT=rfc822;o+2Bp@y\nA:\nE:down closed RCPT 0 "
	"0.0.0 up given up\n",
	0},
    {"DSN ignored by configuration", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 DSN\nE:up DSN\nM:dsn 0\nC:MAIL FROM:<s@x>\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	NO_DSN},
    {"a record that cannot be read", plain,
	"M:broken 0\nE:result 0/0 deferred IDLE 0 4.3.0 no such record\nE:done 0\nM:a 0\nC:MAIL "
	"FROM:<s@x>\nA:\n"
	"E:down closed MAIL 0 0.0.0 up given up\n",
	0},

    /* ---- TLS ---- */
    {"STARTTLS, and what was offered before is forgotten", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250-STARTTLS|250 CHUNKING\nC:STARTTLS\nS:220 "
	"go\nE:tls\nN:\nH:up\nC:EHLO me\n"
	"S:250-mx|250 DSN\nE:up DSN\n",
	TLS_MAY},
    {"not offered, opportunistic", NULL, "S:220 mx\nC:EHLO me\nS:250 mx\nE:up \n", TLS_MAY},
    {"not offered, required", NULL,
	"S:220 mx\nC:EHLO me\nS:250 mx\nE:down protocol EHLO 0 4.7.0 never TLS is required, but "
	"the peer does not offer "
	"STARTTLS\n",
	TLS_MUST},
    {"HELO, required", NULL,
	"S:220 mx\nC:EHLO me\nS:500 x\nC:HELO me\nS:250 mx\nE:down protocol EHLO 0 4.7.0 never TLS "
	"is required, but the "
	"peer does not offer STARTTLS\n",
	TLS_MUST},
    {"refused, opportunistic: in clear on the same session", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:454 4.7.0 no\nE:up "
	"STARTTLS\nM:a 0\n"
	"C:MAIL FROM:<s@x>\nA:\nE:down closed MAIL 0 0.0.0 up given up\n",
	TLS_MAY},
    {"refused, required", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:454 4.7.0 no\n"
	"E:down reply EHLO 454 4.7.0 never 454 4.7.0 no\n",
	TLS_MUST},
    {"the handshake fails", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:220 go\nE:tls\nH:fail\n"
	"E:down protocol TLS 0 4.7.5 never TLS negotiation failed: no common cipher\n",
	TLS_MAY},
    {"the handshake fails, required", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:220 go\nE:tls\nH:fail\n"
	"E:down protocol EHLO 0 4.7.5 never TLS negotiation failed: no common cipher\n",
	TLS_MUST},
    {"the handshake stalls", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:220 go\nE:tls\nT:60000\n"
	"E:down protocol TLS 0 4.7.5 never TLS negotiation failed: timed out\n",
	TLS_MAY},
    {"lost at STARTTLS", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nX:\n"
	"E:down lost TLS 0 4.4.2 never connection lost while waiting for the reply to STARTTLS\n",
	TLS_MAY},
    {"bytes behind the 220 to STARTTLS", NULL,
	"S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nC:STARTTLS\nS:220 go|250 injected\nE:tls\n"
	"E:down protocol TLS 0 4.5.0 never protocol error: the peer spoke out of turn\n",
	TLS_MAY | WHOLE},
    {"TLS is not wanted", NULL, "S:220 mx\nC:EHLO me\nS:250-mx|250 STARTTLS\nE:up STARTTLS\n", 0},
};
/* clang-format on */

#endif
