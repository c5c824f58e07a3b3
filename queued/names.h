/*
 * Names that come from the configuration (VirtualMTAs, pools), each kept once for the life of the process and
 * named by a small number. 0 is the empty name.
 */
#ifndef PH_QUEUED_NAMES_H
#define PH_QUEUED_NAMES_H

#include "lib/base/str.h"

uint32_t name_number(struct str s);
struct str name_text(uint32_t number);

#endif
