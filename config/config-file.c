#include "config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

struct parse {
	const char *path;
	char *directory; // owned, absolute
	enum config_scope scope;
	void *target;
	struct config_marks *marks;
	struct config_report *report;

	char *text; // owned, size bytes and a NUL
	size_t size, position;
	unsigned line;
	char section[64];          // empty before the first one
	const char *table_section; // as the table has it: without a name of the user's; or NULL
	uint32_t output;           // which one a section of an output names
	bool wants_key;            // the line that libinih has must end in a call of its handler
};

void config_report(
	struct config_report *report, const char *path, unsigned line, const char *format, ...) {
	report->count++;
	if (report->func == NULL) {
		return;
	}
	char *text, *message;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		return;
	}
	length = line > 0 ? asprintf(&message, "%s:%u: %s", path, line, text)
			  : asprintf(&message, "%s: %s", path, text);
	if (length >= 0) {
		report->func(report->data, message);
		free(message);
	}
	free(text);
}

struct config_mark *config_mark(
	struct config_marks *marks, const struct config_key *key, uint32_t index) {
	return &marks->of[key - config_keys][index];
}

void config_report_key(struct config_report *report, const char *path,
	const struct config_marks *marks, const struct config_key *key, uint32_t index,
	const char *format, ...) {
	char name[64], *text;
	config_key_name(key, index, name, sizeof(name));
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	config_report(report, path, marks->of[key - config_keys][index].line, "[%s] %s: %s",
		key->section, name, length < 0 ? "wrong" : text);
	if (length >= 0) {
		free(text);
	}
}

const char *config_distrust(int fd, bool directory) {
	struct stat status;
	if (fstat(fd, &status) < 0) {
		return strerror(errno);
	}
	if (directory ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode)) {
		return directory ? "is no directory" : "is no regular file";
	}
	if (status.st_uid != geteuid() && status.st_uid != 0) {
		return "belongs to another user: only your own and root's are read";
	}
	// In a sticky directory others can add files, which are then theirs and refused.
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
		!(directory && (status.st_mode & S_ISVTX) != 0)) {
		return "can be written by others: chmod go-w";
	}
	return NULL;
}

static bool read_all(struct parse *parse, int fd) {
	parse->text = malloc(CONFIG_FILE_MAX + 2);
	if (parse->text == NULL) {
		config_report(parse->report, parse->path, 0, "cannot be read: out of memory");
		return false;
	}
	while (parse->size <= CONFIG_FILE_MAX) {
		ssize_t n = read(fd, parse->text + parse->size, CONFIG_FILE_MAX + 1 - parse->size);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			config_report(parse->report, parse->path, 0, "cannot be read: %s",
				strerror(errno));
			return false;
		}
		if (n == 0) {
			parse->text[parse->size] = '\0';
			return true;
		}
		parse->size += (size_t)n;
	}
	config_report(parse->report, parse->path, 0, "is too large, allowed: %d KiB",
		CONFIG_FILE_MAX / 1024);
	return false;
}

/* O_NONBLOCK, so that a FIFO in the place of the file stops nobody. */
static bool read_trusted(struct parse *parse) {
	int fd = open(parse->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		config_report(
			parse->report, parse->path, 0, "cannot be opened: %s", strerror(errno));
		return false;
	}
	const char *distrust = config_distrust(fd, false);
	if (distrust != NULL) {
		config_report(parse->report, parse->path, 0, "%s", distrust);
	}
	bool ok = distrust == NULL && read_all(parse, fd);
	close(fd);
	return ok;
}

/* The number of bytes of the UTF-8 character at text, whose code goes to *ret; 0 for none. */
static size_t decode_utf8(const unsigned char *text, size_t size, uint32_t *ret) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80     ? 1
		: (text[0] & 0xe0) == 0xc0 ? 2
		: (text[0] & 0xf0) == 0xe0 ? 3
		: (text[0] & 0xf8) == 0xf0 ? 4
					   : 0;
	if (length == 0 || length > size) {
		return 0;
	}
	uint32_t code = length == 1 ? text[0] : text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
		return 0;
	}
	*ret = code;
	return length;
}

/* What could make a label or a message show something other than what stands there. */
static bool is_control(uint32_t code) {
	return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0) ||
		(code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool check_characters(struct parse *parse, const char *text, size_t size) {
	for (size_t i = 0; i < size;) {
		uint32_t code;
		size_t length = decode_utf8((const unsigned char *)text + i, size - i, &code);
		if (length == 0) {
			config_report(parse->report, parse->path, parse->line,
				"byte 0x%02x is no UTF-8, allowed: text in UTF-8",
				(unsigned char)text[i]);
			return false;
		}
		if (is_control(code)) {
			config_report(parse->report, parse->path, parse->line,
				"control character U+%04X, allowed: printable text", code);
			return false;
		}
		i += length;
	}
	return true;
}

/* Lists the sections of a scope as "[a], [b] or [c]". */
static void list_sections(enum config_scope scope, char *buffer, size_t size) {
	size_t used = 0;
	const char *last = "";
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope && strcmp(key->section, last) != 0 && used < size) {
			used += (size_t)snprintf(buffer + used, size - used, "%s[%s]",
				last[0] == '\0' ? "" : ", ", key->section);
			last = key->section;
		}
	}
}

