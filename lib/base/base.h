/*
 * The first header of every file after its own: fixed-width integers, compile-time helpers, and a ban on the
 * calls that have no bounds. It must never grow functions: those live in the modules beside it.
 */
#ifndef PH_BASE_BASE_H
#define PH_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PH_VERSION "0.1.0"

#define countof(a)			 (sizeof(a) / sizeof((a)[0]))
#define ph_container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#define PH_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PH_MUST_CHECK	__attribute__((warn_unused_result))
#define PH_NORETURN	__attribute__((noreturn))
#define PH_UNUSED	__attribute__((unused))

#define PH_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PH_MAX(a, b) ((a) > (b) ? (a) : (b))

/* glibc's checked forms of these are macros with some compilers */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll gets system popen

#endif
