/*
 * Guests with virtio-gpu that draw at 60 Hz: processor time of their devices and of mullion
 * for each frame shown, for one guest and for many. The yardstick is a memcpy of a 1024x768
 * frame.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "desk.h"
#include "fleet.h"
#include "measure.h"

#define WIDTH 1024
#define HEIGHT 768
#define FRAME ((size_t)WIDTH * HEIGHT * 4)
#define FRAMES 60
#define COPIES 50
#define RUNS_MAX 16
#define RATE_BOUND 57                      // of 60 a second
#define MEMORY_BOUND (FRAME / 1024 + 2048) // KiB: a frame and 2 MiB

struct bench {
	struct fleet fleet;
	uint8_t *from, *to;
	struct guest_gpu_rect draw, flush;
	uint32_t colour;
	bool unchanged;
	double device[RUNS_MAX], mullion[RUNS_MAX], rate[RUNS_MAX]; // a frame of each; frames/s
	size_t runs;
};

/* Lets all guests draw for FRAMES refreshes. Returns the frames that were shown, or -1. */
static int64_t animate(struct bench *bench) {
	struct fleet *fleet = &bench->fleet;
	int64_t frames = fleet_frames(fleet);
	uint64_t start = clock_nsec();
	for (uint64_t i = 0; i < FRAMES; i++) {
		bench->colour += bench->unchanged ? 0 : 0x010101;
		for (unsigned guest = 0; guest < fleet->len; guest++) {
			if (fleet_draw(fleet, guest, bench->draw, bench->flush,
				    bench->colour & 0xffffff) < 0) {
				return -1;
			}
		}
		desk_sleep_until(start + (i + 1) * DESK_PERIOD_NSEC);
	}
	return fleet_frames(fleet) - frames;
}

static double cost_of_frames(void *data) {
	struct bench *bench = data;
	int64_t device = fleet_devices_cpu(&bench->fleet);
	int64_t mullion = fleet_mullion_cpu(&bench->fleet);
	uint64_t start = clock_nsec();
	int64_t frames = animate(bench);
	device = fleet_devices_cpu(&bench->fleet) - device;
	mullion = fleet_mullion_cpu(&bench->fleet) - mullion;
	// What is not to be shown is counted by what was flushed.
	double of = bench->unchanged ? FRAMES : (double)frames;
	if (frames < 0 || of < FRAMES / 4 || bench->runs == RUNS_MAX) {
		return NAN;
	}
	bench->rate[bench->runs] =
		(double)frames * NSEC_PER_SEC / (double)(clock_nsec() - start) / bench->fleet.len;
	bench->device[bench->runs] = (double)device / of;
	bench->mullion[bench->runs++] = (double)mullion / of;
	return (double)(device + mullion) / of;
}

static double cost_of_copy(void *data) {
	struct bench *bench = data;
	uint64_t before = clock_nsec();
	for (int i = 0; i < COPIES; i++) {
		memcpy(bench->to, bench->from, FRAME);
		__asm__ volatile("" : : "r"(bench->to) : "memory");
	}
	return (double)(clock_nsec() - before) / COPIES / 1000;
}

static bool run(struct bench *bench, const char *name, const char *what, double target) {
	bench->runs = 0;
	char part[64];
	const struct measure measure = {name, what, "us", "memcpy of a frame", target, false,
		cost_of_frames, cost_of_copy, bench, 3};
	if (!measure_run(&measure)) {
		return false;
	}
	snprintf(part, sizeof(part), "%s-devices", name);
	measure_print(part, "of that, mullion-device", "us", bench->device, bench->runs, 0, false);
	snprintf(part, sizeof(part), "%s-mullion", name);
	measure_print(part, "of that, mullion", "us", bench->mullion, bench->runs, 0, false);
	if (!bench->unchanged) {
		snprintf(part, sizeof(part), "%s-rate", name);
		measure_print(part, "frames shown of each guest", "1/s", bench->rate, bench->runs,
			RATE_BOUND, true);
	}
	return true;
}

/* One guest, in the size of which the targets speak. */
static bool run_one(struct bench *bench) {
	fleet_start(&bench->fleet, 1, "1280x1024", WIDTH, HEIGHT);
	const struct guest_gpu_rect all = {0, 0, WIDTH, HEIGHT};
	bench->flush = all;
	bench->draw = all;
	bool good = run(bench, "virtio-full", "processor time a frame, all of 1024x768 changed", 5);
	bench->draw = (struct guest_gpu_rect){40, 40, 100, 20};
	good = good && run(bench, "virtio-small", "100x20 changed, all of 1024x768 flushed", 3);
	bench->unchanged = true;
	good = good && run(bench, "virtio-same", "nothing changed, all of 1024x768 flushed", 2);
	bench->unchanged = false;
	double memory = (double)fleet_own_memory(bench->fleet.guests[0].device);
	measure_print("virtio-memory", "mullion-device's own memory", "KiB", &memory, 1,
		MEMORY_BOUND, false);
	fleet_finish(&bench->fleet);
	return good;
}

static bool run_many(struct bench *bench, unsigned guests) {
	char name[32], what[64];
	fleet_start(&bench->fleet, guests, "3200x2000", 320, 240);
	bench->draw = (struct guest_gpu_rect){40, 40, 100, 20};
	bench->flush = (struct guest_gpu_rect){0, 0, 320, 240};
	snprintf(name, sizeof(name), "guests-%u", guests);
	snprintf(
		what, sizeof(what), "%u guests of 320x240, 100x20 changed: a frame of one", guests);
	bool good = run(bench, name, what, 0);
	fleet_finish(&bench->fleet);
	return good;
}

int main(void) {
	static const unsigned guests[] = {1, 2, 4, 8, 16, 32};
	static struct bench bench;
	bench.from = calloc(1, FRAME);
	bench.to = calloc(1, FRAME);
	bool good = bench.from != NULL && bench.to != NULL && run_one(&bench);
	for (size_t i = 0; good && i < sizeof(guests) / sizeof(guests[0]); i++) {
		good = run_many(&bench, guests[i]);
	}
	free(bench.from);
	free(bench.to);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
