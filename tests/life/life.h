#ifndef TESTS_LIFE_H
#define TESTS_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "guests.h"

/* Guests' lives with stand-ins for mullion-device and QEMU: see fake-device.c and fake-qemu.c for
 * what a guest's name makes them do. */

#define MIB (UINT64_C(1) << 20)
/* How long anything may take that happens by itself. */
#define PATIENCE_US (20 * USEC_PER_SEC)

/* Of a group of tests: a runtime directory of its own, and signals as mulliond has them. */
int life_prepare(void **state);
int life_clean_up(void **state);

/* The runtime directory. */
const char *life_directory(void);

/* A guest's file, as small as can be; what it holds is owned by its config. */
struct config_guest life_guest(const char *name, uint32_t number, enum config_vmm vmm);

/* Makes the guests of a config, which becomes theirs. */
void life_start(sd_event **ret_event, struct guests *guests, struct config *config,
	void (*changed)(void *data), void *data);

/* Runs until a guest is in a state; returns whether it came to be. */
bool life_run_until(sd_event *event, const struct guest *guest, enum guest_state state);

#endif
