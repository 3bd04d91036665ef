#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define LIMIT_WINDOW_US (10 * USEC_PER_SEC)
#define LIMIT_BURST 5

static enum log_level log_max = LOG_LEVEL_INFO;
static char log_prefix[128] = "mullion";

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

bool log_level_from_string(const char *string, enum log_level *ret_level) {
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(string, level_names[i]) == 0) {
			*ret_level = i;
			return true;
		}
	}
	return false;
}

void log_init(const char *program, const char *guest, enum log_level max) {
	log_max = max;
	const char *override = getenv("MULLION_LOG");
	if (override != NULL) {
		log_level_from_string(override, &log_max);
	}
	if (guest != NULL) {
		snprintf(log_prefix, sizeof(log_prefix), "%.32s: guest '%.63s'", program, guest);
	} else {
		snprintf(log_prefix, sizeof(log_prefix), "%.32s", program);
	}
}

void log_writev(enum log_level level, const char *format, va_list args) {
	if (level > log_max) {
		return;
	}
	char line[1024];
	const char *mark = level == LOG_LEVEL_INFO ? "" : level_names[level];
	int prefix = snprintf(
		line, sizeof(line) - 1, "%s: %s%s", log_prefix, mark, mark[0] != '\0' ? ": " : "");
	vsnprintf(line + prefix, sizeof(line) - 1 - prefix, format, args);
	size_t length = strlen(line);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
			line[i] = '?';
		}
	}
	line[length++] = '\n';
	// One write, so that lines of several processes do not mix.
	ssize_t written = write(STDERR_FILENO, line, length);
	(void)written;
}

void log_write(enum log_level level, const char *format, ...) {
	va_list args;
	va_start(args, format);
	log_writev(level, format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...) {
	uint64_t now = clock_usec();
	if (limit->window_start == 0 || now - limit->window_start >= LIMIT_WINDOW_US) {
		if (limit->dropped > 0) {
			log_write(level, "%u more such lines left out", limit->dropped);
		}
		*limit = (struct log_limit){.window_start = now};
	}
	if (limit->written >= LIMIT_BURST) {
		limit->dropped++;
		return;
	}
	limit->written++;
	va_list args;
	va_start(args, format);
	log_writev(level, format, args);
	va_end(args);
}
