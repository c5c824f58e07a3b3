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

struct writer {
	char *out;
	size_t n, size;
};

static void
put(struct writer *w, char c)
{
	bool is_blank = (unsigned char)c <= ' ' || c == 127;

	if (w->n + 1 >= w->size || (is_blank && (w->n == 0 || w->out[w->n - 1] == ' ')))
		return;
	w->out[w->n++] = is_blank ? ' ' : c;
}

/* "<a@b>" and "a@b" alike: what was written of the address is taken back */
static void
put_address(struct writer *w, size_t written)
{
	w->n -= PH_MIN(w->n, written);
	if (w->n > 0 && w->out[w->n - 1] == '<')
		w->n--;
	put(w, '<');
	put(w, '>');
}

size_t
classify_normalise(struct str text, char *out, size_t size)
{
	struct writer w = {out, 0, size};
	size_t begin, len;

	for (size_t i = 0; i < text.len && w.n + 1 < size; i++) {
		if (text.p[i] != '@' || (len = address_around(text, i, &begin)) == 0) {
			put(&w, text.p[i]);
			continue;
		}
		put_address(&w, i - begin);
		i = begin + len - 1;
		if (i + 1 < text.len && text.p[i + 1] == '>')
			i++;
	}
	while (w.n > 0 && out[w.n - 1] == ' ')
		w.n--;
	out[w.n] = '\0';
	return w.n;
}
