#include "fuzz.h"

#include "convert.h"
#include "damage.h"
#include "memfd.h"
#include "publish.h"
#include "scanout.h"
#include "slice.h"

/*
 * From a scanout's numbers to pixels: which scanouts are allowed, which a compositor can
 * read where they lie, what has changed, and what a pixel becomes. Each against the
 * plainest way to say the same.
 */

#define SIDE_MAX 300 // pixels, for what is looked at pixel by pixel
#define LIMIT 65536  // bytes of the slice

typedef unsigned __int128 wide;

static uint32_t channel(uint32_t value, unsigned bits) {
	uint32_t top = value << (8 - bits);
	return (top | top >> bits) & 0xff;
}

static uint32_t naive_pixel(
	enum scanout_format format, const uint32_t *palette, const uint8_t *at) {
	uint32_t value = 0;
	for (uint32_t i = 0; i < scanout_format_bytes(format); i++) {
		value |= (uint32_t)at[i] << 8 * i;
	}
	switch (format) {
	case SCANOUT_C8:
		value = palette[value];
		break;
	case SCANOUT_XRGB1555:
		value = channel(value >> 10 & 31, 5) << 16 | channel(value >> 5 & 31, 5) << 8 |
			channel(value & 31, 5);
		break;
	case SCANOUT_RGB565:
		value = channel(value >> 11, 5) << 16 | channel(value >> 5 & 63, 6) << 8 |
			channel(value & 31, 5);
		break;
	default:
		break;
	}
	return value | 0xff000000;
}

static void check_convert(struct fuzz_input *input, enum scanout_format format) {
	uint32_t width = fuzz_u8(input), palette[256];
	for (unsigned i = 0; i < 256; i++) {
		palette[i] = (i * 2654435761u) >> 8;
	}
	size_t size = (size_t)width * scanout_format_bytes(format);
	uint8_t *source = malloc(size > 0 ? size : 1);
	uint32_t *target = malloc(width > 0 ? width * sizeof(*target) : 1);
	FUZZ_CHECK(source != NULL && target != NULL);
	fuzz_take(input, source, size);
	convert_row(format, palette, source, target, width);
	for (uint32_t i = 0; i < width; i++) {
		FUZZ_CHECK(target[i] ==
			naive_pixel(format, palette, source + i * scanout_format_bytes(format)));
	}
	free(source);
	free(target);
}

static void check_layout(const struct scanout *scanout, uint64_t pool) {
	wide row = (wide)scanout->width * scanout_format_bytes(scanout->format);
	if (publish_layout_fits(scanout, pool)) {
		FUZZ_CHECK((wide)scanout->offset + (wide)scanout->stride * scanout->height <= pool);
		FUZZ_CHECK(scanout->stride >= row && scanout->stride <= INT32_MAX);
		FUZZ_CHECK((wide)scanout->stride * scanout->height <= INT32_MAX);
	}
}

static uint64_t any_number(struct fuzz_input *input) {
	uint8_t how = fuzz_u8(input);
	return how % 3 == 0 ? fuzz_u16(input) : how % 3 == 1 ? fuzz_u32(input) : fuzz_u64(input);
}

static void check_scanout(struct fuzz_input *input, const struct slice *slice) {
	enum scanout_format format = 1 + fuzz_u8(input) % 5;
	uint32_t width = (uint32_t)any_number(input), height = (uint32_t)any_number(input);
	uint64_t stride = any_number(input), offset = any_number(input);
	struct scanout scanout;
	wide row = (wide)width * scanout_format_bytes(format);
	bool fits = width >= 1 && height >= 1 && width <= SCANOUT_MAX_SIZE &&
		height <= SCANOUT_MAX_SIZE && stride >= row && stride <= UINT32_MAX &&
		offset + (wide)stride * (height - 1) + row <= slice->aperture;
	FUZZ_CHECK(scanout_compute(slice, slice->aperture, format, width, height, stride, offset,
			   &scanout) == fits);
	if (fits) {
		check_layout(&scanout, slice->aperture);
		check_layout(&scanout, fuzz_u32(input));
	}
}

static bool covered(const struct damage_boxes *boxes, uint32_t x, uint32_t y) {
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		if (x >= box->x && x - box->x < box->width && y >= box->y &&
			y - box->y < box->height) {
			return true;
		}
	}
	return false;
}

/* All that changed is covered, nothing outside of the frame is, and without change nothing. */
static void check_boxes(const struct damage *damage, const struct damage_boxes *boxes,
	const uint8_t *before, const uint8_t *after, uint32_t stride) {
	bool changed = false;
	FUZZ_CHECK(boxes->len <= DAMAGE_BOXES_MAX);
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		FUZZ_CHECK(box->width >= 1 && box->height >= 1);
		FUZZ_CHECK(box->x + box->width <= damage->width);
		FUZZ_CHECK(box->y + box->height <= damage->height);
	}
	for (uint32_t y = 0; y < damage->height; y++) {
		for (uint32_t x = 0; x < damage->width; x++) {
			size_t at = (size_t)y * stride + (size_t)x * damage->pixel;
			bool differs = memcmp(before + at, after + at, damage->pixel) != 0;
			changed |= differs;
			FUZZ_CHECK(!differs || covered(boxes, x, y));
		}
	}
	FUZZ_CHECK(changed || boxes->len == 0);
}

static void scribble(struct fuzz_input *input, uint8_t *pixels, size_t size) {
	for (unsigned n = fuzz_u8(input) % 32; n > 0; n--) {
		size_t at = fuzz_u32(input) % size, length = 1 + fuzz_u16(input) % 512;
		length = length < size - at ? length : size - at;
		memset(pixels + at, fuzz_u8(input), length);
	}
}

static void check_damage(struct fuzz_input *input) {
	uint32_t pixel = 1 + fuzz_u8(input) % 4;
	uint32_t width = 1 + fuzz_u16(input) % SIDE_MAX, height = 1 + fuzz_u16(input) % SIDE_MAX;
	uint32_t stride = width * pixel + fuzz_u8(input) % 17;
	size_t size = (size_t)stride * (height - 1) + (size_t)width * pixel;
	struct damage damage;
	FUZZ_CHECK(damage_init(&damage, width, height, pixel));
	uint8_t *pixels = calloc(1, size), *before = malloc(size);
	FUZZ_CHECK(pixels != NULL && before != NULL);
	struct damage_boxes boxes;
	damage_compare(&damage, pixels, stride, &boxes);
	FUZZ_CHECK(boxes.len == 1 && boxes.box[0].width == width && boxes.box[0].height == height);
	for (unsigned i = 0; i < 4 && input->size > 0; i++) {
		memcpy(before, pixels, size);
		scribble(input, pixels, size);
		damage_compare(&damage, pixels, stride, &boxes);
		check_boxes(&damage, &boxes, before, pixels, stride);
	}
	free(pixels);
	free(before);
	damage_finish(&damage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct slice slice;
	int fd = memfd_create_sealed("slice", 2 * LIMIT);
	FUZZ_CHECK(fd >= 0 && slice_init(&slice, fd, 0, 2 * LIMIT, LIMIT) == 0);
	for (unsigned i = 0; i < 64 && input.size > 0; i++) {
		uint8_t what = fuzz_u8(&input);
		if (what % 3 == 0) {
			check_convert(&input, 1 + what / 3 % 5);
		} else if (what % 3 == 1) {
			check_scanout(&input, &slice);
		} else {
			check_damage(&input);
		}
	}
	slice_finish(&slice);
	return 0;
}
