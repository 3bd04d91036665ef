/* What the table says, for people: in error messages, man pages and completions. */
#include "config-keys.h"

#include <string.h>

void config_format_size(uint64_t bytes, char *buffer, size_t size) {
	static const char units[] = "KMGT";
	int unit = -1;
	while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buffer, size, "%llu%.*s", (unsigned long long)bytes, unit < 0 ? 0 : 1,
		unit < 0 ? "" : &units[unit]);
}

static void format_duration(uint64_t usec, char *buffer, size_t size) {
	if (usec % 60000000 == 0) {
		snprintf(buffer, size, "%llumin", (unsigned long long)(usec / 60000000));
	} else if (usec % 1000000 == 0) {
		snprintf(buffer, size, "%llus", (unsigned long long)(usec / 1000000));
	} else {
		snprintf(buffer, size, "%llums", (unsigned long long)(usec / 1000));
	}
}

/* Writes "bilinear or nearest", "error, warning, info or debug". */
static void format_choices(const char *const *choices, char *buffer, size_t size) {
	size_t used = 0;
	for (size_t i = 0; choices[i] != NULL && used < size; i++) {
		const char *before = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
		used += (size_t)snprintf(buffer + used, size - used, "%s%s", before, choices[i]);
	}
}

static void format_number_range(const struct config_key *key, const char *low, const char *high,
	char *buffer, size_t size) {
	char step[24] = "";
	if (key->step > 1) {
		config_format_size(key->step, step, sizeof(step));
	}
	snprintf(buffer, size, "%s to %s%s%s%s%s", low, high,
		step[0] != '\0' ? ", a multiple of " : "", step,
		key->automatic != NULL ? ", or " : "",
		key->automatic != NULL ? key->automatic : "");
}

static void format_range(const struct config_key *key, char *buffer, size_t size) {
	char low[32], high[32];
	if (key->type == CONFIG_SIZE) {
		config_format_size(key->min, low, sizeof(low));
		config_format_size(key->max, high, sizeof(high));
	} else if (key->type == CONFIG_DURATION) {
		format_duration(key->min, low, sizeof(low));
		format_duration(key->max, high, sizeof(high));
	} else if (key->type == CONFIG_FREQUENCY) {
		snprintf(low, sizeof(low), "%gHz", (double)key->min / 1000);
		snprintf(high, sizeof(high), "%gHz", (double)key->max / 1000);
	} else if (key->type == CONFIG_FACTOR) {
		snprintf(low, sizeof(low), "%g", (double)key->min / CONFIG_SCALE);
		snprintf(high, sizeof(high), "%g", (double)key->max / CONFIG_SCALE);
	} else if (key->type == CONFIG_MODE) {
		snprintf(low, sizeof(low), "%1$llux%1$llu", (unsigned long long)key->min);
		snprintf(high, sizeof(high), "%1$llux%1$llu", (unsigned long long)key->max);
	} else {
		snprintf(low, sizeof(low), "%llu", (unsigned long long)key->min);
		snprintf(high, sizeof(high), "%llu", (unsigned long long)key->max);
	}
	format_number_range(key, low, high, buffer, size);
}

static void format_text_range(
	const struct config_key *key, const char *what, char *buffer, size_t size) {
	if (key->min > 0) {
		snprintf(buffer, size, "%s of %llu to %llu bytes", what,
			(unsigned long long)key->min, (unsigned long long)key->max);
	} else {
		snprintf(buffer, size, "%s of at most %llu bytes", what,
			(unsigned long long)key->max);
	}
}

void config_key_allowed(const struct config_key *key, char *buffer, size_t size) {
	switch (key->type) {
	case CONFIG_SIZE:
	case CONFIG_NUMBER:
	case CONFIG_FREQUENCY:
	case CONFIG_FACTOR:
	case CONFIG_DURATION:
	case CONFIG_MODE:
		format_range(key, buffer, size);
		break;
	case CONFIG_COLOUR:
		snprintf(buffer, size, "#rrggbb in hexadecimal%s",
			key->automatic != NULL ? ", or auto" : "");
		break;
	case CONFIG_BINDING:
		snprintf(buffer, size,
			"modifiers (Super, Shift, Ctrl, Alt) and a key, as in Super+F, or none");
		break;
	case CONFIG_MODIFIERS:
		snprintf(buffer, size, "Super, Shift, Ctrl, Alt, or several joined by +");
		break;
	case CONFIG_BOOL:
		snprintf(buffer, size, "yes or no");
		break;
	case CONFIG_CHOICE:
	case CONFIG_WORD:
		format_choices(key->choices, buffer, size);
		break;
	case CONFIG_TEXT:
		format_text_range(key, "text", buffer, size);
		break;
	case CONFIG_PATH:
		format_text_range(key, "a path", buffer, size);
		break;
	case CONFIG_PATHS:
		snprintf(buffer, size, "paths separated by colons, or empty for none");
		break;
	case CONFIG_PROGRAM:
		format_text_range(key, "a program", buffer, size);
		break;
	case CONFIG_ARGUMENTS:
		format_text_range(key, "words, quotes closed,", buffer, size);
		break;
	}
}

/* The first row of its section, or not. */
static bool opens_section(const struct config_key *key) {
	return key == config_keys || strcmp(key->section, key[-1].section) != 0;
}

static void print_text(FILE *out, const struct config_key *key) {
	char allowed[256];
	config_key_allowed(key, allowed, sizeof(allowed));
	fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n",
		key->scope == CONFIG_SCOPE_HOST ? "mullion.ini" : "guests/NAME.ini", key->section,
		key->name, allowed, key->fallback, key->help);
}

/* scdoc reads _ and * as marks, and # at the start of a line. */
static void print_escaped(FILE *out, const char *text) {
	for (; *text != '\0'; text++) {
		if (strchr("_*\\#[]<>|", *text) != NULL) {
			fputc('\\', out);
		}
		fputc(*text, out);
	}
}

static void print_scdoc(FILE *out, const struct config_key *key) {
	char allowed[256];
	config_key_allowed(key, allowed, sizeof(allowed));
	if (opens_section(key)) {
		fprintf(out, "# SECTION [%s]\n\n", key->section);
	}
	fprintf(out, "*%s*", key->name);
	if (key->count > 0 && !config_key_is_named(key)) {
		fprintf(out, " (N from 1 to %u)", key->count);
	}
	fputs("\n\t", out);
	print_escaped(out, key->help);
	fputs("\n\n\tAllowed: ", out);
	print_escaped(out, allowed);
	fputs(". Default: ", out);
	print_escaped(out, key->fallback[0] != '\0' ? key->fallback : "empty");
	fputs(".\n\n", out);
}

bool config_print_keys(FILE *out, const char *format) {
	bool names = strcmp(format, "names") == 0, text = strcmp(format, "text") == 0;
	bool host = strcmp(format, "scdoc-host") == 0, guest = strcmp(format, "scdoc-guest") == 0;
	if (!names && !text && !host && !guest) {
		return false;
	}
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (names) {
			fprintf(out, "%s\n", key->name);
		} else if (text) {
			print_text(out, key);
		} else if (host == (key->scope == CONFIG_SCOPE_HOST)) {
			print_scdoc(out, key);
		}
	}
	return true;
}
