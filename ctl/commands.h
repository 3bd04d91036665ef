#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include <stdbool.h>

/*
 * What mullionctl can do. Each takes its own arguments (their number is checked already)
 * and returns the exit status: 0, CTL_FAILED after one line on standard error, CTL_USAGE
 * where an argument is no number.
 */

#define CTL_FAILED 1
#define CTL_USAGE 2

struct invocation {
	int argc;
	char **argv;
	bool json; // print the reply as it came
};

int command_check(const struct invocation *invocation);
int command_keys(const struct invocation *invocation);

int command_list(const struct invocation *invocation);
int command_status(const struct invocation *invocation);
int command_start(const struct invocation *invocation);
int command_stop(const struct invocation *invocation);
int command_kill(const struct invocation *invocation);
int command_table(const struct invocation *invocation);
int command_traps(const struct invocation *invocation);
int command_vram(const struct invocation *invocation);
int command_shutdown(const struct invocation *invocation);

int command_windows(const struct invocation *invocation);
int command_screenshot(const struct invocation *invocation);
int command_focus(const struct invocation *invocation);
int command_fullscreen(const struct invocation *invocation);
int command_move(const struct invocation *invocation);
int command_resize(const struct invocation *invocation);
int command_leave(const struct invocation *invocation);

#endif
