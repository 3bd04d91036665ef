#ifndef CONFIG_CONFIG_FILE_H
#define CONFIG_CONFIG_FILE_H

#include "config-keys.h"

#define CONFIG_LINE_MAX 4200 // bytes: the longest value, its key, and what is around them

/* Where each key was given, so that an error found later can name its line. */
struct config_mark {
	unsigned line; // 0: not given, or "auto"
	bool bad;      // refused; the member has its default
};

struct config_marks {
	struct config_mark of[CONFIG_KEYS_MAX][CONFIG_VT_COUNT];
};

/* Collects the errors of a load. */
struct config_report {
	config_error_func func; // may be NULL
	void *data;
	unsigned count;
};

/* Reports "path:line: text"; line 0 leaves the line out. */
void config_report(struct config_report *report, const char *path, unsigned line,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reports "path:line: [section] key: text" with the line where the key was given, if it was. */
void config_report_key(struct config_report *report, const char *path,
	const struct config_marks *marks, const struct config_key *key, uint32_t index,
	const char *format, ...) __attribute__((format(printf, 6, 7)));

struct config_mark *config_mark(
	struct config_marks *marks, const struct config_key *key, uint32_t index);

/*
 * Reads a file into the structure, which holds the defaults before. Every error of the
 * file is reported. A file that is missing, too large, no regular file, somebody else's, or
 * writable for others is one error, and nothing of it is read. Returns true where there
 * was no error.
 */
bool config_file_read(const char *path, enum config_scope scope, void *target,
	struct config_marks *marks, struct config_report *report);

/* Says why what `path` names must not be trusted (somebody else can write it), or NULL. */
const char *config_distrust(int fd, bool directory);

#endif
