/*
 * A receiving server in a process of its own, one thread a connection. It answers the end of each message with
 * "250 2.0.0 LENGTH HASH" of what came (dots taken out), so that a test sees from the reply what arrived.
 */
#ifndef PH_TESTS_DELIVERD_SINK_H
#define PH_TESTS_DELIVERD_SINK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/str.h"

enum sink_flags {
	SINK_PIPELINING = 1,
	SINK_CHUNKING = 2,
	SINK_TLS = 4,
	SINK_BAD_TLS = 8,      /* offers STARTTLS and answers the handshake with nonsense */
	SINK_REFUSE_ODD = 16,  /* recipients whose local part ends in an odd digit get 550 5.1.1 */
	SINK_DROP_SECOND = 32, /* closes at the second MAIL */
};

struct sink {
	pid_t pid;
	uint16_t port;
};

struct client {
	int fd;
	unsigned flags;
	SSL_CTX *ctx;
	SSL *ssl;
	size_t have, at;
	unsigned n_mail;
	bool any_rcpt;
	char in[65536];
	char out[65536];
	size_t n_out;
};

static uint64_t
hash_bytes(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
	return h;
}
#define HASH_START UINT64_C(14695981039346656037)

static void
put_out(struct client *c)
{
	size_t at = 0;

	while (at < c->n_out) {
		ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, c->out + at, (int)(c->n_out - at))
					   : send(c->fd, c->out + at, c->n_out - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	c->n_out = 0;
}

__attribute__((format(printf, 2, 3))) static void
say(struct client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->n_out += (size_t)vsnprintf(c->out + c->n_out, sizeof c->out - c->n_out, fmt, ap);
	va_end(ap);
	if (c->n_out > sizeof c->out / 2)
		put_out(c);
}

static bool
more(struct client *c)
{
	ssize_t n;

	put_out(c);
	if (c->at > 0) {
		memmove(c->in, c->in + c->at, c->have - c->at);
		c->have -= c->at;
		c->at = 0;
	}
	n = c->ssl != NULL ? SSL_read(c->ssl, c->in + c->have, (int)(sizeof c->in - c->have))
			   : recv(c->fd, c->in + c->have, sizeof c->in - c->have, 0);
	if (n <= 0)
		return false;
	c->have += (size_t)n;
	return true;
}

/* a line without its CRLF; false at the end */
static bool
next_line(struct client *c, struct str *line)
{
	for (;;) {
		struct str rest = str_from(c->in + c->at, c->have - c->at);
		size_t lf = str_find(rest, '\n');

		if (lf != STR_NPOS) {
			*line = str_sub(rest, 0, lf > 0 ? lf - 1 : 0);
			c->at += lf + 1;
			return true;
		}
		if (rest.len > 60000 || !more(c))
			return false;
	}
}

static bool
take_data(struct client *c)
{
	uint64_t h = HASH_START, n = 0;
	struct str line;

	while (next_line(c, &line)) {
		if (str_eq(line, STR("."))) {
			say(c, "250 2.0.0 %llu %016llx\r\n", (unsigned long long)n,
			    (unsigned long long)h);
			return true;
		}
		if (line.len > 0 && line.p[0] == '.')
			line = str_skip(line, 1);
		h = hash_bytes(hash_bytes(h, line.p, line.len), "\r\n", 2);
		n += line.len + 2;
	}
	return false;
}

static bool
take_chunk(struct client *c, struct str arg)
{
	uint64_t h = HASH_START, want = strtoull(arg.p, NULL, 10), n = 0;

	while (n < want) {
		size_t piece = (size_t)PH_MIN((uint64_t)(c->have - c->at), want - n);

		if (piece == 0) {
			if (!more(c))
				return false;
			continue;
		}
		h = hash_bytes(h, c->in + c->at, piece);
		c->at += piece;
		n += piece;
	}
	if (c->any_rcpt)
		say(c, "250 2.0.0 %llu %016llx\r\n", (unsigned long long)n, (unsigned long long)h);
	else
		say(c, "503 nobody\r\n");
	return true;
}

static void
offer(struct client *c)
{
	say(c, "250-sink\r\n");
	if (c->flags & SINK_PIPELINING)
		say(c, "250-PIPELINING\r\n");
	if (c->flags & SINK_CHUNKING)
		say(c, "250-CHUNKING\r\n");
	if ((c->flags & (SINK_TLS | SINK_BAD_TLS)) && c->ssl == NULL)
		say(c, "250-STARTTLS\r\n");
	/* how a test sees it */
	if (c->ssl != NULL && SSL_session_reused(c->ssl))
		say(c, "250-ETRN\r\n");
	say(c, "250 SIZE 100000000\r\n");
}

static bool
start_tls(struct client *c)
{
	say(c, "220 go\r\n");
	put_out(c);
	if (c->flags & SINK_BAD_TLS) {
		say(c, "this is no server hello, not by any reading of it\r\n");
		put_out(c);
		return false;
	}
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_accept(c->ssl) == 1;
}

static bool
answer(struct client *c, struct str line)
{
	if (str_has_iprefix(line, STR("EHLO"))) {
		offer(c);
	} else if (str_has_iprefix(line, STR("STARTTLS"))) {
		return start_tls(c);
	} else if (str_has_iprefix(line, STR("MAIL"))) {
		c->any_rcpt = false;
		if (++c->n_mail == 2 && (c->flags & SINK_DROP_SECOND))
			return false;
		say(c, "250 2.1.0 ok\r\n");
	} else if (str_has_iprefix(line, STR("RCPT"))) {
		size_t at = str_find(line, '@');

		if ((c->flags & SINK_REFUSE_ODD) && at != STR_NPOS && (line.p[at - 1] & 1)) {
			say(c, "550 5.1.1 no\r\n");
			return true;
		}
		c->any_rcpt = true;
		say(c, "250 2.1.5 ok\r\n");
	} else if (str_has_iprefix(line, STR("DATA"))) {
		if (!c->any_rcpt) {
			say(c, "554 nobody\r\n");
			return true;
		}
		say(c, "354 go\r\n");
		return take_data(c);
	} else if (str_has_iprefix(line, STR("BDAT "))) {
		return take_chunk(c, str_skip(line, 5));
	} else if (str_has_iprefix(line, STR("QUIT"))) {
		say(c, "221 bye\r\n");
		put_out(c);
		return false;
	} else {
		say(c, "250 ok\r\n");
	}
	return true;
}

static void *
serve_client(void *arg)
{
	struct client *c = arg;
	struct str line;

	say(c, "220 sink\r\n");
	while (next_line(c, &line) && answer(c, line))
		;
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
	return NULL;
}

static SSL_CTX *
self_signed(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), -3600); /* nobody looks */
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)"elsewhere.test", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

__attribute__((noreturn)) static void
sink_main(int listener, unsigned flags)
{
	SSL_CTX *ctx = flags & SINK_TLS ? self_signed() : NULL;
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		struct client *c = calloc(1, sizeof *c);
		int one = 1;

		c->fd = accept(listener, NULL, NULL);
		if (c->fd == -1)
			_exit(1);
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		c->flags = flags;
		c->ctx = ctx;
		if (pthread_create(&thread, &attr, serve_client, c) != 0)
			_exit(1);
	}
}

static struct sink
sink_start(unsigned flags)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sink s;

	if (fd == -1 || bind(fd, (struct sockaddr *)&a, sizeof a) == -1 || listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) == -1)
		fail_msg("no listener: %m");
	s.port = ntohs(a.sin_port);
	s.pid = fork();
	if (s.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		sink_main(fd, flags);
	}
	close(fd);
	return s;
}

/* returns when every thread stands still: kill() alone returns before they do */
static bool
sink_freeze(const struct sink *s)
{
	int status;

	return kill(s->pid, SIGSTOP) == 0 && waitpid(s->pid, &status, WUNTRACED) == s->pid &&
	       WIFSTOPPED(status);
}

static void
sink_stop(struct sink *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

#endif
