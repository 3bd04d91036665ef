/*
 * Looks at PNG pictures for the tests and the demo.
 *
 *	picture size FILE                      prints WIDTHxHEIGHT
 *	picture plain FILE [X Y W H]           succeeds where all pixels are of one colour
 *	picture card FILE [X Y W H]            succeeds where it is the test card, bit by bit
 *	picture moving FILE N MIN MAX [X Y W H]
 *	                                       succeeds where it is one frame of the moving
 *	                                       picture of guest N, and prints its number; says
 *	                                       "torn" where all pixels are of frames from MIN
 *	                                       to MAX, and else what is wrong
 *	picture same FILE X Y FILE X Y W H     succeeds where two areas are equal
 *	picture differ FILE FILE               prints how many pixels differ
 *	picture colour FILE X Y                prints #rrggbb
 *	picture near FILE X Y FILE X Y W H N   as same, but each colour may be off by N
 *
 * Status 0: yes, 1: no (and a line that says where), 2: the picture cannot be read.
 */
#include <cairo.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/card.h"
#include "guests/moving.h"

struct picture {
	cairo_surface_t *surface; // owned
	const uint8_t *data;
	int width, height, stride;
};

struct area {
	int x, y, width, height;
};

static void picture_load(struct picture *picture, const char *file) {
	picture->surface = cairo_image_surface_create_from_png(file);
	if (cairo_surface_status(picture->surface) != CAIRO_STATUS_SUCCESS) {
		fprintf(stderr, "picture: %s cannot be read: %s\n", file,
			cairo_status_to_string(cairo_surface_status(picture->surface)));
		exit(2);
	}
	cairo_format_t format = cairo_image_surface_get_format(picture->surface);
	if (format != CAIRO_FORMAT_RGB24 && format != CAIRO_FORMAT_ARGB32) {
		fprintf(stderr, "picture: %s is not in 8-bit colour\n", file);
		exit(2);
	}
	picture->data = cairo_image_surface_get_data(picture->surface);
	picture->width = cairo_image_surface_get_width(picture->surface);
	picture->height = cairo_image_surface_get_height(picture->surface);
	picture->stride = cairo_image_surface_get_stride(picture->surface);
}

static void picture_finish(struct picture *picture) {
	cairo_surface_destroy(picture->surface);
}

static uint32_t pixel(const struct picture *picture, int x, int y) {
	uint32_t value;
	memcpy(&value, picture->data + (size_t)y * picture->stride + (size_t)x * 4, 4);
	return value & 0xffffff;
}

static int number(const char *text) {
	char *end;
	long value = strtol(text, &end, 10);
	if (*end != '\0' || end == text || value < -100000000 || value > 100000000) {
		fprintf(stderr, "picture: '%s' is no number\n", text);
		exit(2);
	}
	return (int)value;
}

static bool inside(const struct picture *picture, const struct area *area) {
	return area->x >= 0 && area->y >= 0 && area->width > 0 && area->height > 0 &&
		area->x + area->width <= picture->width &&
		area->y + area->height <= picture->height;
}

/* The area that four words give, or the whole picture. */
static struct area area_of(const struct picture *picture, int argc, char **argv) {
	struct area area = {.width = picture->width, .height = picture->height};
	if (argc >= 4) {
		area = (struct area){
			number(argv[0]), number(argv[1]), number(argv[2]), number(argv[3])};
	}
	if (!inside(picture, &area)) {
		printf("%dx%d at %d,%d does not lie in a picture of %dx%d\n", area.width,
			area.height, area.x, area.y, picture->width, picture->height);
		exit(1);
	}
	return area;
}

static bool is_plain(const struct picture *picture, const struct area *area) {
	uint32_t first = pixel(picture, area->x, area->y);
	for (int y = 0; y < area->height; y++) {
		for (int x = 0; x < area->width; x++) {
			if (pixel(picture, area->x + x, area->y + y) != first) {
				printf("differs first at %d,%d\n", x, y);
				return false;
			}
		}
	}
	return true;
}

static bool is_card(const struct picture *picture, const struct area *area) {
	uint64_t wrong = 0;
	for (int y = 0; y < area->height; y++) {
		for (int x = 0; x < area->width; x++) {
			uint32_t is = pixel(picture, area->x + x, area->y + y);
			uint32_t ought = card_pixel(x, y, area->width, area->height);
			if (is != ought && wrong++ == 0) {
				printf("first wrong pixel at %d,%d: #%06x, not #%06x\n", x, y, is,
					ought);
			}
		}
	}
	if (wrong > 0) {
		printf("%llu of %d pixels are wrong\n", (unsigned long long)wrong,
			area->width * area->height);
	}
	return wrong == 0;
}

