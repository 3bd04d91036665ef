#include "edid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define UM_PER_INCH 25400
#define PIXELS_PER_INCH 96 // at EDID_SCALE
#define SCALE_MIN 30       // 120ths
#define SCALE_MAX 1200

/* CVT reduced blanking, version 1. */
#define H_BLANK 160
#define H_FRONT 48
#define H_SYNC 32
#define V_FRONT 3
#define V_BACK_MIN 6
#define V_BLANK_MIN_US 460

#define CLOCK_MAX 0xffffff            // of a DisplayID timing, in 10 kHz
#define DETAILED_CLOCK_MAX UINT16_MAX // of EDID's

#define BLOCK_SIZE 128
#define DESCRIPTORS 54
#define DESCRIPTOR_SIZE 18

/* The whole monitor, in millimetres. */
struct extent {
	uint32_t width, height;
};

struct timing {
	uint32_t width, height;
	uint32_t v_blank, v_sync; // lines
	uint32_t clock;           // 10 kHz
};

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high) {
	return value < low ? low : value > high ? high : value;
}

/* CVT gives each aspect ratio a sync of its own, by which a monitor knows it. */
static uint32_t vertical_sync(uint32_t width, uint32_t height) {
	if (width * 3 == height * 4) {
		return 4;
	}
	if (width * 9 == height * 16) {
		return 5;
	}
	if (width * 10 == height * 16) {
		return 6;
	}
	if (width * 4 == height * 5 || width * 9 == height * 15) {
		return 7;
	}
	return 10;
}

static struct timing compute_timing(uint32_t width, uint32_t height, uint32_t refresh) {
	struct timing timing = {
		.width = clamp(width, 64, EDID_MAX_SIZE),
		.height = clamp(height, 64, EDID_MAX_SIZE),
	};
	refresh = clamp(refresh, 1000, 1000000);
	timing.v_sync = vertical_sync(timing.width, timing.height);
	// The lines that pass in the shortest blanking: us * lines a second, which are
	// height * refresh less the time of the blanking itself.
	uint64_t period = UINT64_C(1000000000) / refresh; // us of a frame
	uint64_t visible = period > 2 * V_BLANK_MIN_US ? period - V_BLANK_MIN_US : period / 2;
	uint64_t blank = (uint64_t)V_BLANK_MIN_US * timing.height / visible + 1;
	uint32_t least = V_FRONT + timing.v_sync + V_BACK_MIN;
	timing.v_blank = clamp(blank > 4095 ? 4095 : (uint32_t)blank, least, 4095);
	uint64_t pixels = (uint64_t)(timing.width + H_BLANK) * (timing.height + timing.v_blank);
	uint64_t clock = (pixels * refresh + 5000000) / 10000000;
	bool large = timing.width > EDID_DETAILED_MAX || timing.height > EDID_DETAILED_MAX;
	uint32_t limit = large ? CLOCK_MAX : DETAILED_CLOCK_MAX;
	timing.clock = clock > limit ? limit : (uint32_t)clock;
	return timing;
}

/* At most what a detailed timing can say. */
static uint32_t millimetres(uint32_t pixels, uint32_t scale) {
	uint64_t per_inch = (uint64_t)PIXELS_PER_INCH * scale;
	uint64_t um = (uint64_t)pixels * UM_PER_INCH * EDID_SCALE / per_inch;
	return um > 4095000 ? 4095 : clamp((uint32_t)((um + 500) / 1000), 1, 4095);
}

static struct extent compute_extent(const struct timing *timing, uint32_t scale) {
	scale = clamp(scale != 0 ? scale : EDID_SCALE, SCALE_MIN, SCALE_MAX);
	return (struct extent){
		millimetres(timing->width, scale), millimetres(timing->height, scale)};
}

static void put_detailed(uint8_t *at, const struct timing *timing, const struct extent *mm) {
	at[0] = timing->clock & 0xff;
	at[1] = timing->clock >> 8;
	at[2] = timing->width & 0xff;
	at[3] = H_BLANK;
	at[4] = (timing->width >> 8) << 4;
	at[5] = timing->height & 0xff;
	at[6] = timing->v_blank & 0xff;
	at[7] = (timing->height >> 8) << 4 | timing->v_blank >> 8;
	at[8] = H_FRONT;
	at[9] = H_SYNC;
	at[10] = V_FRONT << 4 | timing->v_sync;
	at[12] = mm->width & 0xff;
	at[13] = mm->height & 0xff;
	at[14] = (mm->width >> 8) << 4 | mm->height >> 8;
	at[17] = 0x1a; // digital, separate sync, horizontal positive: reduced blanking's mark
}

