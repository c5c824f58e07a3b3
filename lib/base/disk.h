/*
 * Is a disk full? For who was refused something by a disk and wants to know whether to wait; it must not be asked before a
 * write, for the answer is old at once.
 */
#ifndef PH_BASE_DISK_H
#define PH_BASE_DISK_H

#include "lib/base/base.h"

/* The file system of fd (of a file or directory) has less room than this for an ordinary user, or hardly any more files. */
bool disk_is_full(int fd, uint64_t bytes);

#endif
