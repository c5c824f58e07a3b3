#include "queued/policy.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "lib/base/num.h"
#include "lib/ipc/structs.h"
#include "queued/react/pattern.h"

static struct {
	struct policy **list;
	size_t n;
	struct hmap map; /* by set */
} cache;

static uint32_t
as_u32(uint64_t v)
{
	return (uint32_t)PH_MIN(v, (uint64_t)UINT32_MAX);
}

/* a number for which both 0 and "unlimited" mean no limit */
static uint32_t
zero_if_unlimited(uint64_t v)
{
	return v == CONF_UNLIMITED ? 0 : as_u32(v);
}

static uint8_t
disabled_records(const struct conf_set *set)
{
	static const struct {
		struct str name;
		int type;
	} rows[] = {{STR("d"), ACCT_DELIVERED}, {STR("b"), ACCT_BOUNCED},
	    {STR("t"), ACCT_TRANSIENT}, {STR("tq"), ACCT_QUEUE}};
	unsigned bits = 0;

	for (size_t i = 0; i < conf_n(set, CONF_DOMAIN_DISABLE_ACCT_RECORDS); i++) {
		struct str item = conf_item(set, CONF_DOMAIN_DISABLE_ACCT_RECORDS, i);
		for (size_t k = 0; k < countof(rows); k++) {
			if (str_ieq(item, rows[k].name))
				bits |= 1u << rows[k].type;
		}
	}
	return (uint8_t)bits;
}

static uint32_t
read_times(const struct conf_set *set, enum conf_key k, int64_t *ms, int64_t otherwise)
{
	size_t n = PH_MIN(conf_n(set, k), (size_t)POLICY_MAX_RETRIES);

	for (size_t i = 0; i < n; i++)
		ms[i] = conf_item_ms(set, k, i);
	if (n == 0)
		ms[n++] = otherwise;
	return (uint32_t)n;
}

/* "1.5" as thousandths */
static uint32_t
thousandths(struct str s)
{
	size_t dot = str_find(s, '.');
	uint32_t whole = 1, part = 0, scale = 100;

	if (!parse_u32(str_sub(s, 0, dot), 0, 1000, &whole))
		return 1000;
	for (size_t i = dot == STR_NPOS ? s.len : dot + 1; i < s.len && scale > 0; i++, scale /= 10)
		part += (uint32_t)(s.p[i] - '0') * scale;
	return whole * 1000 + part;
}

static void
read_retries(struct policy *p)
{
	p->n_retry_after =
	    read_times(p->set, CONF_DOMAIN_RETRY_AFTER, p->retry_after_ms, 600 * 1000);
	p->n_backoff_retry =
	    read_times(p->set, CONF_DOMAIN_BACKOFF_RETRY_AFTER, p->backoff_retry_ms, 3600 * 1000);
	p->retry_multiplier = thousandths(conf_str(p->set, CONF_DOMAIN_RETRY_MULTIPLIER));
	p->retry_max_ms = conf_ms(p->set, CONF_DOMAIN_RETRY_MAX);
}

/* bounce-upon-no-mx: yes at once, no or never not at all, or only what was queued for a time */
static int64_t
bounce_no_mx_ms(const struct conf_set *set)
{
	struct str v = conf_str(set, CONF_DOMAIN_BOUNCE_UPON_NO_MX);

	if (str_ieq(v, STR("yes")) || str_ieq(v, STR("true")))
		return 0;
	if (v.len == 0 || str_ieq(v, STR("no")) || str_ieq(v, STR("false")) ||
	    str_ieq(v, STR("never")))
		return CONF_NEVER;
	return conf_ms(set, CONF_DOMAIN_BOUNCE_UPON_NO_MX);
}

/* without what says where to */
static bool
is_incomplete(const struct conf_set *set, enum delivery_type type)
{
	if (type == DELIVERY_PIPE)
		return conf_str(set, CONF_DOMAIN_COMMAND).len == 0;
	if (type == DELIVERY_FILE)
		return conf_str(set, CONF_DOMAIN_FILE_DESTINATION).len == 0;
	return conf_str(set, CONF_DOMAIN_HTTP_DELIVERY_URL).len == 0;
}

