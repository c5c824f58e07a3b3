#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/net/addr.h"
#include "posthttp/posthttp.h"

#define MAX_HEADERS (64 * 1024)
#define MAX_ANSWER  (64 * 1024)
#define LINE_MAX_   4096

/* ---- what is sent beside the body ---- */

static int
add_line(struct post *p, struct str line, const char *file, struct why *why)
{
	line = str_trim(line);
	if (line.len == 0 || line.p[0] == '#')
		return 0;
	if (str_find(line, ':') == STR_NPOS || str_find(line, ':') == 0)
		return why_set(why, "%s has a line that is no header field", file);
	if (buf_add_str(&p->headers, line) == -1 || buf_add_cstr(&p->headers, "\r\n") == -1)
		return why_set(why, "%s is too large", file);
	return 0;
}

int
post_add_headers(struct post *p, const char *file, struct why *why)
{
	char line[LINE_MAX_];
	FILE *f;
	int r = 0;

	if (file[0] == '\0')
		return 0;
	f = fopen(file, "re");
	if (f == NULL)
		return why_errno(why, "%s", file);
	while (r == 0 && fgets(line, sizeof line, f) != NULL)
		r = add_line(p, str_of(line), file, why);
	fclose(f);
	return r;
}

int
post_gzip(struct post *p, struct why *why)
{
	struct str s = buf_str(&p->body);
	z_stream z = {.next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.len};
	struct buf out;
	size_t room, size;
	char *to;
	int r;

	/* 15 + 16: the largest window, in gzip's form */
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return why_set(why, "no memory to compress");
	size = deflateBound(&z, (uLong)s.len);
	buf_init(&out, size + 1);
	to = buf_reserve(&out, size, &room);
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)room;
	r = to == NULL ? Z_MEM_ERROR : deflate(&z, Z_FINISH);
	if (r == Z_STREAM_END)
		buf_wrote(&out, z.total_out);
	deflateEnd(&z);
	if (r != Z_STREAM_END)
		return why_set(why, "it cannot be compressed");
	buf_clear(&p->body);
	p->body = out;
	p->is_gzip = true;
	return 0;
}

static int
make_head(const struct post *p, struct buf *head)
{
	int r = buf_addf(head,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Posthaste/" PH_VERSION "\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
	    p->url.target, p->url.authority, p->type, buf_len(&p->body));

	if (p->is_gzip)
		r |= buf_add_cstr(head, "Content-Encoding: gzip\r\n");
	r |= buf_add_str(head, buf_str(&p->headers));
	return r | buf_add_cstr(head, "\r\n");
}

/* ---- the connection ---- */

static int
set_times(int fd, int64_t ms)
{
	const struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == -1 ||
		       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == -1
		   ? -1
		   : 0;
}

/* how far a connect() may take is the time to send */
static int
connect_one(const struct post *p, const struct addrinfo *a)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol), saved;

	if (fd == -1)
		return -1;
	if (set_times(fd, p->connect_ms) == 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
	    set_times(fd, p->io_ms) == 0)
		return fd;
	saved = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	errno = saved;
	return -1;
}

/* those that the asker looked up, with blanks between them */
static int
connect_given(const struct post *p, struct why *why)
{
	struct str rest = str_of(p->addresses), word;
	struct sockaddr_storage ss;
	struct net_addr addr;
	int fd = -1;

	errno = EADDRNOTAVAIL;
	while (fd == -1 && str_next_word(&rest, &word)) {
		struct addrinfo a = {.ai_socktype = SOCK_STREAM};
		if (!net_addr_parse(word, &addr))
			continue;
		addr.port = 443;
		a.ai_addrlen = net_to_sockaddr(&addr, &ss);
		a.ai_addr = (struct sockaddr *)&ss;
		a.ai_family = ss.ss_family;
		fd = connect_one(p, &a);
	}
	return fd == -1 ? why_errno(why, "%s", p->url.host) : fd;
}

static int
connect_any(const struct post *p, struct why *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list;
	int e = getaddrinfo(p->url.host, p->url.port, &hints, &list), fd = -1;

	if (e != 0)
		return why_set(why, "%s: %s", p->url.host, gai_strerror(e));
	for (const struct addrinfo *a = list; a != NULL && fd == -1; a = a->ai_next)
		fd = connect_one(p, a);
	freeaddrinfo(list);
	return fd == -1 ? why_errno(why, "%s port %s", p->url.host, p->url.port) : fd;
}

/* ---- TLS ---- */

int
line_wrong(struct line *l, const char *what, struct why *why)
{
	long verdict = l->ssl == NULL ? X509_V_OK : SSL_get_verify_result(l->ssl);
	unsigned long e = ERR_get_error();

	if (verdict != X509_V_OK)
		return why_set(why, "%s: %s", what, X509_verify_cert_error_string(verdict));
	return why_set(
	    why, "%s: %s", what, e == 0 ? "the connection ended" : ERR_reason_error_string(e));
}

