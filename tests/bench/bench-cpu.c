/*
 * Processor time of mullion-device and mullion for each frame that they show, without
 * the guest's own. The yardstick is a memcpy of the same frame, in the same rounds: what
 * the least thing costs that could be done with it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "desk.h"
#include "measure.h"

#define GUEST "bench"
#define WIDTH 1024
#define HEIGHT 768
#define FRAME ((size_t)WIDTH * HEIGHT * 4)
#define FRAMES 60
#define COPIES 50
#define IDLE_RUNS 3
#define RUNS_MAX 16

struct bench {
	struct desk desk;
	uint8_t *from, *to;
	uint32_t draw_width, draw_height;
	bool hint;
	uint32_t colour;
	double device[RUNS_MAX], mullion[RUNS_MAX]; // us a frame of each, run by run
	size_t runs;
};

struct spent {
	int64_t device, mullion; // us
};

static struct spent cpu_now(struct bench *bench) {
	return (struct spent){
		.device = process_cpu_usec(bench->desk.device),
		.mullion = process_cpu_usec(bench->desk.session.process.pid),
	};
}

static double cost_of_frames(void *data) {
	struct bench *bench = data;
	struct desk *desk = &bench->desk;
	int64_t frames = session_window(&desk->session, GUEST, "frames");
	struct spent before = cpu_now(bench);
	uint64_t start = clock_nsec();
	for (uint64_t i = 0; i < FRAMES; i++) {
		bench->colour += 0x010101;
		bochs_fill(&desk->guest, 0, 0, bench->draw_width, bench->draw_height,
			bench->colour & 0xffffff);
		if (bench->hint) {
			bochs_hint(&desk->guest);
		}
		desk_sleep_until(start + (i + 1) * DESK_PERIOD_NSEC);
	}
	struct spent after = cpu_now(bench);
	frames = session_window(&desk->session, GUEST, "frames") - frames;
	if (after.device < 0 || after.mullion < 0 || frames < FRAMES / 4 ||
		bench->runs == RUNS_MAX) {
		return NAN;
	}
	double device = (double)(after.device - before.device) / (double)frames;
	double mullion = (double)(after.mullion - before.mullion) / (double)frames;
	bench->device[bench->runs] = device;
	bench->mullion[bench->runs++] = mullion;
	return device + mullion;
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

/* ms a second, in which nothing changes. */
static double cost_of_idling(struct bench *bench) {
	desk_sleep_until(clock_nsec() + NSEC_PER_SEC);
	struct spent before = cpu_now(bench);
	desk_sleep_until(clock_nsec() + NSEC_PER_SEC);
	struct spent after = cpu_now(bench);
	return (double)(after.device - before.device + after.mullion - before.mullion) / 1000;
}

static bool run(struct bench *bench, uint32_t width, uint32_t height, bool hint, const char *name,
	const char *what, double target) {
	bench->draw_width = width;
	bench->draw_height = height;
	bench->hint = hint;
	bench->runs = 0;
	const struct measure measure = {name, what, "us", "memcpy of a frame", target, false,
		cost_of_frames, cost_of_copy, bench, 3};
	char part[64];
	bool good = measure_run(&measure);
	snprintf(part, sizeof(part), "%s-device", name);
	measure_print(part, "of that, mullion-device", "us", bench->device, bench->runs, 0, false);
	snprintf(part, sizeof(part), "%s-mullion", name);
	measure_print(part, "of that, mullion", "us", bench->mullion, bench->runs, 0, false);
	return good;
}

int main(void) {
	struct bench bench = {.from = calloc(1, FRAME), .to = calloc(1, FRAME)};
	if (bench.from == NULL || bench.to == NULL) {
		return EXIT_FAILURE;
	}
	desk_start(&bench.desk, "1280x1024", WIDTH, HEIGHT);
	// 0.25 and 0.15 ms where a memcpy takes 0.05 ms.
	bool good = run(&bench, WIDTH, HEIGHT, false, "cpu-full",
			    "processor time a shown frame, all of 1024x768 changed", 5) &&
		run(&bench, 100, 20, false, "cpu-small",
			"processor time a shown frame, 100x20 of 1024x768 changed", 3) &&
		run(&bench, 100, 20, true, "cpu-small-hint",
			"the same, with a dispi hint each frame", 3);
	double idle[IDLE_RUNS];
	for (int i = 0; good && i < IDLE_RUNS; i++) {
		idle[i] = cost_of_idling(&bench);
	}
	if (good) {
		measure_print("cpu-idle", "processor time a second, nothing changes", "ms/s", idle,
			IDLE_RUNS, 5, false);
	}
	desk_finish(&bench.desk);
	free(bench.from);
	free(bench.to);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
