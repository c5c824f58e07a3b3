#include "lib/sts/sts.h"

#include "lib/base/num.h"

static const char *const modes[STS_MODES] = {"none", "testing", "enforce"};

const char *
sts_mode_name(enum sts_mode m)
{
	return modes[m];
}

/* WSP of RFC 5234 */
static struct str
skip_blanks(struct str s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	return s;
}

static struct str
trim(struct str s)
{
	s = skip_blanks(s);
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* ---- the record ---- */

/* sts-id = %s"id=" 1*32(ALPHA / DIGIT) */
static bool
take_id(struct str field, char id[STS_MAX_ID + 1])
{
	struct str value = str_skip(field, 3);

	if (id[0] != '\0' || value.len == 0 || value.len > STS_MAX_ID)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_alnum(value.p[i]))
			return false;
	(void)str_copy(id, STS_MAX_ID + 1, value);
	return true;
}

/* sts-ext-name = (ALPHA / DIGIT) *31(…); its value: printable, no "=", ";" or blank */
static bool
is_extension(struct str field)
{
	size_t eq = str_find(field, '=');

	if (eq == STR_NPOS || eq == 0 || eq > 32 || eq + 1 == field.len ||
	    !ascii_is_alnum(field.p[0]))
		return false;
	for (size_t i = eq + 1; i < field.len; i++)
		if (field.p[i] <= ' ' || field.p[i] > '~' || field.p[i] == '=')
			return false;
	return true;
}

/* sts-version 1*(sts-field-delim sts-field) [sts-field-delim], behind the version */
static bool
parse_record(struct str rest, char id[STS_MAX_ID + 1])
{
	struct str field;

	id[0] = '\0';
	rest = skip_blanks(rest);
	if (rest.len == 0 || rest.p[0] != ';')
		return false;
	rest = str_skip(rest, 1);
	while (rest.len > 0) {
		size_t end = str_find(rest, ';');
		field = trim(str_sub(rest, 0, end));
		rest = end == STR_NPOS ? STR("") : str_skip(rest, end + 1);
		if (field.len == 0 && skip_blanks(rest).len == 0)
			break;
		if (str_has_prefix(field, STR("id=")) ? !take_id(field, id) : !is_extension(field))
			return false;
	}
	return id[0] != '\0';
}

bool
sts_record_id(struct str texts, char id[STS_MAX_ID + 1])
{
	static const struct str version = STR("v=STSv1");
	struct str line, found = STR_NULL;
	int n = 0;

	while (str_next(&texts, '\n', &line)) {
		struct str behind = skip_blanks(str_skip(line, version.len));
		if (!str_has_prefix(line, version) || behind.len == 0 || behind.p[0] != ';')
			continue; /* of another protocol: as if it were not there */
		found = str_skip(line, version.len);
		n++;
	}
	return n == 1 && parse_record(found, id);
}

/* ---- the policy ---- */

struct fields {
	bool has_version, has_mode, has_age;
};

