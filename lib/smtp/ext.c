#include "lib/smtp/ext.h"

#include "lib/base/num.h"

static const struct str names[SMTP_EXT_MAX] = {
#define EXT(name, keyword) [SMTP_EXT_INDEX_##name] = {.p = (keyword), .len = sizeof(keyword) - 1},
    SMTP_EXTENSIONS(EXT)
#undef EXT
};
_Static_assert(SMTP_EXT_MAX <= 31, "the bits of the extensions fit an enum");

/* SIZE [SP size-value]; a value that is no number counts as none, 0 means no fixed limit (RFC 1870
 * 4) */
static void
take_size(struct smtp_caps *c, struct str rest)
{
	struct str value;
	uint64_t n;

	if (str_next_word(&rest, &value) && parse_u64(value, 0, UINT64_MAX, &n))
		c->size_limit = n;
}

/* AUTH *( SP sasl-mech ) (RFC 4954 3); several AUTH lines add up */
static void
take_auth(struct smtp_caps *c, struct str rest)
{
	static const struct {
		struct str name;
		uint32_t bit;
	} known[] = {{STR("PLAIN"), SMTP_AUTH_PLAIN}, {STR("LOGIN"), SMTP_AUTH_LOGIN},
	    {STR("CRAM-MD5"), SMTP_AUTH_CRAM_MD5}};
	struct str word;

	while (str_next_word(&rest, &word)) {
		for (size_t i = 0; i < countof(known); i++)
			if (str_ieq(word, known[i].name))
				c->auth |= known[i].bit;
	}
}

void
smtp_caps_add(struct smtp_caps *c, struct str line)
{
	struct str word;

	if (!str_next_word(&line, &word))
		return;
	/* "AUTH=LOGIN" is an old spelling of "AUTH LOGIN" */
	if (str_has_iprefix(word, STR("AUTH="))) {
		take_auth(c, str_skip(word, sizeof "AUTH=" - 1));
		word.len = sizeof "AUTH" - 1;
	}
	for (unsigned i = 0; i < SMTP_EXT_MAX; i++) {
		if (!str_ieq(word, names[i]))
			continue;
		c->ext |= 1u << i;
		if (i == SMTP_EXT_INDEX_SIZE)
			take_size(c, line);
		if (i == SMTP_EXT_INDEX_AUTH)
			take_auth(c, line);
		return;
	}
}

size_t
smtp_ext_names(uint32_t ext, char *dst, size_t size)
{
	size_t n = 0;

	if (size == 0)
		return 0;
	for (unsigned i = 0; i < SMTP_EXT_MAX; i++) {
		size_t comma = n > 0 ? 1 : 0;

		if ((ext & 1u << i) == 0)
			continue;
		if (n + comma + names[i].len >= size)
			break;
		if (comma > 0)
			dst[n++] = ',';
		memcpy(dst + n, names[i].p, names[i].len);
		n += names[i].len;
	}
	dst[n] = '\0';
	return n;
}
