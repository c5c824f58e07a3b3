#include "dnsd/wire.h"

#include <idn2.h>

#include "lib/base/num.h"

#define HEADER_LEN  12
#define CLASS_IN    1
#define RCODE_OK    0
#define RCODE_NX    3
#define FLAG_QR	    0x8000u
#define FLAG_AD	    0x0020u
#define OPCODE_MASK 0x7800u
#define MAX_CNAMES  32
#define MAX_JUMPS   32

/* where the reader is in the message */
struct cursor {
	const uint8_t *p;
	size_t len, at;
};

struct rr {
	char owner[WIRE_NAME_MAX];
	uint16_t type, class;
	uint32_t ttl_s;
	size_t data, len; /* offset and length of the record's data */
	bool is_named;	  /* the owner is a name that could be asked for */
};

struct alias {
	char owner[WIRE_NAME_MAX], target[WIRE_NAME_MAX];
	uint32_t ttl_s;
};
struct aliases {
	struct alias list[MAX_CNAMES];
	size_t n;
};

/* ---- bytes ---- */

static bool
take_u16(struct cursor *c, uint16_t *v)
{
	if (c->len - c->at < 2)
		return false;
	*v = get_be16(c->p + c->at);
	c->at += 2;
	return true;
}

static bool
take_u32(struct cursor *c, uint32_t *v)
{
	if (c->len - c->at < 4)
		return false;
	*v = get_be32(c->p + c->at);
	c->at += 4;
	return true;
}

/* ---- names ---- */

static bool
is_host_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* what may stand in an alias: addresses' names of parts of a network have a slash in use (RFC 2317) */
static bool
is_alias_char(char c)
{
	return is_host_char(c) || c == '/';
}

/* Appends one label in lower case; *ok becomes false for what no host name has. */
static size_t
add_label(char *out, size_t n, const uint8_t *label, size_t len, bool *ok)
{
	if (n > 0)
		out[n++] = '.';
	for (size_t i = 0; i < len; i++) {
		char c = ascii_lower((char)label[i]);
		*ok = *ok && is_alias_char(c);
		out[n++] = c;
	}
	return n;
}

/*
 * name = *( length label ) ( zero / pointer ), RFC 1035 4.1.4. Leaves the cursor behind the name where it stands.
 * A pointer must lead to before the name's own part that holds it, so that no loop is possible. False: malformed.
 * *is_host: made of letters, digits, '-' and '_' only. The root is ".".
 */
static bool
take_name(struct cursor *c, char out[WIRE_NAME_MAX], bool *is_host)
{
	size_t at = c->at, limit = c->at, n = 0, total = 0;
	bool jumped = false;

	*is_host = true;
	for (unsigned jumps = 0; jumps < MAX_JUMPS;) {
		uint8_t len;

		if (at >= c->len)
			return false;
		len = c->p[at];
		if ((len & 0xc0) == 0xc0) {
			if (c->len - at < 2)
				return false;
			if (!jumped)
				c->at = at + 2;
			jumped = true;
			at = get_be16(c->p + at) & 0x3fff;
			if (at >= limit)
				return false;
			limit = at;
			jumps++;
			continue;
		}
		total += (size_t)len + 1;
		if ((len & 0xc0) != 0 || c->len - at < (size_t)len + 1 || total > 255)
			return false;
		at += 1;
		if (len == 0) {
			if (!jumped)
				c->at = at;
			if (n == 0)
				out[n++] = '.';
			out[n] = '\0';
			return true;
		}
		n = add_label(out, n, c->p + at, len, is_host);
		at += len;
	}
	return false;
}

static bool
is_number(struct str label)
{
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_digit(label.p[i]))
			return false;
	}
	return label.len > 0;
}

static bool
is_sound(const char *name)
{
	struct str rest = str_of(name), label = STR_NULL;

	if (rest.len == 0 || rest.len > 253)
		return false;
	while (str_next(&rest, '.', &label)) {
		if (label.len == 0 || label.len > 63)
			return false;
		for (size_t i = 0; i < label.len; i++) {
			if (!is_host_char(label.p[i]))
				return false;
		}
	}
	return !is_number(label);
}