/* text has at most EDID_NAME_LENGTH characters. */
static void put_text(uint8_t *at, uint8_t tag, const char *text) {
	at[3] = tag;
	memset(&at[5], ' ', EDID_NAME_LENGTH);
	size_t length = strlen(text);
	memcpy(&at[5], text, length);
	if (length < EDID_NAME_LENGTH) {
		at[5 + length] = '\n';
	}
}

/* Names may be UTF-8, and a monitor's cannot: a character becomes one '?'. */
static void clean_name(char ret[EDID_NAME_LENGTH + 1], const char *name) {
	size_t length = 0, shown = 0;
	for (; name != NULL && *name != '\0' && length < EDID_NAME_LENGTH; name++) {
		unsigned char byte = (unsigned char)*name;
		if ((byte & 0xc0) == 0x80 || (byte == ' ' && length == 0)) {
			continue; // a later byte of a character; leading space
		}
		ret[length++] = byte >= ' ' && byte <= '~' ? (char)byte : '?';
		shown = byte != ' ' ? length : shown;
	}
	ret[shown] = '\0';
	if (shown == 0) {
		memcpy(ret, "mullion", sizeof("mullion"));
	}
}

static void put_limits(uint8_t *at) {
	at[3] = 0xfd;
	at[5] = 1; // Hz, vertical
	at[6] = 240;
	at[7] = 1; // kHz, horizontal
	at[8] = 255;
	at[9] = 66; // 10 MHz
	at[10] = 1; // nothing more about timing formulas
	at[11] = '\n';
	memset(&at[12], ' ', 6);
}

/* Width and shape of a mode of 60 Hz. */
enum aspect {
	ASPECT_16_10 = 0 << 6,
	ASPECT_4_3 = 1 << 6,
	ASPECT_5_4 = 2 << 6,
	ASPECT_16_9 = 3 << 6,
};

static const struct {
	uint16_t width;
	enum aspect aspect;
} standard_modes[8] = {
	{1920, ASPECT_16_9},
	{1920, ASPECT_16_10},
	{1680, ASPECT_16_10},
	{1600, ASPECT_4_3},
	{1600, ASPECT_16_9},
	{1280, ASPECT_5_4},
	{1280, ASPECT_16_10},
	{1280, ASPECT_16_9},
};

/* Chromaticity of sRGB, ten bits each: red, green, blue, white. */
static const uint8_t srgb[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};

static void put16(uint8_t *at, uint32_t value) {
	at[0] = value & 0xff;
	at[1] = value >> 8 & 0xff;
}

static void put32(uint8_t *at, uint32_t value) {
	put16(at, value);
	put16(&at[2], value >> 16);
}

static void put_header(uint8_t *ret, const struct extent *mm, uint32_t serial) {
	memset(&ret[1], 0xff, 6);
	const unsigned maker = ('M' - '@') << 10 | ('L' - '@') << 5 | ('N' - '@');
	ret[8] = maker >> 8;
	ret[9] = maker & 0xff;
	ret[10] = 1; // product
	put32(&ret[12], serial);
	ret[16] = 1;  // week
	ret[17] = 35; // year less 1990
	ret[18] = 1;  // EDID 1.4
	ret[19] = 4;
	ret[20] = 0xa5; // digital, 8 bits a colour, DisplayPort
	ret[21] = (uint8_t)clamp(mm->width / 10, 1, 255);
	ret[22] = (uint8_t)clamp(mm->height / 10, 1, 255);
	ret[23] = 120;  // gamma 2.2
	ret[24] = 0x06; // sRGB; the preferred timing is the monitor's own
	memcpy(&ret[25], srgb, sizeof(srgb));
	ret[35] = 0x21; // 640x480 and 800x600 at 60 Hz
	ret[36] = 0x08; // 1024x768 at 60 Hz
	for (size_t i = 0; i < 8; i++) {
		ret[38 + 2 * i] = (uint8_t)(standard_modes[i].width / 8 - 31);
		ret[39 + 2 * i] = (uint8_t)standard_modes[i].aspect;
	}
}

/* Makes size bytes sum to 0 by the one after them. */
static void put_checksum(uint8_t *from, size_t size) {
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum += from[i];
	}
	from[size] = (uint8_t)-sum;
}

