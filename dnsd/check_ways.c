#include "dnsd/check_int.h"
#include "lib/base/buf.h"

/* ---- SPF ---- */

static const enum wire_type wire_types[] = {
    [SPF_TXT] = WIRE_TXT,
    [SPF_A] = WIRE_A,
    [SPF_AAAA] = WIRE_AAAA,
    [SPF_MX] = WIRE_MX,
    [SPF_PTR] = WIRE_PTR,
};

static void
tell(struct spf *s, enum spf_type type, const struct wire_answer *a)
{
	struct str texts[WIRE_MAX_RRS];
	struct spf_answer to = {.texts = texts, .addrs = a->rr.addr, .n = a->n};
	size_t at = 0;

	if (a->status == WIRE_OK)
		to.status = SPF_DNS_FOUND;
	else if (a->status == WIRE_NODATA || a->status == WIRE_NXDOMAIN)
		to.status = SPF_DNS_VOID;
	else
		to.status = SPF_DNS_FAILED;
	if (to.status != SPF_DNS_FOUND)
		to.n = 0;
	for (size_t i = 0; i < to.n && (type == SPF_MX || type == SPF_PTR); i++)
		texts[i] = str_of(a->rr.mx[i].host);
	for (size_t i = 0; i < to.n && type == SPF_TXT; i++)
		if (!wire_next_txt(a, &at, &texts[i]))
			texts[i] = STR_NULL;
	spf_tell(s, &to);
}

/* Until something must be waited for. */
static void
spf_go_on(struct check *k)
{
	struct wire_answer a;
	struct spf_ask ask;

	while (spf_next(k->spf, &ask)) {
		if (!check_ask(k, wire_types[ask.type], str_of(ask.name), &a))
			return;
		tell(k->spf, ask.type, &a);
	}
	check_finish(k, spf_result(k->spf),
	    (struct str[3]){str_of(spf_domain(k->spf)), str_of(spf_reason(k->spf)),
		str_of(spf_explanation(k->spf))});
}

static void
spf_start(struct check *k, const struct str text[3])
{
	const struct spf_query q = {.client = k->client,
	    .helo = text[0],
	    .sender = text[1],
	    .receiver = text[2],
	    .now_s = ev_wall().ns / NS_PER_SEC,
	    .max_void = k->q.max_void};

	k->spf = spf_new(&q);
	spf_go_on(k);
}

static void
spf_answer(struct check *k, const struct wire_answer *a)
{
	struct spf_ask ask;

	/* it still waits for this one */
	if (spf_next(k->spf, &ask))
		tell(k->spf, ask.type, a);
	spf_go_on(k);
}

const struct check_way check_way_spf = {spf_start, spf_answer};

/* ---- iprev (RFC 8601 3) ---- */

static void
iprev_end(struct check *k, enum spf_result r, const char *name, const char *reason)
{
	check_finish(k, r, (struct str[3]){str_of(name), str_of(reason), STR_NULL});
}

static bool
is_failure(const struct wire_answer *a)
{
	return a->status != WIRE_OK && a->status != WIRE_NODATA && a->status != WIRE_NXDOMAIN;
}

static bool
has_client(const struct check *k, const struct wire_answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (net_addr_eq(&a->rr.addr[i], &k->client))
			return true;
	return false;
}

static void
iprev_go_on(struct check *k)
{
	enum wire_type type = k->client.family == 6 ? WIRE_AAAA : WIRE_A;
	struct wire_answer a;

	while (k->at_name < k->n_names) {
		const char *name = k->names[k->at_name++].host;
		if (!check_ask(k, type, str_of(name), &a))
			return;
		k->has_failed = k->has_failed || is_failure(&a);
		if (has_client(k, &a)) {
			iprev_end(k, SPF_PASS, name, "");
			return;
		}
	}
	if (k->has_failed)
		iprev_end(k, SPF_TEMPERROR, k->names[0].host, "a name cannot be looked up now");
	else
		iprev_end(k, SPF_FAIL, k->names[0].host, "no name leads back to the address");
}

static void
iprev_names(struct check *k, const struct wire_answer *a)
{
	if (is_failure(a)) {
		iprev_end(k, SPF_TEMPERROR, "", "the address cannot be looked up now");
		return;
	}
	if (a->n == 0) {
		iprev_end(k, SPF_PERMERROR, "", "the address has no name");
		return;
	}
	k->n_names = PH_MIN(a->n, countof(k->names));
	memcpy(k->names, a->rr.mx, k->n_names * sizeof k->names[0]);
	iprev_go_on(k);
}

/* "4.3.2.1.in-addr.arpa", "….ip6.arpa" */
static void
reverse_name(const struct net_addr *a, char out[WIRE_NAME_MAX])
{
	size_t n = 0;

	if (a->family == 4) {
		snprintf(out, WIRE_NAME_MAX, "%u.%u.%u.%u.in-addr.arpa", a->bytes[3], a->bytes[2],
		    a->bytes[1], a->bytes[0]);
		return;
	}
	for (size_t i = 16; i-- > 0;)
		n += (size_t)snprintf(
		    out + n, WIRE_NAME_MAX - n, "%x.%x.", a->bytes[i] & 15, a->bytes[i] >> 4);
	(void)str_copy(out + n, WIRE_NAME_MAX - n, STR("ip6.arpa"));
}

static void
iprev_start(struct check *k, const struct str text[3])
{
	char name[WIRE_NAME_MAX];
	struct wire_answer a;

	if (k->client.family == 0) {
		iprev_end(k, SPF_PERMERROR, "", "there is no address");
		return;
	}
	reverse_name(&k->client, name);
	if (check_ask(k, WIRE_PTR, str_of(name), &a))
		iprev_names(k, &a);
}

static void
iprev_answer(struct check *k, const struct wire_answer *a)
{
	if (k->n_names == 0) {
		iprev_names(k, a);
		return;
	}
	k->has_failed = k->has_failed || is_failure(a);
	if (has_client(k, a))
		iprev_end(k, SPF_PASS, k->names[k->at_name - 1].host, "");
	else
		iprev_go_on(k);
}

const struct check_way check_way_iprev = {iprev_start, iprev_answer};

/* ---- texts ---- */

/* one text a line; of a text with a line's end in it nothing is told */
static void
txt_answer(struct check *k, const struct wire_answer *a)
{
	struct str text = STR_NULL;
	enum spf_result r = is_failure(a) ? SPF_TEMPERROR : a->n > 0 ? SPF_PASS : SPF_NONE;
	struct buf b;
	size_t at = 0;

	buf_init(&b, CHECK_MAX_TEXT);
	while (r == SPF_PASS && wire_next_txt(a, &at, &text))
		if (str_find(text, '\n') == STR_NPOS && buf_add_str(&b, text) == 0)
			(void)buf_add_char(&b, '\n');
	check_finish(k, r, (struct str[3]){STR_NULL, STR_NULL, buf_str(&b)});
	buf_clear(&b);
}

static void
txt_start(struct check *k, const struct str text[3])
{
	struct wire_answer a;

	if (check_ask(k, WIRE_TXT, text[0], &a))
		txt_answer(k, &a);
}

const struct check_way check_way_txt = {txt_start, txt_answer};
