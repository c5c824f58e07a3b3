/*
 * ESMTP extensions: what a server's EHLO reply offers, as bits and back as names. It must never grow parameters of
 * its own: all that is kept beside the bits is the limit of SIZE (RFC 1870) and AUTH's mechanisms.
 */
#ifndef PH_SMTP_EXT_H
#define PH_SMTP_EXT_H

#include "lib/base/str.h"

/* EXT(NAME, keyword): in the order in which they are listed in accounting records */
#define SMTP_EXTENSIONS(EXT)                                                                       \
	EXT(PIPELINING, "PIPELINING")                                                              \
	EXT(SIZE, "SIZE")                                                                          \
	EXT(ETRN, "ETRN")                                                                          \
	EXT(STARTTLS, "STARTTLS")                                                                  \
	EXT(AUTH, "AUTH")                                                                          \
	EXT(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES")                                            \
	EXT(EIGHTBITMIME, "8BITMIME")                                                              \
	EXT(DSN, "DSN")                                                                            \
	EXT(SMTPUTF8, "SMTPUTF8")                                                                  \
	EXT(CHUNKING, "CHUNKING")                                                                  \
	EXT(BINARYMIME, "BINARYMIME")                                                              \
	EXT(VRFY, "VRFY")                                                                          \
	EXT(EXPN, "EXPN")                                                                          \
	EXT(HELP, "HELP")                                                                          \
	EXT(DELIVERBY, "DELIVERBY")                                                                \
	EXT(MTRK, "MTRK")                                                                          \
	EXT(REQUIRETLS, "REQUIRETLS")                                                              \
	EXT(LIMITS, "LIMITS")                                                                      \
	EXT(VERP, "VERP")                                                                          \
	EXT(XACK, "XACK")                                                                          \
	EXT(XMRG, "XMRG")

enum smtp_ext_index {
#define EXT(name, keyword) SMTP_EXT_INDEX_##name,
	SMTP_EXTENSIONS(EXT)
#undef EXT
	    SMTP_EXT_MAX
};
enum smtp_ext {
#define EXT(name, keyword) SMTP_EXT_##name = 1 << SMTP_EXT_INDEX_##name,
	SMTP_EXTENSIONS(EXT)
#undef EXT
};

/* mechanisms of AUTH that are known here */
enum smtp_auth { SMTP_AUTH_PLAIN = 1, SMTP_AUTH_LOGIN = 2, SMTP_AUTH_CRAM_MD5 = 4 };

struct smtp_caps {
	uint32_t ext;	     /* enum smtp_ext bits */
	uint32_t auth;	     /* enum smtp_auth bits */
	uint64_t size_limit; /* of SIZE in bytes; 0: none was given */
};

/* Takes one line of the EHLO reply behind the first ("SIZE 10240000"). Unknown and malformed ones are passed over. */
void smtp_caps_add(struct smtp_caps *c, struct str line);
/* "PIPELINING,SIZE,8BITMIME" into dst, NUL-terminated, whole names only. Returns the text's length. */
size_t smtp_ext_names(uint32_t ext, char *dst, size_t size);
#define SMTP_EXT_NAMES_MAX 256 /* all of them fit */

#endif
