/*
 * The watch over DNS block lists (RFC 5782): each of our source addresses is asked for in each dnsbl-zone, every two
 * hours or as the line says, a quarter more or less, one question after the other, and queued is told what changed.
 * Answers outside of 127.0.0.0/8, codes that mean "you may not ask" (such as 127.255.255.0/24), and zones that list
 * 127.0.0.1, which no list may, are never taken for a listing; what cannot be asked stays as it was.
 */
#ifndef PH_DNSD_BLOCKLIST_H
#define PH_DNSD_BLOCKLIST_H

#include "dnsd/lookup.h"
#include "lib/base/hmap.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"

#define BLOCKLIST_TOKEN                                                                            \
	(UINT64_C(1) << 62) /* in the tokens of its look-ups, without CHECKS_TOKEN */
#define BLOCKLIST_MAX 20000 /* pairs of address and zone; more are not watched */

struct blocklist_item;
struct blocklist {
	struct lookup *lookup;	     /* borrowed */
	struct ipc_chan *queue;	     /* borrowed; NULL: away */
	struct blocklist_item *list; /* owned */
	size_t n, next;
	struct hmap map; /* of the pairs, to places in the list from 1 on */
	uint32_t turn;	 /* of the list: answers to an older one's questions are passed over */
	struct ev_timer timer;
};

/* What an answer means. */
enum blocklist_verdict { BLOCKLIST_CLEAR, BLOCKLIST_LISTED, BLOCKLIST_UNKNOWN };
/* Pure. *code: the listing's, as 127.x.y.z in the low 24 bits. */
enum blocklist_verdict blocklist_judge(const struct wire_answer *a, uint32_t *code);
/* "2.0.0.127.zone", "…ip6 nibbles.zone"; false: it is too long, or no zone. */
bool blocklist_name(const struct net_addr *a, struct str zone, char out[WIRE_NAME_MAX]);

void blocklist_init(struct blocklist *b, struct lookup *l);
void blocklist_clear(struct blocklist *b);
/* Makes the list anew; what is known of the pairs that stay is kept. */
void blocklist_configure(struct blocklist *b, const struct conf *c);
/* queued has come (it is told all listings again) or gone (NULL). */
void blocklist_queue(struct blocklist *b, struct ipc_chan *queue);
void blocklist_on_answer(struct blocklist *b, uint64_t token, const struct wire_answer *a);

#endif
