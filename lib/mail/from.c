#include "lib/mail/from.h"

/*
 *	mailbox-list = mailbox *( "," mailbox )
 *	mailbox	     = [ phrase ] "<" [ route ] addr-spec ">" / addr-spec
 *	addr-spec    = local-part "@" domain
 * Outside of quoted strings and comments the domain is what stands behind an "@". Where a mailbox has angle brackets only
 * those count: an address in a display name is text.
 */

static bool
is_domain_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

/* behind the quoted string that begins at `at`; where it does not end, the end of the text */
static size_t
skip_quoted(struct str s, size_t at)
{
	for (at++; at < s.len && s.p[at] != '"'; at++)
		if (s.p[at] == '\\')
			at++;
	return PH_MIN(at + 1, s.len);
}

static size_t
skip_comment(struct str s, size_t at)
{
	size_t depth = 0;

	for (; at < s.len; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '(')
			depth++;
		else if (s.p[at] == ')' && --depth == 0)
			return at + 1;
	}
	return s.len;
}

/* one token: a quoted string, a comment, or a byte */
static size_t
skip_token(struct str s, size_t at)
{
	if (s.p[at] == '"')
		return skip_quoted(s, at);
	if (s.p[at] == '(')
		return skip_comment(s, at);
	return at + 1;
}

/* the end of the mailbox that begins at `at`: its comma, or the end of the text; and where its "<" is */
static size_t
mailbox_end(struct str s, size_t at, size_t *angle)
{
	*angle = STR_NPOS;
	for (; at < s.len && (s.p[at] != ',' || *angle != STR_NPOS); at = skip_token(s, at)) {
		if (s.p[at] == '<' && *angle == STR_NPOS)
			*angle = at;
		else if (s.p[at] == '>' && *angle != STR_NPOS)
			break;
	}
	/* behind ">" up to the comma there is nothing of interest */
	while (at < s.len && s.p[at] != ',')
		at = skip_token(s, at);
	return at;
}

/* blanks, folding and comments between "@" and the domain */
static size_t
skip_cfws(struct str s, size_t at, size_t end)
{
	while (at < end && strchr(" \t\r\n(", s.p[at]) != NULL && s.p[at] != '\0')
		at = s.p[at] == '(' ? skip_comment(s, at) : at + 1;
	return PH_MIN(at, end);
}

size_t
from_rewrite(struct buf *b, struct str s, from_map *map, void *arg)
{
	size_t n = 0, copied = 0, angle;

	for (size_t at = 0, end; at < s.len; at = end + 1) {
		end = mailbox_end(s, at, &angle);
		for (size_t i = angle == STR_NPOS ? at : angle; i < end; i = skip_token(s, i)) {
			size_t from, to;
			struct str new;
			if (s.p[i] != '@')
				continue;
			from = to = skip_cfws(s, i + 1, end);
			while (to < end && is_domain_char(s.p[to]))
				to++;
			if (to == from || !map(arg, str_sub(s, from, to - from), &new))
				continue;
			(void)buf_add_str(b, str_sub(s, copied, from - copied));
			(void)buf_add_str(b, new);
			copied = to;
			n++;
		}
	}
	(void)buf_add_str(b, str_skip(s, copied));
	return n;
}
