#ifndef CTL_CALL_H
#define CTL_CALL_H

#include <systemd/sd-json.h>

#include "commands.h"

/* Prints a reply for people. */
typedef void (*print_func)(sd_json_variant *reply);

/* Calls, then prints the reply: as JSON where that was asked for, or by the function, which
 * may be NULL. parameters stay the caller's. Returns the exit status. */
int call_and_print(const struct invocation *invocation, const char *interface, const char *method,
	sd_json_variant *parameters, print_func print);

/* Likewise with parameters that were built with the result `built`, which it lets go; or
 * complains of the guest's name, the first argument, where they were not. */
int call_built(const struct invocation *invocation, const char *interface, const char *method,
	int built, sd_json_variant *parameters, print_func print);

#endif