/* DisplayID 1.3, 4.2: who made it. Returns what follows. */
static uint8_t *put_product(uint8_t *at, uint32_t serial) {
	at[2] = 12; // bytes
	memcpy(&at[3], "MLN", 3);
	at[6] = 1; // product
	put32(&at[8], serial);
	at[12] = 1;  // week
	at[13] = 25; // year less 2000
	return at + 15;
}

/* DisplayID 1.3, 4.4.2: a type I timing. All values are less one. */
static void put_type_1(uint8_t *block, const struct timing *timing) {
	block[0] = 3;  // type I timings
	block[2] = 20; // bytes of one
	uint8_t *at = &block[3];
	put16(at, timing->clock - 1);
	at[2] = (timing->clock - 1) >> 16;
	at[3] = 0x88; // preferred; no aspect ratio of the list
	put16(&at[4], timing->width - 1);
	put16(&at[6], H_BLANK - 1);
	put16(&at[8], (H_FRONT - 1) | 0x8000); // horizontal sync is positive
	put16(&at[10], H_SYNC - 1);
	put16(&at[12], timing->height - 1);
	put16(&at[14], timing->v_blank - 1);
	put16(&at[16], V_FRONT - 1);
	put16(&at[18], timing->v_sync - 1);
}

/* DisplayID 1.3, 4.3: sizes in tenths of millimetres and in pixels, and what kind it is. */
static uint8_t *put_parameters(uint8_t *at, const struct timing *timing, const struct extent *mm) {
	at[0] = 1;  // display parameters
	at[2] = 12; // bytes
	put16(&at[3], mm->width * 10);
	put16(&at[5], mm->height * 10);
	put16(&at[7], timing->width);
	put16(&at[9], timing->height);
	at[12] = 120; // gamma 2.2
	// Wide by high, less one, in hundredths.
	at[13] = (uint8_t)clamp(timing->width * 100 / timing->height, 100, 355) - 100;
	at[14] = 0x77; // 8 bits a colour
	return at + 15;
}

/* DisplayID 1.3, 4.9: how it is connected. */
static uint8_t *put_interface(uint8_t *at) {
	at[0] = 0x0f; // display interface
	at[2] = 10;   // bytes
	at[3] = 0xa4; // DisplayPort, four lanes
	at[4] = 0x12; // its version
	at[5] = 0x02; // RGB of 8 bits
	return at + 13;
}

static void put_displayid(
	uint8_t *block, const struct timing *timing, const struct extent *mm, uint32_t serial) {
	block[0] = 0x70;
	block[1] = 0x13;
	block[2] = BLOCK_SIZE - 7; // bytes of data
	block[3] = 3;              // a display of its own
	uint8_t *at = put_product(&block[5], serial);
	put_type_1(put_interface(put_parameters(at, timing, mm)), timing);
	put_checksum(&block[1], BLOCK_SIZE - 3);
	put_checksum(block, BLOCK_SIZE - 1);
}

void edid_generate(uint8_t ret[EDID_SIZE], const struct edid_monitor *monitor) {
	memset(ret, 0, EDID_SIZE);
	const struct timing preferred =
		compute_timing(monitor->width, monitor->height, monitor->refresh);
	const struct extent mm = compute_extent(&preferred, monitor->scale);
	uint8_t *descriptor = &ret[DESCRIPTORS];
	put_header(ret, &mm, monitor->serial);
	if (preferred.width > EDID_DETAILED_MAX || preferred.height > EDID_DETAILED_MAX) {
		ret[126] = 1;
		put_displayid(&ret[BLOCK_SIZE], &preferred, &mm, monitor->serial);
		const struct timing fallback = compute_timing(1920, 1080, 60000);
		put_detailed(descriptor, &fallback, &mm);
		descriptor[DESCRIPTOR_SIZE + 3] = 0x10; // limits cannot say so much: none
	} else {
		put_detailed(descriptor, &preferred, &mm);
		put_limits(descriptor + DESCRIPTOR_SIZE);
	}
	char name[EDID_NAME_LENGTH + 1], serial[EDID_NAME_LENGTH + 1];
	clean_name(name, monitor->name);
	snprintf(serial, sizeof(serial), "%u", monitor->serial);
	put_text(descriptor + 2 * DESCRIPTOR_SIZE, 0xfc, name);
	put_text(descriptor + 3 * DESCRIPTOR_SIZE, 0xff, serial);
	put_checksum(ret, BLOCK_SIZE - 1);
}
