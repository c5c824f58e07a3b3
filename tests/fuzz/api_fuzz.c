/*
 * A request to the API from a stranger who has a key: its head, and the JSON of its body. What is taken has all that
 * mail needs, every view lies within the body, and text that was decoded is no longer than it was.
 */
#include "injectd/api_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_within(struct str s, const char *body, size_t len)
{
	ph_assert(s.p >= body && s.p + s.len <= body + len);
}

static void
check_body(const uint8_t *data, size_t size)
{
	char *body = xmalloc(size + 1);
	struct api_mail m;
	struct why why;

	if (size > 0)
		memcpy(body, data, size);
	if (api_mail_read(&m, body, size, &why) == 0) {
		ph_assert(m.n_rcpts > 0 && m.n_rcpts <= API_MAX_RCPTS);
		check_within(m.content, body, size);
		for (size_t i = 0; i < m.n_rcpts; i++) {
			check_within(m.rcpts[i].address, body, size);
			check_within(m.rcpts[i].return_path, body, size);
			ph_assert(i == 0 ||
				  str_cmp(m.rcpts[i - 1].return_path, m.rcpts[i].return_path) <= 0);
		}
	}
	api_mail_clear(&m);
	free(body);
}

static void
check_head(struct str text)
{
	size_t len = api_head_len(text);
	struct api_head h;

	if (len == 0 || !api_head_parse(str_sub(text, 0, len), &h))
		return;
	ph_assert(h.method.len > 0 && h.target.p[0] == '/');
	ph_assert(str_find(h.key, '\n') == STR_NPOS && str_find(h.target, ' ') == STR_NPOS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_head(str_from((const char *)data, size));
	check_body(data, size);
	return 0;
}