/* A domain, as RFC 5321 writes it; what comes over the wire is ASCII. */
static bool
is_domain(struct str s)
{
	struct str label;

	if (s.len == 0 || s.len > 253)
		return false;
	while (str_next(&s, '.', &label)) {
		if (label.len == 0 || label.len > 63 || label.p[0] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
				return false;
	}
	return true;
}

static int
take_pattern(struct sts_policy *p, struct str value, struct why *why)
{
	struct str name = str_has_prefix(value, STR("*.")) ? str_skip(value, 2) : value;

	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--, value.len--;
	if (!is_domain(name))
		return why_set(why, "a pattern of its mx is no host's name");
	if (value.len + 1 > sizeof p->patterns - p->patterns_len)
		return why_set(why, "it has more mx patterns than are taken");
	memcpy(p->patterns + p->patterns_len, value.p, value.len);
	str_lower(p->patterns + p->patterns_len, value.len);
	p->patterns_len += (uint32_t)value.len;
	p->patterns[p->patterns_len++] = ' ';
	return 0;
}

static bool
find_mode(struct str value, uint8_t *mode)
{
	for (unsigned i = 0; i < STS_MODES; i++)
		if (str_eq(value, str_of(modes[i]))) {
			*mode = (uint8_t)i;
			return true;
		}
	return false;
}

/* of a field that comes twice the first counts, except for mx; what is not known is passed over */
static int
take_field(
    struct sts_policy *p, struct fields *f, struct str name, struct str value, struct why *why)
{
	if (str_eq(name, STR("mx")))
		return take_pattern(p, value, why);
	if (str_eq(name, STR("version")) && !f->has_version) {
		f->has_version = true;
		return str_eq(value, STR("STSv1")) ? 0 : why_set(why, "its version is not STSv1");
	}
	if (str_eq(name, STR("mode")) && !f->has_mode) {
		f->has_mode = true;
		return find_mode(value, &p->mode) ? 0
						  : why_set(why, "its mode is none that is known");
	}
	if (str_eq(name, STR("max_age")) && !f->has_age) {
		uint64_t age;
		f->has_age = true;
		if (value.len > 10 || !parse_u64(value, 0, UINT64_C(9999999999), &age))
			return why_set(why, "its max_age is no number");
		p->max_age_s = (uint32_t)PH_MIN(age, (uint64_t)STS_MAX_AGE_S);
	}
	return 0;
}

int
sts_policy_parse(struct str text, struct sts_policy *p, struct why *why)
{
	struct fields f = {0};
	struct str line;

	*p = (struct sts_policy){0};
	if (text.len > STS_MAX_POLICY)
		return why_set(why, "it is too large");
	while (str_next(&text, '\n', &line)) {
		size_t colon = str_find(line, ':');
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (trim(line).len == 0)
			continue;
		if (colon == STR_NPOS || colon >= line.len)
			return why_set(why, "a line of it is no field");
		if (take_field(p, &f, trim(str_sub(line, 0, colon)),
			trim(str_skip(line, colon + 1)), why) == -1)
			return -1;
	}
	if (!f.has_version || !f.has_mode || !f.has_age)
		return why_set(why, "it lacks its version, mode or max_age");
	if (p->mode != STS_MODE_NONE && p->patterns_len == 0)
		return why_set(why, "it names no mx");
	return 0;
}

/* ---- the line ---- */

int
sts_policy_write(const struct sts_policy *p, struct buf *to)
{
	return buf_addf(
	    to, "%s %u %.*s", modes[p->mode], p->max_age_s, (int)p->patterns_len, p->patterns);
}

bool
sts_policy_read(struct str line, struct sts_policy *p)
{
	struct str word;
	struct why why;
	uint32_t age;

	*p = (struct sts_policy){0};
	if (!str_next_word(&line, &word) || !find_mode(word, &p->mode) ||
	    !str_next_word(&line, &word) || !parse_u32(word, 0, STS_MAX_AGE_S, &age))
		return false;
	p->max_age_s = age;
	while (str_next_word(&line, &word))
		if (take_pattern(p, word, &why) == -1)
			return false;
	return p->mode == STS_MODE_NONE || p->patterns_len > 0;
}

/* ---- hosts ---- */

static bool
fits(struct str pattern, struct str host)
{
	size_t dot;

	if (!str_has_prefix(pattern, STR("*.")))
		return str_ieq(pattern, host);
	dot = str_find(host, '.');
	return dot != STR_NPOS && dot > 0 && str_ieq(str_skip(pattern, 2), str_skip(host, dot + 1));
}

bool
sts_mx_matches(struct str patterns, struct str host)
{
	struct str pattern;

	if (host.len > 0 && host.p[host.len - 1] == '.')
		host.len--;
	while (str_next_word(&patterns, &pattern))
		if (fits(pattern, host))
			return true;
	return false;
}
