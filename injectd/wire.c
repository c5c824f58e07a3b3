#include "injectd/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ev/ev.h"

void
wire_init(struct wire *w, int fd)
{
	*w = (struct wire){.fd = fd};
}

void
wire_clear(struct wire *w)
{
	SSL_free(w->ssl);
	w->ssl = NULL;
}

/* OpenSSL's verdict on a call that returned n <= 0, as errno; 0: the client has ended it */
static int
verdict(struct wire *w, int n)
{
	int e = SSL_get_error(w->ssl, n);

	w->wants = 0;
	if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
		w->wants = e == SSL_ERROR_WANT_READ ? EV_IN : EV_OUT;
		return EAGAIN;
	}
	return EPROTO;
}

/* As much as there is: one call gives one record at most. */
static ssize_t
read_tls(struct wire *w, char *p, size_t size)
{
	size_t got = 0, n;
	int e = EAGAIN;

	w->is_drained = false;
	w->wants = 0;
	ERR_clear_error();
	while (got < size) {
		if (SSL_read_ex(w->ssl, p + got, size - got, &n) == 1) {
			got += n;
			continue;
		}
		e = verdict(w, 0);
		w->is_drained = e == EAGAIN;
		break;
	}
	if (got > 0 || e == 0)
		return (ssize_t)got;
	errno = e;
	return -1;
}

ssize_t
wire_read(struct wire *w, void *p, size_t size)
{
	return w->ssl == NULL ? read(w->fd, p, size) : read_tls(w, p, size);
}

ssize_t
wire_write(struct wire *w, const void *p, size_t len)
{
	size_t n;

	if (w->ssl == NULL)
		return write(w->fd, p, len);
	ERR_clear_error();
	if (SSL_write_ex(w->ssl, p, len, &n) == 1)
		return (ssize_t)n;
	errno = verdict(w, 0);
	errno = errno == 0 ? EPIPE : errno;
	return -1;
}

bool
wire_has_more(const struct wire *w)
{
	return w->ssl != NULL && !w->is_drained;
}

int
wire_shutdown(struct wire *w)
{
	/* close_notify, if the socket takes it */
	if (w->ssl != NULL && SSL_is_init_finished(w->ssl))
		(void)SSL_shutdown(w->ssl);
	ERR_clear_error();
	return shutdown(w->fd, SHUT_WR);
}

void
wire_start_tls(struct wire *w, struct ssl_ctx_st *ctx)
{
	w->ssl = SSL_new(ctx);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1)
		fatal("no memory for TLS");
	SSL_set_accept_state(w->ssl);
}

int
wire_handshake(struct wire *w, struct why *why)
{
	unsigned long e;
	const char *reason;
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(w->ssl);
	if (n == 1) {
		w->wants = 0;
		return 1;
	}
	if (verdict(w, n) == EAGAIN)
		return 0;
	e = ERR_peek_last_error();
	reason = e == 0 ? NULL : ERR_reason_error_string(e);
	ERR_clear_error();
	return why_set(why, "%s", reason == NULL ? "the client closed the connection" : reason);
}

const char *
wire_protocol(const struct wire *w)
{
	return SSL_get_version(w->ssl);
}

const char *
wire_cipher(const struct wire *w)
{
	return SSL_get_cipher_name(w->ssl);
}

bool
wire_client_print(const struct wire *w, unsigned char *print)
{
	X509 *x = SSL_get1_peer_certificate(w->ssl);
	bool wants_authority =
	    sk_X509_NAME_num(SSL_CTX_get_client_CA_list(SSL_get_SSL_CTX(w->ssl))) > 0;
	unsigned n = 32;
	bool ok = x != NULL && X509_digest(x, EVP_sha256(), print, &n) == 1 &&
		  (!wants_authority || SSL_get_verify_result(w->ssl) == X509_V_OK);

	X509_free(x);
	return ok;
}
