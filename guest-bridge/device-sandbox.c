#include "device-sandbox.h"

#include <stdlib.h>
#include <systemd/sd-id128.h>

#include "log.h"
#include "sandbox.h"

void device_sandbox(void) {
	struct sandbox_problem problem;
	unsigned landlock;
	sd_id128_t boot;
	// sd-event spreads its timers by it, and will not find the file later.
	sd_id128_get_boot(&boot);
	if (sandbox_enter_device(&landlock, &problem) < 0) {
		char line[SANDBOX_LINE_MAX];
		sandbox_describe(&problem, line);
		log_error("%s", line);
		exit(SANDBOX_EXIT_STATUS + (int)problem.layer);
	}
	log_debug("in its sandbox (Landlock ABI %u)", landlock);
}
