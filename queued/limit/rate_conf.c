#include "queued/limit/rate_conf.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

static const enum conf_key keys[RATE_MAX] = {
    [RATE_MSG] = CONF_DOMAIN_MAX_MSG_RATE,
    [RATE_VOLUME] = CONF_DOMAIN_MAX_DATA_VOLUME_RATE,
    [RATE_CONNECT] = CONF_DOMAIN_MAX_CONNECT_RATE,
    [RATE_BACKOFF_MSG] = CONF_DOMAIN_BACKOFF_MAX_MSG_RATE,
    [RATE_BACKOFF_VOLUME] = CONF_DOMAIN_BACKOFF_MAX_DATA_VOLUME_RATE,
    [RATE_BACKOFF_CONNECT] = CONF_DOMAIN_BACKOFF_MAX_CONNECT_RATE,
    [RATE_RAMPUP] = CONF_DOMAIN_SMTP_OUT_RAMPUP_INTERVAL,
};
static const enum conf_key source_keys[SOURCE_MAX] = {
    [SOURCE_MSG] = CONF_DOMAIN_SOURCE_IP_MAX_MSG_RATE,
    [SOURCE_VOLUME] = CONF_DOMAIN_SOURCE_IP_MAX_DATA_VOLUME_RATE,
    [SOURCE_CONNECT] = CONF_DOMAIN_SOURCE_IP_MAX_CONNECT_RATE,
    [SOURCE_OUT] = CONF_DOMAIN_SOURCE_IP_MAX_SMTP_OUT,
};

enum conf_key
rate_key(enum rate_kind kind)
{
	return keys[kind];
}

enum conf_key
source_key(enum source_kind kind)
{
	return source_keys[kind];
}

/* the rate of back-off has a meter of its own only where it differs */
static bool
needs_meter(const struct rate_conf *r, int k)
{
	const struct conf_rate *normal;

	if (r->of[k].count == CONF_UNLIMITED)
		return false;
	if (k < RATE_BACKOFF_MSG || k > RATE_BACKOFF_CONNECT)
		return true;
	normal = &r->of[k - RATE_TO_BACKOFF];
	return r->of[k].count != normal->count || r->of[k].period_ms != normal->period_ms;
}

static void
read_rates(struct rate_conf *r, const struct conf_set *set)
{
	int64_t gap = conf_ms(set, CONF_DOMAIN_SMTP_OUT_RAMPUP_INTERVAL);

	for (int k = 0; k < RATE_RAMPUP; k++) {
		r->of[k] = conf_rate(set, keys[k]);
		if (r->of[k].count == 0)
			r->of[k].count = CONF_UNLIMITED;
	}
	r->of[RATE_RAMPUP] =
	    (struct conf_rate){.count = gap > 0 ? 1 : CONF_UNLIMITED, .period_ms = gap};
	for (int k = 0; k < RATE_MAX; k++)
		if (needs_meter(r, k))
			r->at[k] = ++r->n_meters;
}

/* "CIDR NUMBER", "CIDR RATE", "CIDR VOLUME": the checker has seen that it is one */
static bool
parse_row(struct source_row *row, struct str text)
{
	struct str word;

	if (!str_next_word(&text, &word) || !net_cidr_parse(word, &row->cidr))
		return false;
	text = str_trim(text);
	if (row->cidr.bits == 0)
		row->cidr.addr.family = 0; /* 0/0 means all, of either family */
	row->rate.period_ms = 1;
	if (row->kind == SOURCE_VOLUME)
		return conf_parse_volume(text, &row->rate);
	if (row->kind != SOURCE_OUT)
		return conf_parse_rate(text, &row->rate);
	if (!parse_u64(text, 0, UINT64_MAX, &row->rate.count))
		row->rate.count = CONF_UNLIMITED;
	return true;
}

static void
read_sources(struct rate_conf *r, const struct conf_set *set, enum source_kind kind)
{
	size_t n = conf_n(set, source_keys[kind]);

	for (size_t i = 0; i < n; i++) {
		struct source_row row = {.kind = kind, .item = (uint32_t)i};
		if (!parse_row(&row, conf_item(set, source_keys[kind], i)))
			continue;
		r->sources = xreallocarray(r->sources, r->n_sources + 1, sizeof *r->sources);
		r->sources[r->n_sources++] = row;
	}
}

void
rate_conf_read(struct rate_conf *r, const struct conf_set *set)
{
	*r = (struct rate_conf){.n_meters = 0};
	read_rates(r, set);
	for (int k = 0; k < SOURCE_MAX; k++)
		read_sources(r, set, (enum source_kind)k);
}

void
rate_conf_clear(struct rate_conf *r)
{
	xfree(&r->sources);
	r->n_sources = 0;
}

const struct source_row *
rate_conf_source(const struct rate_conf *r, enum source_kind kind, const struct net_addr *a)
{
	const struct source_row *best = NULL;

	for (size_t i = 0; i < r->n_sources; i++) {
		const struct source_row *row = &r->sources[i];
		if (row->kind == kind && net_cidr_has(&row->cidr, a) &&
		    (best == NULL || row->cidr.bits > best->cidr.bits))
			best = row;
	}
	return best;
}
