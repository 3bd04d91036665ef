#include "copy-rect.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LINE 64                 // bytes that caches handle at a time
#define AHEAD 8192              // bytes that are asked for before they are needed
#define LARGE ((size_t)1 << 18) // bytes that no cache need keep

#if defined(__SSE2__)

/* target: at the beginning of a line. */
static void copy_line(uint8_t *target, const uint8_t *source) {
	const __m128i *from = (const __m128i *)source;
	__m128i *to = (__m128i *)target;
	__m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
	__m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
	_mm_stream_si128(to, a);
	_mm_stream_si128(to + 1, b);
	_mm_stream_si128(to + 2, c);
	_mm_stream_si128(to + 3, d);
}

/* The ahead ones: from the row to the one that is asked for meanwhile. */
static void copy_row(uint8_t *target, const uint8_t *source, size_t row, size_t source_ahead,
	size_t target_ahead) {
	// What is there is not needed, but where it is takes as long to find.
	__builtin_prefetch(target + target_ahead, 1, 2);
	__builtin_prefetch(target + target_ahead + row - 1, 1, 2);
	size_t done = -(uintptr_t)target % LINE;
	done = done < row ? done : row;
	memcpy(target, source, done);
	for (; row - done >= LINE; done += LINE) {
		// Into the second level: of the first level's few requests the stores need some, too.
		__builtin_prefetch(source + source_ahead + done, 0, 2);
		copy_line(target + done, source + done);
	}
	memcpy(target + done, source + done, row - done);
}

static void copy_large(uint8_t *target, size_t target_stride, const uint8_t *source,
	size_t source_stride, size_t row, size_t rows) {
	size_t ahead = 1 + AHEAD / row;
	for (size_t y = 0; y < rows; y++) {
		size_t rows_ahead = y + ahead < rows ? ahead : 0;
		copy_row(target + y * target_stride, source + y * source_stride, row,
			rows_ahead * source_stride, rows_ahead * target_stride);
	}
	// Whoever shows the picture sees all of it.
	_mm_sfence();
}

#endif

void copy_rect(uint8_t *target, size_t target_stride, const uint8_t *source, size_t source_stride,
	size_t row, size_t rows) {
#if defined(__SSE2__)
	if (row > 0 && rows > 0 && row >= LARGE / rows) {
		copy_large(target, target_stride, source, source_stride, row, rows);
		return;
	}
#endif
	for (size_t y = 0; y < rows; y++) {
		memcpy(target + y * target_stride, source + y * source_stride, row);
	}
}
