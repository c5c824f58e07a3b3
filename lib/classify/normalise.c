#include "lib/classify/classify.h"

static bool
is_address_char(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c > 127 ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* how long the address is that has its "@" at `at`; from *begin on. 0: it is none */
static size_t
address_around(struct str s, size_t at, size_t *begin)
{
	size_t b = at, e = at + 1;

	while (b > 0 && is_address_char(s.p[b - 1]))
		b--;
	while (e < s.len && (ascii_is_alnum(s.p[e]) || s.p[e] == '-' || s.p[e] == '.' ||
				(unsigned char)s.p[e] > 127))
		e++;
	while (e > at + 1 && s.p[e - 1] == '.')
		e--;
	*begin = b;
	return b == at || e == at + 1 ? 0 : e - b;
}

/* what is not only copied */
enum { PLAIN, BLANK, AT };
static const uint8_t kinds[256] = {[0 ... ' '] = BLANK, ['@'] = AT, [127] = BLANK};

/* "<a@b>" and "a@b" alike: of the `n` bytes in out the `written` of the address are taken back. Returns the new n. */
static size_t
put_address(char *out, size_t n, size_t written, size_t size)
{
	n -= PH_MIN(n, written);
	if (n > 0 && out[n - 1] == '<')
		n--;
	if (n + 1 < size)
		out[n++] = '<';
	if (n + 1 < size)
		out[n++] = '>';
	return n;
}

size_t
classify_normalise(struct str text, char *out, size_t size)
{
	size_t n = 0, begin, len;

	for (size_t i = 0; i < text.len && n + 1 < size; i++) {
		char c = text.p[i];
		uint8_t kind = kinds[(unsigned char)c];
		if (kind == BLANK && (n == 0 || out[n - 1] == ' '))
			continue;
		if (kind != AT || (len = address_around(text, i, &begin)) == 0) {
			out[n++] = kind == BLANK ? ' ' : c;
			continue;
		}
		n = put_address(out, n, i - begin, size);
		i = begin + len - 1;
		if (i + 1 < text.len && text.p[i + 1] == '>')
			i++;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n;
}
