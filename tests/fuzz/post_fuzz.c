/*
 * What posthttp reads: the first byte chooses a URL, an answer, CSV, or a message. JSON that is made of it has no
 * control character and closes what it opens.
 */
#include <assert.h>

#include "posthttp/posthttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_json(struct str s)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		assert(c >= ' ' || (!in_string && c == '\n'));
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
		assert(depth >= 0);
	}
	assert(!in_string && depth == 0);
}

static void
try_answer(struct str in)
{
	char said[200];
	struct buf body;
	int status = 0;
	ssize_t n = post_parse_answer(in, &status, said);

	assert(n <= (ssize_t)in.len);
	if (n <= 0)
		return;
	assert(status >= 100 && status <= 999 && strlen(said) < sizeof said);
	buf_init(&body, GET_MAX_ANSWER);
	if (get_body(str_sub(in, 0, (size_t)n), str_skip(in, (size_t)n), &body) == 0)
		assert(buf_len(&body) <= in.len - (size_t)n);
	buf_clear(&body);
}

static void
try_url(struct str in)
{
	struct url u;
	struct why why;

	if (!url_parse(in, &u, &why))
		return;
	assert(strlen(u.host) > 0 && strlen(u.port) > 0 && u.target[0] == '/');
	for (const char *p = u.target; *p != '\0'; p++)
		assert(*p > ' ' && *p < 127);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data + 1, size == 0 ? 0 : size - 1);
	struct buf out;
	struct why why;

	if (size == 0)
		return 0;
	buf_init(&out, 16 * size + 4096);
	switch (data[0] % 4) {
	case 0:
		try_url(in);
		break;
	case 1:
		try_answer(in);
		break;
	case 2:
		if (json_of_csv(in, &out, &why) == 0)
			check_json(buf_str(&out));
		break;
	default:
		if (json_of_mail(STR("a@b"), STR("c@d"), in, &out) == 0)
			check_json(buf_str(&out));
	}
	buf_clear(&out);
	return 0;
}
