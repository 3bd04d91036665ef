/*
 * Switching a guest's desktop to the full screen and back: from the call of
 * io.mullion.Desktop.Fullscreen to the commit of the first output frame that shows it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "desk.h"
#include "measure.h"

#define GUEST "bench"
#define COLOUR 0x00c060
#define SWITCHES 20
#define REFRESH_MSEC 16.7

/* A place that the guest's picture covers only in full screen. */
#define PROBE_X 1200
#define PROBE_Y 500

/* ms until the probe shows the guest, or no longer does; negative where it never did. */
static double switch_to(struct desk *desk, bool fullscreen, int rest_msec) {
	// Until nothing changes any more, and the next change is waited for: a frame that
	// nobody asked to see would be missed.
	while (observer_wait(desk->observer, rest_msec)) {
	}
	uint64_t start = clock_nsec(), end = start + 2 * NSEC_PER_SEC;
	const char *key = fullscreen ? "name" : NULL;
	if (session_call(&desk->session, "Fullscreen", key, GUEST, NULL) < 0) {
		return -1;
	}
	while (clock_nsec() < end) {
		if (observer_wait(desk->observer, 100) && desk->observer->committed >= start &&
			(observer_pixel(desk->observer, PROBE_X, PROBE_Y) == COLOUR) ==
				fullscreen) {
			return (double)(desk->observer->committed - start) / 1e6;
		}
	}
	return -1;
}

int main(void) {
	struct desk desk;
	double to[SWITCHES], back[SWITCHES];
	desk_start(&desk, "1280x1024", 800, 600);
	bochs_fill(&desk.guest, 0, 0, 800, 600, COLOUR);
	desk_observe(&desk);
	desk_sleep_until(clock_nsec() + NSEC_PER_SEC / 2);
	bool good = true;
	for (int i = 0; good && i < SWITCHES; i++) {
		to[i] = switch_to(&desk, true, 37 + i);
		back[i] = switch_to(&desk, false, 41 + i);
		good = to[i] >= 0 && back[i] >= 0;
	}
	if (good) {
		measure_print("fullscreen", "call to the first full-screen frame, 800x600 scaled",
			"ms", to, SWITCHES, REFRESH_MSEC, false);
		measure_print("fullscreen-back", "call to the first frame with windows again", "ms",
			back, SWITCHES, REFRESH_MSEC, false);
	} else {
		fprintf(stderr, "fullscreen: the switch was never seen on the output\n");
	}
	desk_finish(&desk);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
