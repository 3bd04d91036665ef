/* From the text of a value to the member of the structure, by the key's type. */
#include "config-keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN 60 // bytes of a refused value in a message

struct value {
	const struct config_key *key;
	const char *text;
	const char *directory;
	void *member;
	char *error;
	size_t error_size;
};

static bool fail(const struct value *value, const char *what) {
	char allowed[256];
	config_key_allowed(value->key, allowed, sizeof(allowed));
	size_t length = strlen(value->text), shown = length;
	if (shown > SHOWN) {
		shown = SHOWN;
		while (shown > 0 && (value->text[shown] & 0xc0) == 0x80) {
			shown--; // not within a character
		}
	}
	snprintf(value->error, value->error_size, "'%.*s%s' %s, allowed: %s", (int)shown,
		value->text, shown < length ? "..." : "", what, allowed);
	return false;
}

static bool check_range(const struct value *value, uint64_t number) {
	if (number < value->key->min) {
		return fail(value, "is too small");
	}
	if (number > value->key->max) {
		return fail(value, "is too large");
	}
	return true;
}

static bool parse_size(const struct value *value) {
	uint64_t size;
	if (!config_parse_size(value->text, &size)) {
		return fail(value, "is no size");
	}
	if (!check_range(value, size)) {
		return false;
	}
	if (value->key->step != 0 && size % value->key->step != 0) {
		char what[48], step[24];
		config_format_size(value->key->step, step, sizeof(step));
		snprintf(what, sizeof(what), "is no multiple of %s", step);
		return fail(value, what);
	}
	memcpy(value->member, &size, sizeof(size));
	return true;
}

static bool parse_number(const struct value *value) {
	size_t length = strlen(value->text);
	if (length == 0 || strspn(value->text, "0123456789") != length) {
		return fail(value, "is no number");
	}
	uint64_t number = length > 10 ? UINT64_MAX : strtoull(value->text, NULL, 10);
	if (!check_range(value, number)) {
		return false;
	}
	uint32_t small = (uint32_t)number;
	memcpy(value->member, &small, sizeof(small));
	return true;
}

static bool parse_frequency(const struct value *value) {
	uint32_t frequency;
	if (!config_parse_frequency(value->text, &frequency)) {
		return fail(value, "is no frequency");
	}
	if (!check_range(value, frequency)) {
		return false;
	}
	memcpy(value->member, &frequency, sizeof(frequency));
	return true;
}

static bool parse_factor(const struct value *value) {
	uint32_t factor;
	if (!config_parse_scale(value->text, &factor)) {
		return fail(value, "is no factor");
	}
	if (!check_range(value, factor)) {
		return false;
	}
	memcpy(value->member, &factor, sizeof(factor));
	return true;
}

static bool parse_duration(const struct value *value) {
	uint64_t duration;
	if (!config_parse_duration(value->text, &duration)) {
		return fail(value, "is no time");
	}
	if (!check_range(value, duration)) {
		return false;
	}
	memcpy(value->member, &duration, sizeof(duration));
	return true;
}

static bool parse_mode(const struct value *value) {
	uint32_t size[2];
	if (!config_parse_mode(value->text, &size[0], &size[1])) {
		return fail(value, "is no width and height");
	}
	if (!check_range(value, size[0]) || !check_range(value, size[1])) {
		return false;
	}
	memcpy(value->member, size, sizeof(size));
	return true;
}

static bool parse_bool(const struct value *value) {
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value->text, words[i]) == 0) {
			*(bool *)value->member = i % 2 == 1;
			return true;
		}
	}
	return fail(value, "is neither");
}

/* The place of the value among the choices, or -1. */
static int find_choice(const struct value *value) {
	for (int i = 0; value->key->choices[i] != NULL; i++) {
		if (strcmp(value->text, value->key->choices[i]) == 0) {
			return i;
		}
	}
	return -1;
}

static bool parse_choice(const struct value *value) {
	int choice = find_choice(value);
	if (choice < 0) {
		return fail(value, "is no choice");
	}
	unsigned number = (unsigned)choice;
	memcpy(value->member, &number, sizeof(number));
	return true;
}

/* Puts an owned string into the member, in place of the one there. */
static bool set_string(const struct value *value, char *string) {
	if (string == NULL) {
		return fail(value, "finds no memory");
	}
	char **member = value->member;
	free(*member);
	*member = string;
	return true;
}

static bool parse_text(const struct value *value) {
	if (value->key->type == CONFIG_WORD) {
		return find_choice(value) >= 0 ? set_string(value, strdup(value->text))
					       : fail(value, "is no choice");
	}
	size_t length = strlen(value->text);
	if (length < value->key->min) {
		return fail(value, "is too short");
	}
	if (length > value->key->max) {
		return fail(value, "is too long");
	}
	return set_string(value, strdup(value->text));
}

/* Makes a path absolute. The caller frees *ret, which may be NULL. */
static bool expand_path(const struct value *value, const char *text, char **ret) {
	const char *base = value->directory, *rest = text;
	if (text[0] == '~' && text[1] != '/') {
		return fail(value, "names another user's home");
	}
	if (text[0] == '~') {
		base = getenv("HOME");
		rest = text + 2;
		if (base == NULL || base[0] != '/') {
			return fail(value, "needs HOME to be set");
		}
	}
	if (text[0] == '/') {
		*ret = strdup(text);
	} else if (asprintf(ret, "%s/%s", base, rest) < 0) {
		*ret = NULL;
	}
	return true;
}

