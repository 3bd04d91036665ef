/* Finding keys and sections by name, and what is probably meant by a mistaken one. */
#include "config-keys.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 50 // libinih cuts names there

#define NAMED " NAME"

/* Where " NAME" begins in a section of that kind, else NULL. */
static const char *name_of_section(const char *section) {
	size_t length = strlen(section), suffix = strlen(NAMED);
	const char *end = section + length - suffix;
	return length > suffix && strcmp(end, NAMED) == 0 ? end : NULL;
}

bool config_key_is_named(const struct config_key *key) {
	return name_of_section(key->section) != NULL;
}

const char *config_section_named(
	enum config_scope scope, const char *heading, const char **ret_name) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		const char *end = key->scope == scope ? name_of_section(key->section) : NULL;
		size_t length = end != NULL ? (size_t)(end - key->section) : 0;
		if (length > 0 && strncmp(heading, key->section, length) == 0 &&
			(heading[length] == ' ' || heading[length] == '\0')) {
			*ret_name = heading + length + strspn(heading + length, " ");
			return key->section;
		}
	}
	return NULL;
}

/* Whether the name itself, and not its section, has a number. */
static bool is_numbered(const struct config_key *key) {
	return key->count > 0 && !config_key_is_named(key);
}

/* Length of the part before N, or of the whole name. */
static size_t stem_length(const struct config_key *key) {
	return strlen(key->name) - (is_numbered(key) ? 1 : 0);
}

static bool name_matches(const struct config_key *key, const char *name, uint32_t *ret_index) {
	if (!is_numbered(key)) {
		*ret_index = 0;
		return strcmp(key->name, name) == 0;
	}
	size_t stem = stem_length(key);
	if (strncmp(key->name, name, stem) != 0) {
		return false;
	}
	const char *digits = name + stem;
	size_t length = strlen(digits);
	if (length < 1 || length > 3 || digits[0] == '0' ||
		strspn(digits, "0123456789") != length) {
		return false;
	}
	uint32_t number = (uint32_t)strtoul(digits, NULL, 10);
	if (number > key->count) {
		return false;
	}
	*ret_index = number - 1;
	return true;
}

const struct config_key *config_key_find(
	enum config_scope scope, const char *section, const char *name, uint32_t *ret_index) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope && strcmp(key->section, section) == 0 &&
			name_matches(key, name, ret_index)) {
			return key;
		}
	}
	return NULL;
}

static size_t min_of(size_t a, size_t b) {
	return a < b ? a : b;
}

/* Insertions, deletions and changes that make one name of the other, regardless of case. */
static size_t distance(const char *a, const char *b) {
	size_t length = strlen(b);
	if (length > NAME_MAX_LENGTH || strlen(a) > NAME_MAX_LENGTH) {
		return SIZE_MAX;
	}
	size_t row[NAME_MAX_LENGTH + 1];
	for (size_t j = 0; j <= length; j++) {
		row[j] = j;
	}
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t change = diagonal +
				(tolower((unsigned char)a[i - 1]) !=
					tolower((unsigned char)b[j - 1]));
			diagonal = row[j];
			row[j] = min_of(change, min_of(row[j], row[j - 1]) + 1);
		}
	}
	return row[length];
}

/* Keeps the candidate where it is nearer than the best so far, and near enough at all. */
static void consider(const char *name, const char *candidate, size_t *best, const char **ret) {
	size_t far = distance(name, candidate);
	if (far < *best && far <= 1 + strlen(candidate) / 4) {
		*best = far;
		*ret = candidate;
	}
}

/* Names that are not spelt alike, but mean a key of ours to many. */
static const struct {
	const char *name, *section, *key;
} synonyms[] = {
	{"mode", "gpu", "size"},
	{"resolution", "gpu", "size"},
	{"mode", "output NAME", "size"},
	{"resolution", "output NAME", "size"},
};

static const char *find_synonym(const char *section, const char *name) {
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
		if (strcmp(synonyms[i].section, section) == 0 &&
			strcmp(synonyms[i].name, name) == 0) {
			return synonyms[i].key;
		}
	}
	return NULL;
}

const char *config_key_nearest(enum config_scope scope, const char *section, const char *name) {
	size_t best = SIZE_MAX;
	const char *nearest = find_synonym(section, name);
	if (nearest != NULL) {
		return nearest;
	}
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope && strcmp(key->section, section) == 0) {
			consider(name, key->name, &best, &nearest);
		}
	}
	return nearest;
}

bool config_section_exists(enum config_scope scope, const char *section) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope && strcmp(key->section, section) == 0) {
			return true;
		}
	}
	return false;
}

const char *config_section_nearest(enum config_scope scope, const char *name) {
	size_t best = SIZE_MAX;
	const char *nearest = NULL;
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		if (key->scope == scope) {
			consider(name, key->section, &best, &nearest);
		}
	}
	return nearest;
}

void config_key_name(const struct config_key *key, uint32_t index, char *buffer, size_t size) {
	if (is_numbered(key)) {
		snprintf(buffer, size, "%.*s%u", (int)stem_length(key), key->name, index + 1);
	} else {
		snprintf(buffer, size, "%s", key->name);
	}
}
