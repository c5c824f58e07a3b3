#include "lib/classify/classify.h"

/* conf/bounce/rules, as it was when this was built */
static const char text[] =
#include "bounce_rules.inc"
    ;

struct str
classify_rules(void)
{
	return str_from(text, sizeof text - 1);
}