static void report_unknown_section(struct parse *parse) {
	char list[128] = "";
	list_sections(parse->scope, list, sizeof(list));
	enum config_scope other =
		parse->scope == CONFIG_SCOPE_HOST ? CONFIG_SCOPE_GUEST : CONFIG_SCOPE_HOST;
	const char *nearest = config_section_nearest(parse->scope, parse->section);
	if (nearest != NULL) {
		config_report(parse->report, parse->path, parse->line,
			"[%s]: no such section, did you mean [%s]? allowed: %s", parse->section,
			nearest, list);
	} else if (config_section_exists(other, parse->section)) {
		config_report(parse->report, parse->path, parse->line,
			"[%s]: belongs in %s, allowed: %s", parse->section,
			other == CONFIG_SCOPE_HOST ? "mullion.ini" : "a guest's file", list);
	} else {
		config_report(parse->report, parse->path, parse->line,
			"[%s]: no such section, allowed: %s", parse->section, list);
	}
}

/* Finds the output that a section names, or makes it; reports where it cannot be one. */
static bool take_output(struct parse *parse, const char *name) {
	struct config_host *host = parse->target; // only its file has such sections
	size_t length = strlen(name);
	if (length < 1 || length > CONFIG_OUTPUT_NAME_MAX || strpbrk(name, " \t") != NULL) {
		config_report(parse->report, parse->path, parse->line,
			"[%s]: names no screen, allowed: [output NAME], NAME of at most %d bytes without white space",
			parse->section, CONFIG_OUTPUT_NAME_MAX);
		return false;
	}
	for (uint32_t i = 0; i < CONFIG_OUTPUTS_MAX; i++) {
		struct config_output *output = &host->outputs[i];
		if (output->name[0] == '\0') {
			memcpy(output->name, name, length + 1);
		}
		if (strcmp(output->name, name) == 0) {
			parse->output = i;
			return true;
		}
	}
	config_report(parse->report, parse->path, parse->line,
		"[%s]: is one screen too many, allowed: %d", parse->section, CONFIG_OUTPUTS_MAX);
	return false;
}

static void enter_section(struct parse *parse, const char *text, size_t size) {
	const char *end = memchr(text, ']', size);
	size_t length = end == NULL ? 0 : (size_t)(end - text - 1);
	const char *rest = end == NULL ? "" : end + 1;
	rest += strspn(rest, " \t\r");
	parse->table_section = NULL;
	parse->section[0] = '\0';
	bool clean = rest >= text + size || *rest == ';' || *rest == '#';
	if (end == NULL || length >= sizeof(parse->section) || !clean) {
		config_report(parse->report, parse->path, parse->line,
			"no section, allowed: [name] alone on its line");
		// What follows belongs to nobody knows what: it is not read.
		snprintf(parse->section, sizeof(parse->section), "?");
		return;
	}
	memcpy(parse->section, text + 1, length);
	parse->section[length] = '\0';
	const char *name, *named = config_section_named(parse->scope, parse->section, &name);
	if (named != NULL) {
		parse->table_section = take_output(parse, name) ? named : NULL;
	} else if (config_section_exists(parse->scope, parse->section)) {
		parse->table_section = parse->section;
	} else {
		report_unknown_section(parse);
	}
}

static void finish_line(struct parse *parse) {
	if (parse->wants_key) {
		config_report(parse->report, parse->path, parse->line,
			"neither a section nor a key, allowed: [section], key = value, or a comment after ;");
		parse->wants_key = false;
	}
}

/* Decides whether libinih is to see a line, and notes what it opens. */
static bool take_line(struct parse *parse, const char *text, size_t size, size_t room) {
	if (size == 0 || text[0] == ';' || text[0] == '#') {
		return false;
	}
	if (size > room) {
		config_report(parse->report, parse->path, parse->line,
			"line of %zu bytes, allowed: %zu", size, room);
		return false;
	}
	if (text[0] == '[') {
		enter_section(parse, text, size);
		return parse->table_section != NULL;
	}
	parse->wants_key = true;
	return true;
}

/*
 * libinih's fgets. One line at a time, so that each has its number; without white space
 * in front, which libinih would take for the continuation of a value.
 */
