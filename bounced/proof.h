/*
 * What a report or a complaint leads to, once it is proved that it concerns mail of ours: by whoever read it. The
 * same actions follow as from a reply; new suppressions are capped (max-suppress-rate), so that even what is believed
 * by mistake does little. A record is written in any case, by the caller.
 */
#ifndef PH_BOUNCED_PROOF_H
#define PH_BOUNCED_PROOF_H

#include "bounced/suppressed.h"
#include "lib/classify/classify.h"

/* the category of those who complained, for <bounce-action> and the database */
#define PROOF_COMPLAINT "complaint"

struct bounced;

/* texts are borrowed for the call */
struct proof {
	struct str address;	    /* the recipient as we sent to it */
	struct str vmta, pool, job; /* of our message; empty: not known */
	struct str scope;	    /* of a complaint: whose mail it is about; empty: everybody's */
	enum suppress_source source; /* SUPPRESS_REPORT or SUPPRESS_COMPLAINT */
	/* of a report: what it says about the recipient; the actions of the configuration decide. NULL, as for a
	 * complaint: the address is suppressed, unless an action for the category "complaint" says otherwise */
	const struct failure *failure;
	struct str text; /* for a person: "550 5.1.1 … (report from mx.example)" */
	/* comes when it is durable, if it was PROOF_SUPPRESSED, never from within; NULL: nobody waits */
	suppressed_done *done;
	void *ctx;
};
enum proof_result {
	PROOF_NOTHING, /* no action fits */
	PROOF_SUPPRESSED, /* will be durable within this turn of the loop or soon after, then `done` comes */
	PROOF_KNOWN,  /* it is suppressed already, for as long at least */
	PROOF_CAPPED, /* too many of late: counted and logged */
};
enum proof_result proof_apply(struct bounced *b, const struct proof *p);

/* The category for an rb record; the text lives until the configuration changes. */
struct verdict proof_judge(struct bounced *b, const struct failure *f);

#endif
