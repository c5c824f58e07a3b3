/* STARTTLS of a session: whoever answers is taken for the server. */
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "tests/inject/inject.h"

struct ssl_st *
secure_begin(int fd)
{
	static SSL_CTX *ctx;
	SSL *ssl;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_client_method());
		if (ctx == NULL)
			fatal("no TLS");
		SSL_CTX_set_mode(
		    ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	ssl = SSL_new(ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		fatal("no TLS");
	SSL_set_connect_state(ssl);
	return ssl;
}

void
secure_free(struct ssl_st **ssl)
{
	SSL_free(*ssl);
	*ssl = NULL;
}

static ssize_t
result(SSL *ssl, int n)
{
	int e;

	if (n > 0)
		return n;
	e = SSL_get_error(ssl, n);
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

int
secure_handshake(struct ssl_st *ssl)
{
	return (int)result(ssl, SSL_do_handshake(ssl));
}

ssize_t
secure_send(struct ssl_st *ssl, int fd, struct str s)
{
	if (ssl == NULL)
		return send(fd, s.p, s.len, MSG_NOSIGNAL);
	return result(ssl, SSL_write(ssl, s.p, (int)PH_MIN(s.len, (size_t)INT32_MAX)));
}

ssize_t
secure_recv(struct ssl_st *ssl, int fd, char *p, size_t size)
{
	if (ssl == NULL)
		return recv(fd, p, size, 0);
	return result(ssl, SSL_read(ssl, p, (int)size));
}
