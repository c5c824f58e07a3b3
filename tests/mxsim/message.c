#include "tests/mxsim/message.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define HEAD_MAX       (64u * 1024)
#define LINE_MAX_BYTES 1000 /* RFC 5321 4.5.3.1.6, CRLF included */

void
message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->head, HEAD_MAX);
}

void
message_clear(struct message *m)
{
	if (m->hash != NULL)
		(void)XXH3_freeState(m->hash);
	if (m->dump != NULL)
		(void)fclose(m->dump);
	buf_clear(&m->head);
	m->hash = NULL;
	m->dump = NULL;
}

static void
dump_name(char *name, size_t size, uint64_t number, bool is_final)
{
	(void)snprintf(name, size, "%" PRIu64 ".%s", number, is_final ? "eml" : "part");
}

static FILE *
dump_open(uint64_t number, int dump_fd)
{
	char name[32];
	int fd;

	dump_name(name, sizeof(name), number, false);
	fd = openat(dump_fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

void
message_begin(struct message *m, uint64_t number, int dump_fd)
{
	if (m->hash == NULL)
		m->hash = XXH3_createState();
	if (m->hash == NULL || XXH3_64bits_reset(m->hash) != XXH_OK)
		abort();
	buf_reset(&m->head);
	m->size = 0;
	m->line_len = 0;
	m->number = number;
	m->header_match = 2; /* a line begins here */
	m->in_body = m->was_cr = false;
	m->bad_lf = m->bad_cr = m->bad_nul = m->bad_line = m->bad_eight = false;
	m->dot = DOT_BOL;
	m->dump = dump_fd >= 0 ? dump_open(number, dump_fd) : NULL;
}

/* bytes of s up to and with the empty line that ends the header */
static size_t
header_part(struct message *m, struct str s)
{
	static const char empty_line[4] = "\r\n\r\n";

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == empty_line[m->header_match])
			m->header_match++;
		else
			m->header_match = s.p[i] == '\r' ? 1 : 0;
		if (m->header_match == sizeof(empty_line)) {
			m->in_body = true;
			return i + 1;
		}
	}
	return s.len;
}

static void
check_line_end(struct message *m)
{
	if (!m->was_cr)
		m->bad_lf = true;
	if (m->line_len + 1 > LINE_MAX_BYTES)
		m->bad_line = true;
	m->line_len = 0;
}

static void
check(struct message *m, struct str s)
{
	uint32_t line = m->line_len;
	bool was_cr = m->was_cr;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '\n') {
			m->was_cr = was_cr;
			m->line_len = line;
			check_line_end(m);
			line = 0;
		} else {
			m->bad_cr |= was_cr;
			m->bad_nul |= ch == 0;
			m->bad_eight |= ch >= 128;
			line++;
		}
		was_cr = ch == '\r';
	}
	m->line_len = line;
	m->was_cr = was_cr;
}

void
message_add(struct message *m, struct str s)
{
	size_t n = 0;

	m->size += s.len;
	check(m, s);
	if (m->dump != NULL)
		(void)fwrite(s.p, 1, s.len, m->dump);
	if (!m->in_body) {
		n = header_part(m, s);
		(void)buf_add(&m->head, s.p, n);
	}
	if (m->in_body && n < s.len)
		(void)XXH3_64bits_update(m->hash, s.p + n, s.len - n);
}

/* the rest of a line, its LF included if it is there; only CRLF ends a line */
static size_t
add_to_line_end(struct message *m, struct str s)
{
	const char *lf = memchr(s.p, '\n', s.len);
	size_t n = lf == NULL ? s.len : (size_t)(lf - s.p) + 1;
	bool was_cr = m->was_cr;

	message_add(m, str_sub(s, 0, n));
	if (lf != NULL && (n >= 2 ? s.p[n - 2] == '\r' : was_cr))
		m->dot = DOT_BOL;
	else
		m->dot = DOT_MID;
	return n;
}

bool
message_add_stuffed(struct message *m, struct str s, size_t *used)
{
	size_t i = 0;

	while (i < s.len) {
		struct str rest = str_skip(s, i);

		if (m->dot == DOT_BOL && rest.p[0] == '.') {
			m->dot = DOT_SEEN;
			i++;
		} else if (m->dot == DOT_SEEN && rest.p[0] == '\r') {
			m->dot = DOT_CR;
			i++;
		} else if (m->dot == DOT_CR && rest.p[0] == '\n') {
			*used = i + 1;
			return true;
		} else {
			if (m->dot == DOT_CR)
				message_add(m, STR("\r"));
			i += add_to_line_end(m, rest);
		}
	}
	*used = i;
	return false;
}

void
message_end(struct message *m, int dump_fd, bool is_accepted)
{
	char part[32], final[32];

	if (m->dump == NULL)
		return;
	(void)fclose(m->dump);
	m->dump = NULL;
	dump_name(part, sizeof(part), m->number, false);
	dump_name(final, sizeof(final), m->number, true);
	if (is_accepted)
		(void)renameat(dump_fd, part, dump_fd, final);
	else
		(void)unlinkat(dump_fd, part, 0);
}

static struct str
find_field(struct str head, struct str name)
{
	struct str line;

	while (str_next(&head, '\n', &line)) {
		if (str_has_iprefix(line, name))
			return str_trim(str_skip(line, name.len));
	}
	return STR_NULL;
}

struct str
message_id(struct message *m)
{
	struct str id = find_field(buf_str(&m->head), STR("X-Id:"));

	return id.len > 0 ? id : find_field(buf_str(&m->head), STR("Message-ID:"));
}

uint64_t
message_hash(const struct message *m)
{
	return XXH3_64bits_digest(m->hash);
}

void
message_count_faults(const struct message *m, struct provider *p, bool is_8bit)
{
	provider_count(p, COUNT_violation_bare_lf, m->bad_lf);
	provider_count(p, COUNT_violation_bare_cr, m->bad_cr);
	provider_count(p, COUNT_violation_nul, m->bad_nul);
	provider_count(p, COUNT_violation_long_line, m->bad_line);
	provider_count(p, COUNT_violation_eight_bit, m->bad_eight && !is_8bit);
}
