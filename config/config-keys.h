#ifndef CONFIG_CONFIG_KEYS_H
#define CONFIG_CONFIG_KEYS_H

#include "config.h"

/*
 * The table of keys. All that is known of a key stands in one row: parsing, checking,
 * man pages and completions read it, and nothing else names a key.
 */

enum config_scope {
	CONFIG_SCOPE_HOST,  // mullion.ini
	CONFIG_SCOPE_GUEST, // guests/NAME.ini
};

enum config_type {        // what the member of the structure is
	CONFIG_SIZE,      // uint64_t, bytes
	CONFIG_NUMBER,    // uint32_t
	CONFIG_FREQUENCY, // uint32_t, mHz
	CONFIG_FACTOR,    // uint32_t, in CONFIG_SCALE
	CONFIG_DURATION,  // uint64_t, us
	CONFIG_MODE,      // two uint32_t in a row, pixels
	CONFIG_COLOUR,    // struct config_colour
	CONFIG_BINDING,   // struct config_binding
	CONFIG_MODIFIERS, // uint32_t, enum config_modifier
	CONFIG_BOOL,      // bool
	CONFIG_CHOICE,    // an enum; the value is the place in `choices`
	CONFIG_TEXT,      // char *, owned, from here on
	CONFIG_WORD,      // choices of text
	CONFIG_PATH,      // made absolute
	CONFIG_PATHS,     // several, separated by colons
	CONFIG_PROGRAM,   // made absolute where it has a slash
	CONFIG_ARGUMENTS, // words as in a shell
};

struct config_key {
	enum config_scope scope;
	const char *section, *name; // a numbered key ends in -N, a named section in " NAME"
	enum config_type type;
	size_t offset;
	uint32_t count;        // of numbered keys, from 1, or of named sections; else 0
	size_t stride;         // bytes from one of those to the next
	uint64_t min, max;     // in the member's unit; bytes of text; pixels of each side of a mode
	uint64_t step;         // sizes are a multiple of it; 0 for any
	const char *automatic; // this word is allowed and means: as though the key were not given
	const char *const *choices; // NULL-terminated
	const char *fallback;       // as it would stand in a file; N is the number
	const char *help;           // one sentence or two
};

/* Terminated by a row without a name. The rows of a section stand together. */
extern const struct config_key config_keys[];

#define CONFIG_KEYS_MAX 64 // rows

/*
 * Finds a key; *ret_index is 0, or the number less one of a numbered key. NULL where there is
 * none. A named section is looked for without its name: "output NAME".
 */
const struct config_key *config_key_find(
	enum config_scope scope, const char *section, const char *name, uint32_t *ret_index);

/* A section's key by which the mistaken name was probably meant, or NULL. */
const char *config_key_nearest(enum config_scope scope, const char *section, const char *name);

/* Whether the section is followed by a name of the user's. */
bool config_key_is_named(const struct config_key *key);

/* The named section of the scope to which a heading belongs, "output NAME", or NULL. ret_name is
 * the part of the heading that names it, and may be empty. */
const char *config_section_named(
	enum config_scope scope, const char *heading, const char **ret_name);

bool config_section_exists(enum config_scope scope, const char *section);
const char *config_section_nearest(enum config_scope scope, const char *name);

/* Writes the key's name, with its number, into a buffer of size bytes. */
void config_key_name(const struct config_key *key, uint32_t index, char *buffer, size_t size);

/* The member that a key stands for, in a struct config_host or config_guest. */
void *config_key_member(const struct config_key *key, uint32_t index, void *target);

/* Whether the member is a string that the structure owns. */
bool config_key_is_string(const struct config_key *key);

/* Writes what is allowed, for people: "4M to 64G, a multiple of 4K". */
void config_key_allowed(const struct config_key *key, char *buffer, size_t size);

/* Writes a number of bytes as a file has it: "64M". */
void config_format_size(uint64_t bytes, char *buffer, size_t size);

/*
 * Parses a value into the member. directory is where relative paths start. Returns false
 * with one line in error, and the member untouched, where the value is not allowed.
 */
bool config_value_parse(const struct config_key *key, uint32_t index, const char *value,
	const char *directory, void *target, char *error, size_t error_size);

/* Sets every member of the scope to its default. Returns false where memory is short. */
bool config_set_defaults(enum config_scope scope, void *target);

/* Frees every string of the scope. */
void config_free_strings(enum config_scope scope, void *target);

#endif
