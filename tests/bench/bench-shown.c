/*
 * From a guest's drawing into BAR0 to the commit of the output frame that contains it, seen
 * by a client that captures every output frame. The guest draws a block at 60 Hz in a
 * colour that counts, a little off the output's own rate, so that all phases occur.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "desk.h"
#include "measure.h"

#define FRAMES 300
#define DRAW_NSEC 16722222 // in FRAMES of them, each phase of the output once
#define BLOCK_WIDTH 100
#define BLOCK_HEIGHT 20
#define LIMIT_MSEC 9

struct run {
	struct desk *desk;
	uint64_t drawn[FRAMES]; // ns
	double shown[FRAMES];   // ms after that; frames that were never shown are left out
	size_t shown_len;
	uint32_t last;  // number of the last one seen
	uint32_t first; // colour of number 0
};

/* Colours that count, far from each other and from anything on the desktop. */
static uint32_t colour_of(uint32_t number) {
	return 0x800000 | number << 4;
}

static void look(struct run *run) {
	struct desk *desk = run->desk;
	uint32_t pixel = observer_pixel(
		desk->observer, desk->x + BLOCK_WIDTH / 2, desk->y + BLOCK_HEIGHT / 2);
	if ((pixel & 0x80000f) != 0x800000) {
		return;
	}
	uint32_t number = (pixel & 0x7fffff) >> 4;
	number -= run->first;
	if (number >= FRAMES || number == run->last || run->drawn[number] == 0) {
		return;
	}
	run->last = number;
	run->shown[run->shown_len++] =
		((double)desk->observer->committed - (double)run->drawn[number]) / 1e6;
}

static void watch_until(struct run *run, uint64_t end) {
	for (uint64_t now = clock_nsec(); now < end; now = clock_nsec()) {
		if (observer_dispatch(run->desk->observer)) {
			look(run);
			continue;
		}
		struct timespec wait = {.tv_nsec = (long)(end - now)};
		struct pollfd poll_fd = {.fd = observer_fd(run->desk->observer), .events = POLLIN};
		ppoll(&poll_fd, 1, &wait, NULL);
	}
}

static void run_frames(
	struct desk *desk, bool hint, bool full, const char *name, const char *what) {
	static uint32_t first;
	static struct run run;
	run = (struct run){.desk = desk, .last = UINT32_MAX, .first = first};
	first += FRAMES;
	uint64_t start = clock_nsec() + DRAW_NSEC;
	for (uint32_t i = 0; i < FRAMES; i++) {
		watch_until(&run, start + (uint64_t)i * DRAW_NSEC);
		bochs_fill(&desk->guest, 0, 0, full ? desk->guest.width : BLOCK_WIDTH,
			full ? desk->guest.height : BLOCK_HEIGHT, colour_of(run.first + i));
		run.drawn[i] = clock_nsec();
		if (hint) {
			bochs_hint(&desk->guest);
		}
	}
	watch_until(&run, clock_nsec() + 100000000);
	double seconds = (double)FRAMES * DRAW_NSEC / 1e9;
	char rate_name[64], rate_what[96];
	snprintf(rate_name, sizeof(rate_name), "%s-rate", name);
	snprintf(rate_what, sizeof(rate_what), "%s: frames shown, of %.1f drawn", what,
		FRAMES / seconds);
	measure_print(name, what, "ms", run.shown, run.shown_len, LIMIT_MSEC, false);
	double rate = (double)run.shown_len / seconds;
	measure_print(rate_name, rate_what, "1/s", &rate, 1, 57, true);
}

int main(void) {
	struct desk desk;
	desk_start(&desk, "1280x1024", 1024, 768);
	desk_observe(&desk);
	run_frames(&desk, false, false, "shown", "drawn to shown, 100x20 at 60 Hz, no hint");
	run_frames(&desk, true, false, "shown-hint", "drawn to shown, 100x20 at 60 Hz, dispi hint");
	run_frames(&desk, false, true, "shown-full", "drawn to shown, 1024x768 at 60 Hz, no hint");
	desk_finish(&desk);
	return EXIT_SUCCESS;
}