static bool is_moving(const struct picture *picture, const struct area *area, char **argv) {
	uint32_t guest = (uint32_t)number(argv[0]);
	int from = number(argv[1]), to = number(argv[2]), lowest = INT_MAX, highest = 0;
	for (int y = 0; y < area->height; y++) {
		for (int x = 0; x < area->width; x++) {
			uint32_t is = pixel(picture, area->x + x, area->y + y);
			int frame = (int)moving_frame((uint32_t)x, (uint32_t)y, guest, is);
			if (frame < from || frame > to) {
				printf("wrong: #%06x at %d,%d would be of frame %d, not of %d to %d\n",
					is, x, y, frame, from, to);
				return false;
			}
			lowest = frame < lowest ? frame : lowest;
			highest = frame > highest ? frame : highest;
		}
	}
	if (lowest != highest) {
		printf("torn: frames %d to %d\n", lowest, highest);
		return false;
	}
	printf("%d\n", lowest);
	return true;
}

static bool colours_near(uint32_t a, uint32_t b, int tolerance) {
	for (int shift = 0; shift < 24; shift += 8) {
		if (abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff)) > tolerance) {
			return false;
		}
	}
	return true;
}

static int compare(int argc, char **argv, int tolerance) {
	struct picture a, b;
	picture_load(&a, argv[0]);
	picture_load(&b, argv[3]);
	char *in_a[4] = {argv[1], argv[2], argv[6], argv[7]};
	struct area area_a = area_of(&a, 4, in_a), area_b = area_of(&b, 4, &argv[4]);
	int result = 0;
	for (int y = 0; y < area_a.height && result == 0; y++) {
		for (int x = 0; x < area_a.width && result == 0; x++) {
			uint32_t in_first = pixel(&a, area_a.x + x, area_a.y + y);
			uint32_t in_second = pixel(&b, area_b.x + x, area_b.y + y);
			if (!colours_near(in_first, in_second, tolerance)) {
				printf("first difference at %d,%d: #%06x and #%06x\n", x, y,
					in_first, in_second);
				result = 1;
			}
		}
	}
	picture_finish(&a);
	picture_finish(&b);
	return result;
}

static int cmd_differ(char **argv) {
	struct picture a, b;
	picture_load(&a, argv[0]);
	picture_load(&b, argv[1]);
	int different = 0;
	bool comparable = a.width == b.width && a.height == b.height;
	for (int y = 0; comparable && y < a.height; y++) {
		for (int x = 0; x < a.width; x++) {
			different += pixel(&a, x, y) != pixel(&b, x, y);
		}
	}
	printf("%d\n", comparable ? different : -1);
	picture_finish(&a);
	picture_finish(&b);
	return 0;
}

/* The commands on one picture and, where words are left, an area of it. */
static int look(const char *command, int argc, char **argv) {
	struct picture picture;
	picture_load(&picture, argv[0]);
	int result = 0;
	if (strcmp(command, "size") == 0) {
		printf("%dx%d\n", picture.width, picture.height);
	} else if (strcmp(command, "colour") == 0 && argc == 3) {
		char *one[4] = {argv[1], argv[2], "1", "1"};
		struct area area = area_of(&picture, 4, one);
		printf("#%06x\n", pixel(&picture, area.x, area.y));
	} else {
		struct area area = area_of(&picture, argc - 1, argv + 1);
		bool card = strcmp(command, "card") == 0;
		result = (card ? is_card(&picture, &area) : is_plain(&picture, &area)) ? 0 : 1;
	}
	picture_finish(&picture);
	return result;
}

static int cmd_moving(int argc, char **argv) {
	struct picture picture;
	picture_load(&picture, argv[0]);
	struct area area = area_of(&picture, argc - 4, argv + 4);
	bool is = is_moving(&picture, &area, argv + 1);
	picture_finish(&picture);
	return is ? 0 : 1;
}

int main(int argc, char **argv) {
	const char *command = argc > 2 ? argv[1] : "";
	bool area = argc == 3 || argc == 7;
	if (strcmp(command, "same") == 0 && argc == 10) {
		return compare(argc - 2, argv + 2, 0);
	} else if (strcmp(command, "near") == 0 && argc == 11) {
		return compare(argc - 2, argv + 2, number(argv[10]));
	} else if (strcmp(command, "differ") == 0 && argc == 4) {
		return cmd_differ(argv + 2);
	} else if (strcmp(command, "moving") == 0 && (argc == 6 || argc == 10)) {
		return cmd_moving(argc - 2, argv + 2);
	} else if ((strcmp(command, "size") == 0 && argc == 3) ||
		(strcmp(command, "colour") == 0 && argc == 5) ||
		((strcmp(command, "plain") == 0 || strcmp(command, "card") == 0) && area)) {
		return look(command, argc - 2, argv + 2);
	}
	fprintf(stderr, "usage: picture size|plain|card|moving|same|near|differ|colour FILE ...\n");
	return 2;
}
