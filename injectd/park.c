/* Clients that were taken in and wait, without a greeting, for a slot of their <source-group>. */
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/xalloc.h"

#define MAX_PARKED 1024

struct parked {
	struct parked *next;
	struct net_addr client;
	int fd;
	uint16_t door;
};
static struct {
	struct parked *first, **end;
	size_t n;
} park = {.end = &park.first};

bool
park_any(void)
{
	return park.n > 0;
}

bool
park_add(int fd, uint16_t door, const struct net_addr *client)
{
	struct parked *p;

	if (park.n == MAX_PARKED)
		return false;
	p = xcalloc(1, sizeof *p);
	*p = (struct parked){.client = *client, .fd = fd, .door = door};
	*park.end = p;
	park.end = &p->next;
	park.n++;
	return true;
}

static struct parked *
take_first(void)
{
	struct parked *p = park.first;

	park.first = p->next;
	if (park.first == NULL)
		park.end = &park.first;
	park.n--;
	return p;
}

/* The oldest first; who still finds none goes to the end, in the same order as before. */
void
park_try(void)
{
	for (size_t left = park.n; left > 0; left--) {
		struct parked *p = take_first();
		slot_t slot = listen_slot_for(p->door, &p->client);
		if (slot != 0)
			conn_new(p->fd, p->door, &p->client, slot);
		else
			(void)park_add(p->fd, p->door, &p->client);
		free(p);
	}
}

void
park_free(void)
{
	while (park.n > 0) {
		struct parked *p = take_first();
		close(p->fd);
		free(p);
	}
}
