#include "life.h"

#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"

#include "clock.h"

static char directory[] = "/tmp/test-life-XXXXXX";
static char qemu[4096 + 16];

int life_prepare(void **state) {
	sigset_t child;
	char self[4096] = "";
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || mkdtemp(directory) == NULL) {
		return -1;
	}
	snprintf(qemu, sizeof(qemu), "%s/fake-qemu", dirname(self));
	return setenv("MULLION_RUNTIME_DIR", directory, 1);
}

int life_clean_up(void **state) {
	return tree_remove(directory);
}

const char *life_directory(void) {
	return directory;
}

struct config_guest life_guest(const char *name, uint32_t number, enum config_vmm vmm) {
	return (struct config_guest){
		.name = strdup(name),
		.file = strdup("guests/x.ini"),
		.title = strdup(name),
		.number = number,
		.stop_timeout = 100 * USEC_PER_MSEC,
		.vram = 4 * MIB,
		.aperture = 2 * MIB,
		.width = 640,
		.height = 480,
		.refresh = 60000,
		.hidden_refresh = 1000,
		.personality = CONFIG_PERSONALITY_BOCHS,
		.heads = 1,
		.vmm = vmm,
		.qemu = strdup(qemu),
		.memory = 16 * MIB,
		.cpus = 1,
		.accel = CONFIG_ACCEL_TCG,
		.firmware = CONFIG_FIRMWARE_BIOS,
		.network = CONFIG_NETWORK_NONE,
	};
}

void life_start(sd_event **ret_event, struct guests *guests, struct config *config,
	void (*changed)(void *data), void *data) {
	assert_return_code(sd_event_new(ret_event), 0);
	assert_int_equal(guests_init(guests, *ret_event, config, changed, data), 0);
}

bool life_run_until(sd_event *event, const struct guest *guest, enum guest_state state) {
	for (uint64_t end = clock_usec() + PATIENCE_US; guest->state != state;) {
		if (clock_usec() >= end || sd_event_run(event, 100 * USEC_PER_MSEC) < 0) {
			return false;
		}
	}
	return true;
}
