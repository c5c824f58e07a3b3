#include "injectd/lines.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define BLOCK 64u

/* Where in a block there is what: a bit each, the first byte's lowest. */
struct marks {
	uint64_t cr, lf, dot;
	bool has_nul;
};

typedef struct marks marks_fn(const char *p);

/* Each form of it below becomes one loop, with the marks taken in place. */
static inline __attribute__((always_inline)) size_t
skip_with(struct str s, size_t max_line, struct lines_edge *e, marks_fn *marks_of)
{
	uint64_t was_cr = e->is_behind_cr, was_start = e->is_at_start;
	size_t i = 0, len = e->line_len + was_cr; /* of the line up to i, its CR too */

	for (; s.len - i >= BLOCK && len + BLOCK <= max_line; i += BLOCK) {
		struct marks m = marks_of(s.p + i);
		uint64_t starts = m.lf << 1 | was_start;
		if (m.has_nul || m.lf != (m.cr << 1 | was_cr) || (starts & m.dot) != 0)
			break;
		len = m.lf != 0 ? (size_t)__builtin_clzll(m.lf) : len + BLOCK;
		was_cr = m.cr >> (BLOCK - 1);
		was_start = m.lf >> (BLOCK - 1);
	}
	e->line_len = len - was_cr;
	e->is_behind_cr = was_cr != 0;
	e->is_at_start = was_start != 0;
	return i;
}

#ifdef __SSE2__
struct quarters {
	__m128i q[4];
};

static inline uint64_t
find16(const struct quarters *k, char c)
{
	__m128i w = _mm_set1_epi8(c);
	uint64_t bits = 0;

	for (unsigned i = 0; i < 4; i++)
		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(k->q[i], w)) << 16 * i;
	return bits;
}

static inline struct marks
marks_sse2(const char *p)
{
	const __m128i *at = (const void *)p;
	const struct quarters k = {{_mm_loadu_si128(at), _mm_loadu_si128(at + 1),
	    _mm_loadu_si128(at + 2), _mm_loadu_si128(at + 3)}};
	__m128i least = _mm_min_epu8(_mm_min_epu8(k.q[0], k.q[1]), _mm_min_epu8(k.q[2], k.q[3]));

	return (struct marks){
	    .cr = find16(&k, '\r'),
	    .lf = find16(&k, '\n'),
	    .dot = find16(&k, '.'),
	    .has_nul = _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0,
	};
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint64_t
find32(__m256i a, __m256i b, char c)
{
	__m256i w = _mm256_set1_epi8(c);

	return (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, w)) |
	       (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, w)) << 32;
}

AVX2 static inline struct marks
marks_avx2(const char *p)
{
	const __m256i *at = (const void *)p;
	__m256i a = _mm256_loadu_si256(at), b = _mm256_loadu_si256(at + 1);
	__m256i nul = _mm256_cmpeq_epi8(_mm256_min_epu8(a, b), _mm256_setzero_si256());

	return (struct marks){
	    .cr = find32(a, b, '\r'),
	    .lf = find32(a, b, '\n'),
	    .dot = find32(a, b, '.'),
	    .has_nul = _mm256_movemask_epi8(nul) != 0,
	};
}

AVX2 static size_t
skip_avx2(struct str s, size_t max_line, struct lines_edge *e)
{
	return skip_with(s, max_line, e, marks_avx2);
}

size_t
lines_skip_ordinary(struct str s, size_t max_line, struct lines_edge *e)
{
	if (__builtin_cpu_supports("avx2"))
		return skip_avx2(s, max_line, e);
	return skip_with(s, max_line, e, marks_sse2);
}
#else
static struct marks
marks_plain(const char *p)
{
	struct marks m = {0};

	for (unsigned i = 0; i < BLOCK; i++) {
		m.cr |= (uint64_t)(p[i] == '\r') << i;
		m.lf |= (uint64_t)(p[i] == '\n') << i;
		m.dot |= (uint64_t)(p[i] == '.') << i;
		m.has_nul |= p[i] == '\0';
	}
	return m;
}

size_t
lines_skip_ordinary(struct str s, size_t max_line, struct lines_edge *e)
{
	return skip_with(s, max_line, e, marks_plain);
}
#endif
