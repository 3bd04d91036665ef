#include "sway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wayland-client.h>

#include "../tree.h"
#include "clock.h"

#define START_USEC (20 * USEC_PER_SEC)
#define DISPLAYS 8 // wayland-0 and so on

struct wl_display *sway_connect(const struct sway *sway) {
	struct wl_display *display = NULL;
	for (int i = 0; display == NULL && i < DISPLAYS; i++) {
		char path[120];
		snprintf(path, sizeof(path), "%s/wayland-%d", sway->folder, i);
		display = wl_display_connect(path);
	}
	return display;
}

static int wait_until_it_serves(struct sway *sway) {
	for (uint64_t end = clock_usec() + START_USEC; clock_usec() < end; usleep(20000)) {
		struct wl_display *display = sway_connect(sway);
		if (display != NULL) {
			wl_display_disconnect(display);
			return 0;
		}
		if (!process_alive(&sway->process)) {
			return process_log_contains(&sway->process, "cannot run") ? -ENOENT
										  : -ECHILD;
		}
	}
	return -ETIMEDOUT;
}

int sway_start(struct sway *sway, const char *config) {
	*sway = (struct sway){.process.log = -1};
	const char *parent = getenv("XDG_RUNTIME_DIR");
	snprintf(sway->folder, sizeof(sway->folder), "%s/sway-XXXXXX",
		parent != NULL ? parent : "/tmp");
	if (mkdtemp(sway->folder) == NULL) {
		sway->folder[0] = '\0';
		return -errno;
	}
	char path[120], runtime[120];
	snprintf(path, sizeof(path), "%s/config", sway->folder);
	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s", sway->folder);
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		return -errno;
	}
	fputs(config, file);
	if (fclose(file) != 0) {
		return -errno;
	}
	char *environment[] = {runtime, "WLR_BACKENDS=headless", "WLR_RENDERER=pixman",
		"WLR_LIBINPUT_NO_DEVICES=1", "WLR_HEADLESS_OUTPUTS=1", NULL};
	char *argv[] = {"sway", "-c", path, NULL};
	int error = process_start(&sway->process, argv, NULL, 0, environment);
	return error < 0 ? error : wait_until_it_serves(sway);
}

void sway_finish(struct sway *sway) {
	process_stop(&sway->process);
	if (sway->folder[0] != '\0') {
		tree_remove(sway->folder);
	}
}
