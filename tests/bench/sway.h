#ifndef TESTS_SWAY_H
#define TESTS_SWAY_H

#include "process.h"

/* A headless sway with the renderer that our sessions have, to compare with. */
struct sway {
	struct process process;
	char folder[80]; // its runtime directory
};

/* Starts it and waits until it serves. config: its configuration. Returns 0 or -errno,
 * -ENOENT where there is no sway; sway_finish() cleans up in either case. */
int sway_start(struct sway *sway, const char *config);
void sway_finish(struct sway *sway);

struct wl_display *sway_connect(const struct sway *sway);

#endif
