#include "device-sandbox.h"

#include <stdlib.h>
#include <systemd/sd-id128.h>

#include "log.h"
#include "sandbox.h"

/* The exit status has room for the layer only. */
static void give_up(int link, const struct sandbox_problem *problem) {
	const struct link_message message = {
		.type = LINK_SANDBOX,
		.sandbox = {.failed = problem->layer, .error = (uint32_t)problem->error},
	};
	char line[SANDBOX_LINE_MAX];
	link_send(link, &message, NULL, 0);
	sandbox_describe(problem, line);
	log_error("%s", line);
	exit(SANDBOX_EXIT_STATUS + (int)problem->layer);
}

void device_sandbox(int link, struct link_sandbox *ret) {
	struct sandbox_problem problem;
	unsigned landlock;
	sandbox_layers seen;
	sd_id128_t boot;
	// sd-event spreads its timers by it, and will not find the file later.
	sd_id128_get_boot(&boot);
	if (sandbox_enter_device(&landlock, &seen, &problem) < 0) {
		give_up(link, &problem);
	}
	*ret = (struct link_sandbox){.layers = seen};
	log_debug("in its sandbox (Landlock ABI %u)", landlock);
}
