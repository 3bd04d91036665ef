#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One line per event on standard error, prefixed by program and, for a per-guest
 * process, the guest's name. An error is logged once, at the edge of the process.
 * Text is made printable: control characters become '?', so that nothing that
 * stems from a guest can write to the terminal.
 */

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/*
 * Names this process in the log. Both strings are copied (guest at most 63 bytes);
 * guest may be NULL. MULLION_LOG=error|warning|info|debug overrides max.
 */
void log_init(const char *program, const char *guest, enum log_level max);

bool log_level_from_string(const char *string, enum log_level *ret_level);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_writev(enum log_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/*
 * For what a guest or its QEMU can cause: at most `burst` lines in every window of
 * ten seconds, then one line that says how many were left out. Zero-initialise.
 */
struct log_limit {
	uint64_t window_start; // us
	unsigned written;
	unsigned dropped;
};

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
