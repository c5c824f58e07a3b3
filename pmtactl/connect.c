#include "pmtactl/connect.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/addr.h"

#define WAIT_S 20

/* one host */
struct talk {
	int fd;
	SSL *tls;
	char line[2048];
	size_t len;
};

static int
dial(const struct net_addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len = net_to_sockaddr(to, &ss);
	const struct timeval wait = {.tv_sec = WAIT_S};
	int fd = socket(to->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
	    connect(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	len = (socklen_t)errno;
	close(fd);
	errno = (int)len;
	return -1;
}

static ssize_t
take(struct talk *t, char *p, size_t n)
{
	return t->tls != NULL ? SSL_read(t->tls, p, (int)n) : read(t->fd, p, n);
}

static bool
put(struct talk *t, struct str s)
{
	ssize_t n = t->tls != NULL ? SSL_write(t->tls, s.p, (int)s.len) : write(t->fd, s.p, s.len);

	return n == (ssize_t)s.len;
}

/* what a stranger says must not reach the terminal as it is */
static void
show(const char *before, struct str s, FILE *out)
{
	fputs(before, out);
	for (size_t i = 0; i < s.len; i++)
		fputc(ascii_is_print(s.p[i]) ? s.p[i] : '?', out);
	fputc('\n', out);
}

/* a line without its end, cut to what has room; false: there is none */
static bool
read_line(struct talk *t)
{
	char ch;

	t->len = 0;
	while (take(t, &ch, 1) == 1) {
		if (ch == '\n') {
			t->len -= t->len > 0 && t->line[t->len - 1] == '\r';
			return true;
		}
		if (t->len < sizeof t->line)
			t->line[t->len++] = ch;
	}
	return false;
}

/* a whole reply; its code, 0: none came */
static int
read_reply(struct talk *t)
{
	for (int lines = 0; lines < 200 && read_line(t); lines++) {
		uint32_t code = 0;
		struct str line = str_from(t->line, t->len);
		show("  >>> ", line, stdout);
		if (line.len >= 4 && line.p[3] == '-')
			continue;
		return parse_u32(str_sub(line, 0, 3), 100, 999, &code) ? (int)code : 0;
	}
	printf("  (no reply: %s)\n",
	    errno == 0 ? "the peer closed the connection" : strerrordesc_np(errno));
	return 0;
}

static int
command(struct talk *t, const char *text)
{
	char line[300];
	int n = snprintf(line, sizeof line, "%s\r\n", text);

	show("  <<< ", str_of(text), stdout);
	errno = 0;
	return put(t, str_from(line, PH_MIN((size_t)n, sizeof line - 1))) ? read_reply(t) : 0;
}

static bool
say_ehlo(struct talk *t)
{
	char host[256] = "", text[280];

	if (gethostname(host, sizeof host - 1) == -1 || host[0] == '\0')
		strlcpy(host, "localhost", sizeof host);
	snprintf(text, sizeof text, "EHLO %s", host);
	return command(t, text) == 250;
}

static void
show_certificate(SSL *tls)
{
	X509 *cert = SSL_get1_peer_certificate(tls);
	char subject[300] = "", issuer[300] = "";

	printf("  %s, %s\n", SSL_get_version(tls), SSL_get_cipher_name(tls));
	if (cert == NULL)
		return;
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
	X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof issuer);
	show("  subject ", str_of(subject), stdout);
	show("  issuer  ", str_of(issuer), stdout);
	X509_free(cert);
}

static void
start_tls(struct talk *t, SSL_CTX *ctx, const char *host)
{
	if (command(t, "STARTTLS") != 220)
		return;
	t->tls = SSL_new(ctx);
	if (t->tls == NULL || SSL_set_fd(t->tls, t->fd) != 1)
		return;
	SSL_set_tlsext_host_name(t->tls, host);
	if (SSL_connect(t->tls) != 1) {
		printf("  (TLS negotiation failed)\n");
		SSL_free(t->tls);
		t->tls = NULL;
		return;
	}
	show_certificate(t->tls);
	say_ehlo(t);
}

/* what is typed goes to the host, what it says comes here, until the host ends; behind the last that is typed it is told
 * that there is no more */
static void
interactive(struct talk *t)
{
	struct pollfd p[2] = {
	    {.fd = t->fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char line[1000];

	/* poll() must see all that was typed and not yet read */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		if ((t->tls == NULL || SSL_pending(t->tls) == 0) && poll(p, 2, -1) == -1)
			return;
		if (p[0].revents != 0 || (t->tls != NULL && SSL_pending(t->tls) > 0)) {
			if (!read_line(t))
				return;
			show("", str_from(t->line, t->len), stdout);
			fflush(stdout);
			continue;
		}
		if (fgets(line, sizeof line - 2, stdin) == NULL) {
			p[1].fd = -1;
			if (shutdown(t->fd, SHUT_WR) == -1)
				return;
			continue;
		}
		line[strcspn(line, "\r\n")] = '\0';
		strlcat(line, "\r\n", sizeof line);
		if (!put(t, str_of(line)))
			return;
	}
}

static void
converse(struct talk *t, const struct options *o, const char *host)
{
	SSL_CTX *ctx = options_flag(o, "tls") ? SSL_CTX_new(TLS_client_method()) : NULL;

	errno = 0;
	if (read_reply(t) == 220 && say_ehlo(t) && ctx != NULL)
		start_tls(t, ctx, host);
	if (options_flag(o, "interactive"))
		interactive(t);
	else
		command(t, "QUIT");
	SSL_free(t->tls);
	SSL_CTX_free(ctx);
}

static bool
try_host(const struct options *o, const struct tree *answer, size_t i)
{
	struct net_addr to;
	const char *host = tree_get(answer, "host[%zu].name", i);
	const char *ip = tree_get(answer, "host[%zu].ip[0]", i);
	struct talk t = {.fd = -1};
	uint32_t port = 25;

	parse_u32(str_of(tree_get(answer, "host[%zu].port", i)), 1, 65535, &port);
	if (!net_addr_parse(str_of(ip), &to))
		return false;
	to.port = (uint16_t)port;
	printf("\nconnecting to %s (%s)\n", host, ip);
	t.fd = dial(&to);
	if (t.fd == -1) {
		printf("  (cannot connect: %s)\n", strerrordesc_np(errno));
		return false;
	}
	converse(&t, o, host);
	close(t.fd);
	return true;
}

int
connect_hosts(const struct options *o, const struct tree *answer)
{
	size_t n = tree_count(answer, "host"), max = o->n_connect == 0 ? 1 : o->n_connect;
	bool any = false;

	if (!options_flag(o, "connect") && !options_flag(o, "interactive") &&
	    !options_flag(o, "tls"))
		return 0;
	for (size_t i = 0; i < PH_MIN(n, max); i++)
		any |= try_host(o, answer, i);
	return any ? 0 : 1;
}