static char *next_line(char *buffer, int room, void *data) {
	struct parse *parse = data;
	finish_line(parse);
	if (parse->position >= parse->size || room < 3) {
		return NULL;
	}
	parse->line++;
	const char *text = parse->text + parse->position;
	const char *end = memchr(text, '\n', parse->size - parse->position);
	size_t size = end != NULL ? (size_t)(end - text) : parse->size - parse->position;
	parse->position += size + 1;
	while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL && text[size - 1] != '\0') {
		size--;
	}
	snprintf(buffer, (size_t)room, "\n");
	if (check_characters(parse, text, size)) {
		size_t indent = size > 0 ? strspn(text, " \t") : 0;
		text += indent;
		size -= indent;
		if (take_line(parse, text, size, (size_t)room - 3)) {
			snprintf(buffer, (size_t)room, "%.*s\n", (int)size, text);
			for (char *tab = buffer; (tab = strchr(tab, '\t')) != NULL;) {
				*tab = ' ';
			}
		}
	}
	return buffer;
}

static void list_keys(const struct parse *parse, char *buffer, size_t size) {
	size_t used = 0;
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == parse->scope && strcmp(key->section, parse->table_section) == 0 &&
			used < size) {
			used += (size_t)snprintf(buffer + used, size - used, "%s%s",
				used == 0 ? "" : ", ", key->name);
		}
	}
}

static void report_unknown_key(struct parse *parse, const char *name) {
	char list[256] = "";
	list_keys(parse, list, sizeof(list));
	const char *nearest = config_key_nearest(parse->scope, parse->table_section, name);
	if (nearest != NULL) {
		config_report(parse->report, parse->path, parse->line,
			"[%s] %s: no such key, did you mean %s? allowed: %s", parse->section, name,
			nearest, list);
		return;
	}
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		uint32_t index;
		if (config_key_find(key->scope, key->section, name, &index) == key) {
			config_report(parse->report, parse->path, parse->line,
				"[%s] %s: belongs in [%s]%s, allowed: %s", parse->section, name,
				key->section,
				key->scope == parse->scope                ? ""
					: key->scope == CONFIG_SCOPE_HOST ? " of mullion.ini"
									  : " of a guest's file",
				list);
			return;
		}
	}
	config_report(parse->report, parse->path, parse->line, "[%s] %s: no such key, allowed: %s",
		parse->section, name, list);
}

static int handle_key(void *data, const char *section, const char *name, const char *value) {
	struct parse *parse = data;
	parse->wants_key = false;
	if (parse->section[0] == '\0') {
		config_report(parse->report, parse->path, parse->line,
			"%s: stands before the first section, allowed: only below a [section]",
			name);
		return 1;
	}
	if (parse->table_section == NULL) {
		return 1; // its section is an error already
	}
	uint32_t index;
	const struct config_key *key =
		config_key_find(parse->scope, parse->table_section, name, &index);
	if (key == NULL) {
		report_unknown_key(parse, name);
		return 1;
	}
	index = config_key_is_named(key) ? parse->output : index;
	struct config_mark *mark = config_mark(parse->marks, key, index);
	if (mark->line != 0) {
		config_report(parse->report, parse->path, parse->line,
			"[%s] %s: given twice, allowed: once; the first is in line %u",
			parse->section, name, mark->line);
		return 1;
	}
	char error[512];
	mark->line = parse->line;
	if (!config_value_parse(
		    key, index, value, parse->directory, parse->target, error, sizeof(error))) {
		mark->bad = true;
		config_report_key(
			parse->report, parse->path, parse->marks, key, index, "%s", error);
	}
	return 1;
}

/* Where libinih's limits can be set at run time, its 200 bytes a line are raised. */
static void prepare_libinih(void) {
#ifdef HAVE_INI_MAX_LINE
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = CONFIG_LINE_MAX + 3;
	ini_initial_alloc = CONFIG_LINE_MAX + 3;
#endif
}

/* The absolute directory of a file, symbolic links followed. */
static char *directory_of(const char *path) {
	char *real = realpath(path, NULL);
	if (real != NULL) {
		char *slash = strrchr(real, '/');
		slash[slash == real] = '\0';
	}
	return real;
}

bool config_file_read(const char *path, enum config_scope scope, void *target,
	struct config_marks *marks, struct config_report *report) {
	struct parse parse = {
		.path = path, .scope = scope, .target = target, .marks = marks, .report = report};
	unsigned before = report->count;
	if (read_trusted(&parse)) {
		parse.directory = directory_of(path);
		if (strncmp(parse.text, "\xef\xbb\xbf", 3) == 0) {
			parse.position = 3;
		}
		prepare_libinih();
		if (parse.directory == NULL) {
			config_report(report, path, 0, "cannot be found: %s", strerror(errno));
		} else if (ini_parse_stream(next_line, &parse, handle_key, &parse) < 0) {
			config_report(report, path, 0, "cannot be read: out of memory");
		}
		finish_line(&parse);
	}
	free(parse.directory);
	free(parse.text);
	return report->count == before;
}