static bool
load_files(SSL_CTX *ctx, const struct post *p)
{
	if (p->ca_file[0] == '\0' ? SSL_CTX_set_default_verify_paths(ctx) != 1
				  : SSL_CTX_load_verify_file(ctx, p->ca_file) != 1)
		return false;
	if (p->certificate[0] == '\0')
		return true;
	return SSL_CTX_use_certificate_chain_file(ctx, p->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, p->certificate, SSL_FILETYPE_PEM) == 1;
}

static int
start_tls(struct line *l, const struct post *p, struct why *why)
{
	X509_VERIFY_PARAM *param;

	l->ctx = SSL_CTX_new(TLS_client_method());
	if (l->ctx == NULL || SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION) != 1 ||
	    !load_files(l->ctx, p))
		return line_wrong(l, "TLS cannot be prepared", why);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	l->ssl = SSL_new(l->ctx);
	if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1)
		return line_wrong(l, "TLS cannot be prepared", why);
	param = SSL_get0_param(l->ssl);
	/* a wildcard is a whole label (RFC 9525 6.3) */
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, p->url.host) != 1 &&
	    (SSL_set_tlsext_host_name(l->ssl, p->url.host) != 1 ||
		SSL_set1_host(l->ssl, p->url.host) != 1))
		return line_wrong(l, "TLS cannot be prepared", why);
	ERR_clear_error();
	return SSL_connect(l->ssl) == 1 ? 0 : line_wrong(l, "TLS", why);
}

int
line_write(struct line *l, struct str s, struct why *why)
{
	while (s.len > 0) {
		ssize_t n;
		if (l->ssl != NULL)
			n = SSL_write(l->ssl, s.p, (int)PH_MIN(s.len, (size_t)16384));
		else
			n = send(l->fd, s.p, s.len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR && l->ssl == NULL)
			continue;
		if (n <= 0)
			return l->ssl != NULL ? line_wrong(l, "sending", why)
					      : why_errno(why, "sending");
		s = str_skip(s, (size_t)n);
	}
	return 0;
}

/* ---- the answer ---- */

ssize_t
post_parse_answer(struct str s, int *status, char said[200])
{
	size_t end = str_find_str(s, STR("\r\n\r\n"));
	struct str line = str_sub(s, 0, str_find_str(s, STR("\r\n")));
	uint32_t code;

	if (end == STR_NPOS)
		return s.len >= MAX_ANSWER ? -1 : 0;
	if (!str_has_prefix(line, STR("HTTP/1.")) || line.len < 12 || line.p[8] != ' ' ||
	    !parse_u32(str_sub(line, 9, 3), 100, 999, &code))
		return -1;
	*status = (int)code;
	str_copy(said, 200, str_skip(line, 9));
	return (ssize_t)end + 4;
}

static int
read_answer(struct line *l, int *status, char said[200], struct why *why)
{
	struct buf in;
	char *to;
	size_t room;
	ssize_t n, used = 0;

	buf_init(&in, MAX_ANSWER);
	while (used >= 0) {
		used = post_parse_answer(buf_str(&in), status, said);
		if (used > 0 && *status >= 200)
			break;
		if (used > 0) {
			buf_consume(&in, (size_t)used); /* 100 and kin: the answer follows */
			continue;
		}
		to = used < 0 ? NULL : buf_reserve(&in, 4096, &room);
		if (to == NULL)
			break;
		n = l->ssl != NULL ? SSL_read(l->ssl, to, (int)room) : recv(l->fd, to, room, 0);
		if (n == -1 && l->ssl == NULL && errno == EINTR)
			continue;
		if (n <= 0) {
			buf_clear(&in);
			return l->ssl != NULL || n == 0
				   ? why_set(why, "no answer came, or no whole one")
				   : why_errno(why, "no answer came");
		}
		buf_wrote(&in, (size_t)n);
	}
	buf_clear(&in);
	return used > 0 ? 0 : why_set(why, "the answer is no HTTP");
}

int
line_open(struct line *l, const struct post *p, struct why *why)
{
	*l =
	    (struct line){.fd = p->addresses != NULL ? connect_given(p, why) : connect_any(p, why)};
	if (l->fd == -1)
		return -1;
	return p->url.is_tls ? start_tls(l, p, why) : 0;
}

void
line_close(struct line *l)
{
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	if (l->fd != -1)
		close(l->fd);
}

int
post_send(struct post *p, int *status, char said[200], struct why *why)
{
	struct line l = {.fd = -1};
	struct buf head;
	int r = -1;

	buf_init(&head, MAX_HEADERS * 2);
	if (make_head(p, &head) != 0)
		(void)why_set(why, "the header fields are too large");
	else if (line_open(&l, p, why) == 0 && line_write(&l, buf_str(&head), why) == 0 &&
		 line_write(&l, buf_str(&p->body), why) == 0)
		r = read_answer(&l, status, said, why);
	buf_clear(&head);
	line_close(&l);
	return r;
}