static bool parse_path(const struct value *value) {
	char *path;
	if (value->text[0] == '\0' && value->key->min == 0) {
		return set_string(value, strdup(""));
	}
	if (!expand_path(value, value->text, &path)) {
		return false;
	}
	if (path != NULL && strlen(path) > value->key->max) {
		free(path);
		return fail(value, "is too long a path");
	}
	return set_string(value, path);
}

/* Appends a path of a list to it; frees both. Returns NULL without memory. */
static char *join_paths(char *list, char *path) {
	char *joined;
	if (list == NULL || path == NULL ||
		asprintf(&joined, "%s%s%s", list, list[0] != '\0' ? ":" : "", path) < 0) {
		joined = NULL;
	}
	free(list);
	free(path);
	return joined;
}

static bool parse_paths(const struct value *value) {
	const char *rest = value->text;
	char *list = strdup("");
	while (rest[0] != '\0') {
		size_t length = strcspn(rest, ":");
		char *text = strndup(rest, length), *path = NULL;
		bool ok = length > 0 ? text != NULL && expand_path(value, text, &path)
				     : fail(value, "has an empty path");
		free(text);
		if (!ok) {
			free(list);
			return false;
		}
		list = join_paths(list, path);
		rest += length;
		if (rest[0] == ':' && (++rest)[0] == '\0') {
			free(list);
			return fail(value, "has an empty path");
		}
	}
	if (list != NULL && strlen(list) > value->key->max) {
		free(list);
		return fail(value, "is too long");
	}
	return set_string(value, list);
}

/* True where every quote is closed and no backslash stands at the end. */
static bool quotes_are_closed(const char *text) {
	char quote = '\0';
	for (; *text != '\0'; text++) {
		if (*text == '\\' && quote != '\'') {
			text++;
			if (*text == '\0') {
				return false;
			}
		} else if (quote != '\0') {
			quote = *text == quote ? '\0' : quote;
		} else if (*text == '\'' || *text == '"') {
			quote = *text;
		}
	}
	return quote == '\0';
}

static bool parse_typed(const struct value *value) {
	switch (value->key->type) {
	case CONFIG_SIZE:
		return parse_size(value);
	case CONFIG_NUMBER:
		return parse_number(value);
	case CONFIG_FREQUENCY:
		return parse_frequency(value);
	case CONFIG_FACTOR:
		return parse_factor(value);
	case CONFIG_DURATION:
		return parse_duration(value);
	case CONFIG_MODE:
		return parse_mode(value);
	case CONFIG_COLOUR:
		return config_parse_colour(value->text, value->member) ||
			fail(value, "is no colour");
	case CONFIG_BINDING:
		return config_parse_binding(value->text, value->member) ||
			fail(value, "is no key combination");
	case CONFIG_MODIFIERS:
		return config_parse_modifiers(value->text, value->member) ||
			fail(value, "is no modifier");
	case CONFIG_BOOL:
		return parse_bool(value);
	case CONFIG_CHOICE:
		return parse_choice(value);
	case CONFIG_TEXT:
	case CONFIG_WORD:
		return parse_text(value);
	case CONFIG_PATH:
		return parse_path(value);
	case CONFIG_PATHS:
		return parse_paths(value);
	case CONFIG_PROGRAM:
		return strchr(value->text, '/') != NULL ? parse_path(value) : parse_text(value);
	case CONFIG_ARGUMENTS:
		return quotes_are_closed(value->text) ? parse_text(value)
						      : fail(value, "leaves a quote open");
	}
	return false;
}

bool config_value_parse(const struct config_key *key, uint32_t index, const char *text,
	const char *directory, void *target, char *error, size_t error_size) {
	if (key->automatic != NULL && strcmp(text, key->automatic) == 0) {
		return true;
	}
	struct value value = {
		.key = key,
		.text = text,
		.directory = directory,
		.member = config_key_member(key, index, target),
		.error = error,
		.error_size = error_size,
	};
	return parse_typed(&value);
}

bool config_key_is_string(const struct config_key *key) {
	return key->type >= CONFIG_TEXT;
}

void *config_key_member(const struct config_key *key, uint32_t index, void *target) {
	return (char *)target + key->offset + index * key->stride;
}

/* Replaces N, if the key is numbered, by the number. */
static void format_fallback(
	const struct config_key *key, uint32_t index, char *buffer, size_t size) {
	const char *place = key->count > 0 ? strchr(key->fallback, 'N') : NULL;
	if (place == NULL) {
		snprintf(buffer, size, "%s", key->fallback);
	} else {
		snprintf(buffer, size, "%.*s%u%s", (int)(place - key->fallback), key->fallback,
			index + 1, place + 1);
	}
}

bool config_set_defaults(enum config_scope scope, void *target) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope != scope) {
			continue;
		}
		for (uint32_t i = 0; i == 0 || i < key->count; i++) {
			char text[128], error[256];
			format_fallback(key, i, text, sizeof(text));
			if (!config_value_parse(key, i, text, "/", target, error, sizeof(error))) {
				return false;
			}
		}
	}
	return true;
}

void config_free_strings(enum config_scope scope, void *target) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope && config_key_is_string(key)) {
			char **member = config_key_member(key, 0, target);
			free(*member);
			*member = NULL;
		}
	}
}