static bool
to_ascii(struct str s, char out[WIRE_NAME_MAX])
{
	char text[1024];
	uint8_t *ascii = NULL;
	bool fits;

	if (s.len >= sizeof text || memchr(s.p, '\0', s.len) != NULL)
		return false;
	str_copy(text, sizeof text, s);
	if (idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
	    IDN2_OK)
		return false;
	fits = str_copy(out, WIRE_NAME_MAX, str_of((const char *)ascii)) < WIRE_NAME_MAX;
	idn2_free(ascii);
	return fits;
}

bool
wire_name_normal(struct str s, char out[WIRE_NAME_MAX])
{
	bool ascii = true;

	if (s.len > 0 && s.p[s.len - 1] == '.')
		s.len--;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		ascii = ascii && (unsigned char)s.p[i] < 0x80;
	if (!ascii) {
		if (!to_ascii(s, out))
			return false;
	} else if (str_copy(out, WIRE_NAME_MAX, s) >= WIRE_NAME_MAX ||
		   memchr(s.p, '\0', s.len) != NULL) {
		return false;
	}
	str_lower(out, strlen(out));
	return is_sound(out);
}

/* ---- records ---- */

/* rr = name type class ttl rdlength rdata */
static bool
take_rr(struct cursor *c, struct rr *rr)
{
	uint16_t len;

	if (!take_name(c, rr->owner, &rr->is_named) || !take_u16(c, &rr->type) ||
	    !take_u16(c, &rr->class) || !take_u32(c, &rr->ttl_s) || !take_u16(c, &len) ||
	    c->len - c->at < len)
		return false;
	/* RFC 2181 8: the top bit means zero */
	rr->ttl_s = rr->ttl_s > INT32_MAX ? 0 : PH_MIN(rr->ttl_s, WIRE_MAX_TTL);
	rr->data = c->at;
	rr->len = len;
	c->at += len;
	return true;
}

/* A name inside a record's data, at `skip` bytes into it; it must end where the data ends. */
static bool
data_name(const struct cursor *c, const struct rr *rr, size_t skip, char out[WIRE_NAME_MAX],
    bool *is_host)
{
	struct cursor d = {.p = c->p, .len = rr->data + rr->len, .at = rr->data + skip};

	return rr->len > skip && take_name(&d, out, is_host) && d.at == d.len;
}

static bool
note_alias(const struct cursor *c, const struct rr *rr, struct aliases *a)
{
	struct alias *alias;
	bool is_host;

	if (rr->type != WIRE_CNAME || rr->class != CLASS_IN || a->n == MAX_CNAMES)
		return true;
	alias = &a->list[a->n];
	if (!data_name(c, rr, 0, alias->target, &is_host))
		return false;
	if (!rr->is_named || !is_host)
		return true; /* no name that we could have asked for */
	str_copy(alias->owner, sizeof alias->owner, str_of(rr->owner));
	alias->ttl_s = rr->ttl_s;
	a->n++;
	return true;
}

static const struct alias *
find_alias(const struct aliases *a, const char *owner)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->list[i].owner, owner) == 0)
			return &a->list[i];
	}
	return NULL;
}

/* Where the chain of aliases from `name` ends; NULL: it is too long, or a loop. *ttl_s becomes the shortest. */
static const char *
follow(const struct aliases *a, const char *name, uint32_t *ttl_s)
{
	const struct alias *next;

	for (unsigned i = 0; i <= WIRE_MAX_CHAIN; i++) {
		next = find_alias(a, name);
		if (next == NULL)
			return name;
		*ttl_s = PH_MIN(*ttl_s, next->ttl_s);
		name = next->target;
	}
	return NULL;
}

/* keeps the WIRE_MAX_RRS with the lowest preference, in order */
static void
insert_mx(struct wire_answer *a, const struct wire_mx *mx)
{
	size_t i = a->n;

	if (a->n == WIRE_MAX_RRS) {
		if (a->rr.mx[a->n - 1].pref <= mx->pref)
			return;
		i = a->n - 1;
	} else {
		a->n++;
	}
	while (i > 0 && a->rr.mx[i - 1].pref > mx->pref) {
		a->rr.mx[i] = a->rr.mx[i - 1];
		i--;
	}
	a->rr.mx[i] = *mx;
}

