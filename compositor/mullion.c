#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "config.h"
#include "log.h"
#include "server.h"

static const char usage[] =
	"usage: mullion [OPTION...] [COMMAND]\n"
	"\n"
	"Runs a session in which every guest's desktop is a window: on a virtual terminal,\n"
	"as a window of another session, or headless. COMMAND, if any, is run by sh as its\n"
	"first client.\n"
	"\n"
	"  -h, --help     show this text\n"
	"  -V, --version  show the version\n"
	"\n"
	"The configuration is mullion.ini and guests/*.ini; `mullionctl check` checks it.\n"
	"MULLION_LOG=error|warning|info|debug sets how much is logged.\n";

static void log_config_error(void *data, const char *message) {
	log_error("%s", message);
}

static void log_wlroots(enum wlr_log_importance importance, const char *format, va_list args) {
	// A guest's device can cause some of these errors as often as it likes.
	static struct log_limit limit;
	if (importance != WLR_ERROR) {
		log_writev(LOG_LEVEL_DEBUG, format, args);
		return;
	}
	char line[512];
	vsnprintf(line, sizeof(line), format, args);
	log_limited(&limit, LOG_LEVEL_ERROR, "%s", line);
}

/* From the configuration, or MULLION_LOG. */
static void init_log(const char *configured) {
	enum log_level level = LOG_LEVEL_INFO;
	if (configured != NULL) {
		log_level_from_string(configured, &level);
	}
	log_init("mullion", NULL, level);
	const char *override = getenv("MULLION_LOG");
	if (override != NULL) {
		log_level_from_string(override, &level);
	}
	wlr_log_init(level == LOG_LEVEL_DEBUG ? WLR_DEBUG : WLR_ERROR, log_wlroots);
}

/* Returns the exit status for options that end the program, else -1. */
static int parse_options(int argc, char *argv[]) {
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("mullion " MULLION_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_FAILURE;
		}
	}
	if (argc - optind > 1) {
		fputs("mullion: COMMAND is one argument, quoted as for sh -c\n", stderr);
		return EXIT_FAILURE;
	}
	return -1;
}

/* Before any library starts a thread, which would take the session's signals otherwise. */
static void block_signals(void) {
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

int main(int argc, char *argv[]) {
	int status = parse_options(argc, argv);
	if (status >= 0) {
		return status;
	}
	block_signals();
	log_init("mullion", NULL, LOG_LEVEL_INFO);
	struct config config = {0};
	if (!config_load(&config, log_config_error, NULL)) {
		return EXIT_FAILURE;
	}
	init_log(config.host.log_level);
	struct server server;
	bool done = server_init(&server, &config) && server_run(&server, argv[optind]);
	server_finish(&server);
	return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
