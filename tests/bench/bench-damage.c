/*
 * Finding what has changed in a frame: sums of its tiles, against memcmp with a copy of it,
 * and where all has changed, against the memcpy that would bring such a copy up to date.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "damage.h"
#include "measure.h"

#define REPEAT 40

struct bench {
	uint32_t width, height;
	size_t size;
	uint8_t *pixels, *other; // equal frames
	struct damage damage;
	uint32_t change_width, change_height; // redrawn before each look
	uint8_t colour;
};

static void redraw(struct bench *bench) {
	bench->colour++;
	for (uint32_t y = 0; y < bench->change_height; y++) {
		memset(bench->pixels + ((size_t)(y + 3) * bench->width + 5) * 4, bench->colour,
			(size_t)bench->change_width * 4);
	}
}

static void redraw_all(struct bench *bench) {
	bench->colour++;
	memset(bench->pixels, bench->colour, bench->size);
}

static double compare_tiles(void *data) {
	struct bench *bench = data;
	uint64_t spent = 0, boxes = 0;
	for (int i = 0; i < REPEAT; i++) {
		struct damage_boxes changed;
		redraw(bench);
		uint64_t before = clock_nsec();
		damage_compare(&bench->damage, bench->pixels, bench->width * 4, &changed);
		spent += clock_nsec() - before;
		boxes += changed.len;
	}
	bool expected = (boxes > 0) == (bench->change_width > 0);
	return expected ? (double)spent / REPEAT / 1000 : NAN;
}

static double compare_all(void *data) {
	struct bench *bench = data;
	memcpy(bench->pixels, bench->other, bench->size);
	uint64_t before = clock_nsec();
	int difference = 0;
	for (int i = 0; i < REPEAT; i++) {
		difference |= memcmp(bench->pixels, bench->other, bench->size);
		__asm__ volatile("" : : "r"(bench->pixels) : "memory");
	}
	return difference == 0 ? (double)(clock_nsec() - before) / REPEAT / 1000 : NAN;
}

static double compare_changed(void *data) {
	struct bench *bench = data;
	uint64_t spent = 0;
	for (int i = 0; i < REPEAT; i++) {
		struct damage_boxes changed;
		redraw_all(bench);
		uint64_t before = clock_nsec();
		damage_compare(&bench->damage, bench->pixels, bench->width * 4, &changed);
		spent += clock_nsec() - before;
	}
	return (double)spent / REPEAT / 1000;
}

static double copy_all(void *data) {
	struct bench *bench = data;
	uint64_t spent = 0;
	for (int i = 0; i < REPEAT; i++) {
		redraw_all(bench);
		uint64_t before = clock_nsec();
		memcpy(bench->other, bench->pixels, bench->size);
		__asm__ volatile("" : : "r"(bench->other) : "memory");
		spent += clock_nsec() - before;
	}
	return (double)spent / REPEAT / 1000;
}

static bool init(struct bench *bench, uint32_t width, uint32_t height) {
	*bench = (struct bench){.width = width, .height = height};
	bench->size = (size_t)width * height * 4;
	bench->pixels = calloc(1, bench->size);
	bench->other = calloc(1, bench->size);
	if (bench->pixels == NULL || bench->other == NULL ||
		!damage_init(&bench->damage, width, height, 4)) {
		return false;
	}
	for (size_t i = 0; i < bench->size; i++) {
		bench->pixels[i] = bench->other[i] = (uint8_t)(i * 7 + i / 4096);
	}
	struct damage_boxes changed;
	damage_compare(&bench->damage, bench->pixels, width * 4, &changed);
	return true;
}

static void finish(struct bench *bench) {
	damage_finish(&bench->damage);
	free(bench->pixels);
	free(bench->other);
}

static bool run_size(uint32_t width, uint32_t height) {
	struct bench bench;
	char name[3][64], what[3][96];
	bool good = init(&bench, width, height);
	snprintf(name[0], sizeof(name[0]), "damage-still-%u", height);
	snprintf(what[0], sizeof(what[0]), "look at an unchanged %ux%u frame", width, height);
	snprintf(name[1], sizeof(name[1]), "damage-small-%u", height);
	snprintf(what[1], sizeof(what[1]), "look at %ux%u with 100x20 changed", width, height);
	snprintf(name[2], sizeof(name[2]), "damage-full-%u", height);
	snprintf(what[2], sizeof(what[2]), "look at %ux%u, all of it changed", width, height);
	const struct measure still = {name[0], what[0], "us", "memcmp of the frame", 1.0, false,
		compare_tiles, compare_all, &bench, 7};
	good = good && measure_run(&still);
	bench.change_width = 100;
	bench.change_height = 20;
	const struct measure small = {name[1], what[1], "us", "memcmp of the frame", 1.0, false,
		compare_tiles, compare_all, &bench, 7};
	good = good && measure_run(&small);
	const struct measure full = {name[2], what[2], "us", "memcpy of the frame", 1.0, false,
		compare_changed, copy_all, &bench, 7};
	good = good && measure_run(&full);
	finish(&bench);
	return good;
}

int main(void) {
	return run_size(1024, 768) && run_size(1920, 1080) ? EXIT_SUCCESS : EXIT_FAILURE;
}