static bool
take_mx(const struct cursor *c, const struct rr *rr, struct wire_answer *a)
{
	struct wire_mx mx;
	bool is_host;

	if (rr->len < 3 || !data_name(c, rr, 2, mx.host, &is_host))
		return false;
	mx.pref = get_be16(c->p + rr->data);
	if (strcmp(mx.host, ".") != 0 && (!is_host || !is_sound(mx.host)))
		mx.host[0] = '\0';
	insert_mx(a, &mx);
	return true;
}

static bool
take_addr(const struct cursor *c, const struct rr *rr, struct wire_answer *a)
{
	size_t len = rr->type == WIRE_A ? 4 : 16;
	struct net_addr addr = {.family = rr->type == WIRE_A ? 4 : 6};

	if (rr->len != len)
		return false;
	if (a->n == WIRE_MAX_RRS)
		return true;
	memcpy(addr.bytes, c->p + rr->data, len);
	a->rr.addr[a->n++] = addr;
	return true;
}

/* usage, selector, matching type, and the rest is the data (RFC 6698 2.1) */
static bool
take_tlsa(const struct cursor *c, const struct rr *rr, struct wire_answer *a)
{
	char *to = a->rr.tlsa.bytes + a->rr.tlsa.len;
	size_t len = rr->len - 3;

	if (rr->len < 4)
		return false;
	if (a->n == WIRE_MAX_RRS || len + TLSA_HEAD > TLSA_MAX_BYTES - a->rr.tlsa.len)
		return true;
	memcpy(to, c->p + rr->data, 3);
	to[3] = (char)(len >> 8);
	to[4] = (char)(len & 0xff);
	memcpy(to + TLSA_HEAD, c->p + rr->data + 3, len);
	a->rr.tlsa.len += TLSA_HEAD + len;
	a->n++;
	return true;
}

static bool
take_ptr(const struct cursor *c, const struct rr *rr, struct wire_answer *a)
{
	struct wire_mx *to = &a->rr.mx[PH_MIN(a->n, (size_t)WIRE_MAX_RRS - 1)];
	bool is_host;

	if (a->n == WIRE_MAX_RRS)
		return true;
	to->pref = 0;
	if (!data_name(c, rr, 0, to->host, &is_host))
		return false;
	if (is_host && is_sound(to->host))
		a->n++;
	return true;
}

/* 1*character-string (RFC 1035 3.3.14); one that does not fit is left out */
static bool
take_txt(const struct cursor *c, const struct rr *rr, struct wire_answer *a)
{
	const uint8_t *p = c->p + rr->data, *end = p + rr->len;
	char *to = a->rr.txt.bytes + a->rr.txt.len;
	size_t room = sizeof a->rr.txt.bytes - a->rr.txt.len, n = 0;

	while (p < end) {
		size_t len = *p++;
		if (len > (size_t)(end - p))
			return false;
		if (n + len + 2 <= room)
			memcpy(to + 2 + n, p, len);
		n += len;
		p += len;
	}
	if (n + 2 > room || a->n == WIRE_MAX_RRS)
		return true;
	put_be16(to, (uint16_t)n);
	a->rr.txt.len += 2 + n;
	a->n++;
	return true;
}

bool
wire_next_txt(const struct wire_answer *a, size_t *at, struct str *text)
{
	if (*at >= a->rr.txt.len)
		return false;
	*text = str_from(a->rr.txt.bytes + *at + 2, get_be16(a->rr.txt.bytes + *at));
	*at += 2 + text->len;
	return true;
}

static bool
take_answer(const struct cursor *c, const struct rr *rr, const char *owner, enum wire_type type,
    struct wire_answer *a)
{
	if (rr->class != CLASS_IN || rr->type != type || strcmp(rr->owner, owner) != 0)
		return true;
	a->ttl_s = PH_MIN(a->ttl_s, rr->ttl_s);
	if (type == WIRE_TLSA)
		return take_tlsa(c, rr, a);
	if (type == WIRE_TXT)
		return take_txt(c, rr, a);
	if (type == WIRE_PTR)
		return take_ptr(c, rr, a);
	return type == WIRE_MX ? take_mx(c, rr, a) : take_addr(c, rr, a);
}

