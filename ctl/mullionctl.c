#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"

static const struct command {
	const char *name;
	const char *arguments; // for the usage
	int min, max;          // how many of them; max -1: any number
	int (*run)(const struct invocation *invocation);
	const char *help;
} commands[] = {
	{"check", "[FILE...]", 0, -1, command_check,
		"report every error of the configuration, or of these files"},
	{"keys", "[FORMAT]", 0, 1, command_keys,
		"every key of the configuration, what is allowed and the default"},
	{"list", "", 0, 0, command_list, "the guests and their states"},
	{"status", "NAME", 1, 1, command_status, "all about one guest"},
	{"start", "NAME", 1, 1, command_start, "start a guest"},
	{"stop", "NAME", 1, 1, command_stop,
		"have a guest power down; after its time-outs, make it"},
	{"kill", "NAME", 1, 1, command_kill, "end a guest at once"},
	{"table", "", 0, 0, command_table, "which guest resources stand for which of the machine"},
	{"traps", "NAME", 1, 1, command_traps, "what a guest trapped for, and how often"},
	{"vram", "", 0, 0, command_vram, "the VRAM map"},
	{"shutdown", "", 0, 0, command_shutdown, "stop all guests, then mulliond"},
	{"windows", "", 0, 0, command_windows, "the guests' windows"},
	{"screenshot", "[WINDOW] FILE.png", 1, 2, command_screenshot,
		"the session, or one guest's own picture"},
	{"focus", "WINDOW", 1, 1, command_focus, "focus and raise a guest's window"},
	{"fullscreen", "WINDOW|off", 1, 1, command_fullscreen,
		"one guest alone on the screen, or windows again"},
	{"move", "WINDOW X Y", 3, 3, command_move, "put a window's picture there"},
	{"resize", "WINDOW WxH", 2, 3, command_resize, "show a guest's picture in this size"},
	{"leave", "", 0, 0, command_leave, "end the session"},
};

#define COMMANDS_LEN (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out) {
	fputs("usage: mullionctl [OPTION...] COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < COMMANDS_LEN; i++) {
		char synopsis[64];
		snprintf(synopsis, sizeof(synopsis), "%s %s", commands[i].name,
			commands[i].arguments);
		fprintf(out, "  %-28s %s\n", synopsis, commands[i].help);
	}
	fputs("\n"
	      "WINDOW is a guest's NAME, or NAME:2, NAME:3, ... for its further heads.\n"
	      "\n"
	      "  -j, --json                   print JSON\n"
	      "  -h, --help                   print this\n"
	      "  -V, --version                print the version\n"
	      "\n"
	      "Exit status: 0, 1 where it failed, 2 where the command line is wrong.\n",
		out);
}

static const struct command *find_command(const char *name) {
	for (size_t i = 0; i < COMMANDS_LEN; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

static int run_command(char **words, int count, bool json) {
	if (count == 0) {
		print_help(stderr);
		return CTL_USAGE;
	}
	const struct command *command = find_command(words[0]);
	if (command == NULL) {
		complain("there is no command '%s'; see mullionctl --help", words[0]);
		return CTL_USAGE;
	}
	struct invocation invocation = {.argc = count - 1, .argv = words + 1, .json = json};
	if (invocation.argc < command->min ||
		(command->max >= 0 && invocation.argc > command->max)) {
		complain("usage: mullionctl %s%s%s", command->name,
			command->arguments[0] != '\0' ? " " : "", command->arguments);
		return CTL_USAGE;
	}
	int status = command->run(&invocation);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("cannot write: the output is full or closed");
		return CTL_FAILED;
	}
	return status;
}

/* Numbers such as -5 are arguments, not options. */
static bool is_option(const char *word) {
	return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

int main(int argc, char **argv) {
	bool json = false, options = true;
	int count = 0;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (!options || !is_option(word)) {
			argv[count++] = argv[i];
		} else if (strcmp(word, "--") == 0) {
			options = false;
		} else if (strcmp(word, "--json") == 0 || strcmp(word, "-j") == 0) {
			json = true;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			print_help(stdout);
			return 0;
		} else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
			puts("mullionctl " MULLION_VERSION);
			return 0;
		} else {
			complain("there is no option '%s'; see mullionctl --help", word);
			return CTL_USAGE;
		}
	}
	return run_command(argv, count, json);
}
