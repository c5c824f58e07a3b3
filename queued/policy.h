/*
 * A queue's settings as numbers, made once from each configuration set and shared by all queues of that set.
 */
#ifndef PH_QUEUED_POLICY_H
#define PH_QUEUED_POLICY_H

#include "lib/conf/conf.h"
#include "queued/limit/rate_conf.h"

#define POLICY_MAX_RETRIES 30

struct policy {
	const struct conf_set *set;
	int64_t retry_after_ms[POLICY_MAX_RETRIES];
	uint32_t n_retry_after;
	uint32_t max_out, backoff_max_out;
	int64_t backoff_retry_ms[POLICY_MAX_RETRIES];
	uint32_t n_backoff_retry;
	uint32_t retry_multiplier; /* thousandths; up to 1000: intervals do not grow */
	int64_t retry_max_ms;
	struct patterns *patterns; /* what replies cause, NULL: nothing */
	uint32_t max_msg_per_conn; /* 0: no limit */
	uint32_t max_rcpt_per_txn;
	uint32_t max_attempts;	      /* MX hosts tried before the queue waits */
	uint32_t max_errors_per_conn; /* 0: no limit */
	uint32_t max_retries;	      /* of a recipient; UINT32_MAX: no limit */
	int64_t retry_rcpts_ms;
	int64_t retry_dns_ms;
	int64_t bounce_after_ms;
	int64_t delay_ms; /* notify-of-delay-every; CONF_NEVER: none */
	int64_t idle_ms;
	int64_t bounce_no_mx_ms; /* CONF_NEVER: defer; else bounce when queued so long */
	uint16_t port;
	uint32_t max_events; /* max-events-recorded, at least 1: explain needs the last one */
	bool tracks_rcpts;   /* track-recipient-events */
	bool logs_resolution;
	bool hold;
	bool discard;	  /* type discard */
	uint8_t delivery; /* enum delivery_type */
	bool is_local; /* type pipe, file, http-delivery: no host, a command for each recipient */
	bool is_unsupported; /* of these, but its command, path or URL is missing: its mail waits */
	bool discard_as_bounce;
	bool no_rollup; /* disable-mx-rollup */
	bool bounce_5xx_greeting;
	bool means_invalid_553;
	bool retry_upon_new_mail;
	bool reroutes;	     /* another VirtualMTA takes over, always or in backoff */
	bool mx_gone_by_421; /* smtp-421-means-mx-unavailable */
	bool use_dane;	     /* where TLS is used at all */
	bool use_mta_sts;    /* the same */
	bool check_spf;	     /* check-spf-outbound */
	bool no_dsn;	     /* deliver-local-dsn no */
	bool is_alone;	     /* add-fbl-id yes: one recipient a transaction */
	bool hides_421;	     /* replace-smtp-421-service-response */
	bool may_interrupt, may_interrupt_transfer; /* allow-priority-interruption… */
	bool may_cancel_transfer;		    /* allow-cancel-during-transfer */
	uint8_t priority;			    /* queue-priority */
	struct rate_conf rates;
	uint8_t no_acct; /* 1 << enum acct_type: disabled */
};

/* Shared; valid until policy_forget_all(). */
const struct policy *policy_of(const struct conf_set *set);
/* The configuration changes: all policies go. */
void policy_forget_all(void);

#endif
