/* log-data: every byte of a session, in hexadecimal, but for what may be a password. */
#include "injectd/injectd.h"
#include "lib/base/log.h"

#define ROW 16

static void
log_row(const struct session *s, const char *way, struct str bytes, size_t at)
{
	char hex[3 * ROW + 1] = "", text[ROW + 1] = "";
	size_t n = PH_MIN(bytes.len - at, (size_t)ROW);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes.p[at + i];
		(void)snprintf(hex + 3 * i, 4, "%02x ", c);
		text[i] = c >= ' ' && c < 127 && c != '"' ? (char)c : '.';
	}
	text[n] = '\0';
	log_info("session=%016jx %s %04zx %s\"%s\"", (uintmax_t)s->id, way, at, hex, text);
}

/* Does a line that begins like AUTH lie in it, or one that may still become it? */
static bool
may_be_auth(const struct session *s, struct str bytes)
{
	struct str kept = buf_str(&s->in), line;

	if (s->state == SESSION_AUTH || s->state == SESSION_VERIFY)
		return true;
	if (s->state != SESSION_COMMAND || s->user != NULL || s->world->users.n == 0)
		return false;
	if (kept.len > 0 && ascii_lower(kept.p[0]) == 'a')
		return true;
	while (bytes.p != NULL && str_next(&bytes, '\n', &line))
		if (line.len > 0 && ascii_lower(line.p[0]) == 'a')
			return true;
	return false;
}

void
log_data(const struct session *s, bool is_input, struct str bytes)
{
	const char *way = is_input ? "rd" : "wr";

	log_info("session=%016jx %s n=%zu%s", (uintmax_t)s->id, way, bytes.len,
	    is_input && may_be_auth(s, bytes) ? " (not shown)" : "");
	if (is_input && may_be_auth(s, bytes))
		return;
	for (size_t at = 0; at < bytes.len; at += ROW)
		log_row(s, way, bytes, at);
}
