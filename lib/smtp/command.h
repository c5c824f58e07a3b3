/*
 * Commands of SMTP (RFC 5321 4.1.1): a line's verb by table, and what follows it. Syntax of the verb only; the
 * arguments are the command's own business.
 */
#ifndef PH_SMTP_COMMAND_H
#define PH_SMTP_COMMAND_H

#include "lib/base/str.h"

/* VERB(NAME): as it is sent */
#define SMTP_VERBS(VERB)                                                                           \
	VERB(EHLO)                                                                                 \
	VERB(HELO)                                                                                 \
	VERB(MAIL)                                                                                 \
	VERB(RCPT)                                                                                 \
	VERB(DATA)                                                                                 \
	VERB(BDAT)                                                                                 \
	VERB(RSET)                                                                                 \
	VERB(NOOP)                                                                                 \
	VERB(QUIT)                                                                                 \
	VERB(VRFY)                                                                                 \
	VERB(EXPN)                                                                                 \
	VERB(HELP)                                                                                 \
	VERB(AUTH)                                                                                 \
	VERB(STARTTLS)                                                                             \
	VERB(XMRG) /* PowerMTA's mail merge */                                                     \
	VERB(XDFN)                                                                                 \
	VERB(XPRT)                                                                                 \
	VERB(XACK)

enum smtp_verb {
	SMTP_VERB_UNKNOWN,
#define VERB(name) SMTP_VERB_##name,
	SMTP_VERBS(VERB)
#undef VERB
	    SMTP_VERB_HTTP, /* GET, POST, … or a request line: no mail client at all */
	SMTP_VERB_MAX
};
struct smtp_command {
	enum smtp_verb verb;
	struct str name; /* as written */
	struct str arg;	 /* behind the blank, without blanks at its ends; may be empty */
};

/* A line without its CRLF. */
void smtp_command_parse(struct str line, struct smtp_command *c);
/* "MAIL"; "?" for UNKNOWN and HTTP */
const char *smtp_verb_name(enum smtp_verb verb);

#endif