static struct policy *
make(const struct conf_set *set)
{
	struct policy *p = xcalloc(1, sizeof *p);

	p->set = set;
	read_retries(p);
	p->max_out = as_u32(conf_u64(set, CONF_DOMAIN_MAX_SMTP_OUT));
	p->backoff_max_out = as_u32(conf_u64(set, CONF_DOMAIN_BACKOFF_MAX_SMTP_OUT));
	p->max_msg_per_conn = zero_if_unlimited(conf_u64(set, CONF_DOMAIN_MAX_MSG_PER_CONNECTION));
	p->max_rcpt_per_txn =
	    zero_if_unlimited(conf_u64(set, CONF_DOMAIN_MAX_RCPT_PER_TRANSACTION));
	p->max_rcpt_per_txn = p->max_rcpt_per_txn == 0 ? 1000 : PH_MIN(p->max_rcpt_per_txn, 4000u);
	p->max_attempts = as_u32(conf_u64(set, CONF_DOMAIN_MX_CONNECTION_ATTEMPTS));
	p->max_errors_per_conn =
	    zero_if_unlimited(conf_u64(set, CONF_DOMAIN_MAX_ERRORS_PER_CONNECTION));
	p->max_retries = as_u32(conf_u64(set, CONF_DOMAIN_MAX_SMTP_RETRIES));
	p->retry_rcpts_ms = conf_ms(set, CONF_DOMAIN_RETRY_RECIPIENTS_AFTER);
	p->retry_dns_ms = conf_ms(set, CONF_DOMAIN_RETRY_AFTER_DNS_ERROR);
	p->delay_ms = conf_ms(set, CONF_DOMAIN_NOTIFY_OF_DELAY_EVERY);
	p->bounce_after_ms = conf_ms(set, CONF_DOMAIN_BOUNCE_AFTER);
	p->idle_ms = conf_ms(set, CONF_DOMAIN_CONNECTION_IDLE_TIMEOUT);
	p->bounce_no_mx_ms = bounce_no_mx_ms(set);
	p->port = (uint16_t)conf_u64(set, CONF_DOMAIN_DEFAULT_SMTP_PORT);
	p->no_rollup = conf_bool(set, CONF_DOMAIN_DISABLE_MX_ROLLUP);
	p->delivery = (uint8_t)conf_enum(set, CONF_DOMAIN_TYPE);
	p->discard = p->delivery == DELIVERY_DISCARD;
	p->is_local = !p->discard && p->delivery != DELIVERY_SMTP;
	p->is_unsupported = p->is_local && is_incomplete(set, p->delivery);
	p->discard_as_bounce = conf_bool(set, CONF_DOMAIN_DISCARD_AS_BOUNCE);
	p->hold = conf_bool(set, CONF_DOMAIN_HOLD_DOMAIN);
	p->bounce_5xx_greeting = conf_bool(set, CONF_DOMAIN_BOUNCE_UPON_5XX_GREETING);
	p->means_invalid_553 = conf_bool(set, CONF_DOMAIN_SMTP_553_MEANS_INVALID_MAILBOX);
	p->mx_gone_by_421 = conf_bool(set, CONF_DOMAIN_SMTP_421_MEANS_MX_UNAVAILABLE);
	p->retry_upon_new_mail = conf_bool(set, CONF_DOMAIN_RETRY_UPON_NEW_MAIL);
	p->use_dane =
	    conf_bool(set, CONF_DOMAIN_USE_DANE) && conf_bool(set, CONF_DOMAIN_USE_STARTTLS);
	p->use_mta_sts =
	    conf_bool(set, CONF_DOMAIN_USE_MTA_STS) && conf_bool(set, CONF_DOMAIN_USE_STARTTLS);
	p->check_spf = conf_bool(set, CONF_DOMAIN_CHECK_SPF_OUTBOUND);
	p->no_dsn = !conf_bool(p->set, CONF_DOMAIN_DELIVER_LOCAL_DSN);
	p->is_alone = conf_enum(p->set, CONF_DOMAIN_ADD_FBL_ID) == 1; /* yes */
	p->hides_421 = conf_bool(set, CONF_DOMAIN_REPLACE_SMTP_421_SERVICE_RESPONSE);
	p->reroutes = conf_str(set, CONF_DOMAIN_REROUTE_TO_VIRTUAL_MTA).len > 0 ||
		      conf_str(set, CONF_DOMAIN_BACKOFF_REROUTE_TO_VIRTUAL_MTA).len > 0;
	p->patterns = patterns_of(set);
	p->no_acct = disabled_records(set);
	p->max_events = (uint32_t)PH_MAX(
	    PH_MIN(conf_u64(set, CONF_DOMAIN_MAX_EVENTS_RECORDED), (uint64_t)1000), (uint64_t)1);
	p->tracks_rcpts = conf_bool(set, CONF_DOMAIN_TRACK_RECIPIENT_EVENTS);
	p->logs_resolution = conf_bool(set, CONF_DOMAIN_LOG_RESOLUTION);
	p->priority = (uint8_t)conf_u64(set, CONF_DOMAIN_QUEUE_PRIORITY);
	p->may_interrupt = conf_bool(set, CONF_DOMAIN_ALLOW_PRIORITY_INTERRUPTION);
	p->may_interrupt_transfer =
	    conf_bool(set, CONF_DOMAIN_ALLOW_PRIORITY_INTERRUPTION_DURING_TRANSFER);
	p->may_cancel_transfer = conf_bool(set, CONF_DOMAIN_ALLOW_CANCEL_DURING_TRANSFER);
	rate_conf_read(&p->rates, set);
	return p;
}

static bool
is_set(const void *key, uint32_t i)
{
	return cache.list[i - 1]->set == key;
}

static uint64_t
hash_of(const struct conf_set *set)
{
	return (uint64_t)(uintptr_t)set * UINT64_C(0x9e3779b97f4a7c15) >> 24;
}

const struct policy *
policy_of(const struct conf_set *set)
{
	uint32_t i = hmap_find(&cache.map, hash_of(set), is_set, set);

	if (i != 0)
		return cache.list[i - 1];
	cache.list = xreallocarray(cache.list, cache.n + 1, sizeof *cache.list);
	cache.list[cache.n++] = make(set);
	hmap_add(&cache.map, hash_of(set), (uint32_t)cache.n);
	return cache.list[cache.n - 1];
}

void
policy_forget_all(void)
{
	patterns_forget_all();
	for (size_t i = 0; i < cache.n; i++) {
		rate_conf_clear(&cache.list[i]->rates);
		free(cache.list[i]);
	}
	xfree(&cache.list);
	hmap_clear(&cache.map);
	cache.n = 0;
}
