#ifndef COMPOSITOR_COPY_RECT_H
#define COMPOSITOR_COPY_RECT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copies rows of bytes from one picture into another; strides in bytes. Made for pixels that
 * another processor has just written, and that this one does not read again: those of a large
 * rectangle pass the caches by.
 */
void copy_rect(uint8_t *target, size_t target_stride, const uint8_t *source, size_t source_stride,
	size_t row, size_t rows);

#endif
