#ifndef CONFIG_CONFIG_CHECK_H
#define CONFIG_CONFIG_CHECK_H

#include "config-file.h"

/*
 * What one key alone does not show. Keys that were already refused are left out, so that
 * one mistake makes one message.
 */

/* Two actions on one key, a keyboard that xkb does not know. */
void config_check_host(const struct config_host *host, const char *path, struct config_marks *marks,
	struct config_report *report);

/* Keys that need others, and what config_check_gpu() finds. */
void config_check_guest(
	struct config_guest *guest, const struct config_marks *marks, struct config_report *report);

/* Sizes that do not fit into each other. Settles size and aperture. */
void config_check_gpu(
	struct config_guest *guest, const struct config_marks *marks, struct config_report *report);

/* Slices that do not fit into the pool, titles that cannot be told apart. guest_marks has
 * one for each guest. */
void config_check_all(const struct config *config, const struct config_marks *host_marks,
	const struct config_marks *guest_marks, struct config_report *report);

/* Whether a file's name may be a guest's: CONFIG_NAME_MAX bytes of [a-z0-9][a-z0-9_.-]*. */
bool config_name_allowed(const char *name, size_t length);

#endif