/* RFC 2308 5: the lesser of the SOA's own time and its last number */
static uint32_t
negative_ttl(struct cursor c, unsigned n)
{
	struct rr rr;

	for (; n > 0 && take_rr(&c, &rr); n--) {
		uint32_t minimum;
		if (rr.type != WIRE_SOA || rr.class != CLASS_IN || rr.len < 22)
			continue;
		minimum = get_be32(c.p + rr.data + rr.len - 4);
		return PH_MIN(rr.ttl_s, PH_MIN(minimum, WIRE_MAX_TTL));
	}
	return 0;
}

/* ---- the message ---- */

struct header {
	uint16_t flags, n_answers, n_authority;
};

/* header and the one question, which must be ours */
static bool
take_question(struct cursor *c, const char *name, enum wire_type type, struct header *h)
{
	char asked[WIRE_NAME_MAX];
	bool is_host;
	uint16_t id, n_questions, n_additional, qtype, qclass;

	if (!take_u16(c, &id) || !take_u16(c, &h->flags) || !take_u16(c, &n_questions) ||
	    !take_u16(c, &h->n_answers) || !take_u16(c, &h->n_authority) ||
	    !take_u16(c, &n_additional))
		return false;
	if ((h->flags & FLAG_QR) == 0 || (h->flags & OPCODE_MASK) != 0 || n_questions != 1)
		return false;
	if (!take_name(c, asked, &is_host) || !take_u16(c, &qtype) || !take_u16(c, &qclass))
		return false;
	return strcmp(asked, name) == 0 && qtype == type && qclass == CLASS_IN;
}

/* All aliases of the answer section, and where the section ends. */
static bool
read_aliases(struct cursor *c, unsigned n, struct aliases *a)
{
	struct rr rr;

	for (; n > 0; n--) {
		if (!take_rr(c, &rr) || !note_alias(c, &rr, a))
			return false;
	}
	return true;
}

static bool
read_answers(
    struct cursor c, unsigned n, const char *owner, enum wire_type type, struct wire_answer *a)
{
	struct rr rr;

	for (; n > 0; n--) {
		if (!take_rr(&c, &rr) || !take_answer(&c, &rr, owner, type, a))
			return false;
	}
	return true;
}

static enum wire_status
read_sections(struct cursor *c, const struct header *h, const char *name, enum wire_type type,
    struct wire_answer *a)
{
	struct cursor answers = *c;
	struct aliases aliases = {.n = 0};
	const char *owner;

	if (!read_aliases(c, h->n_answers, &aliases))
		return WIRE_MALFORMED;
	owner = follow(&aliases, name, &a->ttl_s);
	if (owner == NULL)
		return WIRE_FAILED;
	if (owner != name)
		str_copy(a->target, sizeof a->target, str_of(owner));
	if (!read_answers(answers, h->n_answers, owner, type, a))
		return WIRE_MALFORMED;
	if (a->n > 0)
		return WIRE_OK;
	a->ttl_s = PH_MIN(a->ttl_s, negative_ttl(*c, h->n_authority));
	return (h->flags & 15) == RCODE_NX ? WIRE_NXDOMAIN : WIRE_NODATA;
}

void
wire_read(struct str msg, const char *name, enum wire_type type, struct wire_answer *a)
{
	struct cursor c = {.p = (const uint8_t *)msg.p, .len = msg.len};
	struct header h;

	a->status = WIRE_MALFORMED;
	a->ad = false;
	a->n = 0;
	a->ttl_s = WIRE_MAX_TTL;
	a->target[0] = '\0';
	if (type == WIRE_TLSA)
		a->rr.tlsa.len = 0;
	if (type == WIRE_TXT)
		a->rr.txt.len = 0;
	if (msg.len < HEADER_LEN || msg.len > 65535 || !take_question(&c, name, type, &h))
		return;
	if ((h.flags & 15) != RCODE_OK && (h.flags & 15) != RCODE_NX)
		a->status = WIRE_FAILED;
	else
		a->status = read_sections(&c, &h, name, type, a);
	a->ad = (h.flags & FLAG_AD) != 0;
	if (a->status != WIRE_OK)
		a->n = 0;
	if (a->status == WIRE_FAILED || a->status == WIRE_MALFORMED)
		a->ttl_s = 0;
}
