#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-json.h>

/* A table for people: columns as wide as their widest cell, two spaces between. */

#define TABLE_COLUMNS_MAX 12

struct table {
	size_t columns;
	bool right[TABLE_COLUMNS_MAX]; // numbers stand at the right
	char **cells;                  // owned, row by row, the headings first
	size_t cells_len, cells_capacity;
};

/* headings are separated by '|'; one that begins with '>' stands at the right. */
void table_init(struct table *table, const char *headings);

/* Adds the next cell; control characters become '?'. NULL or "" shows as "-". */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

void table_print(const struct table *table);
void table_finish(struct table *table);

/* A number of bytes: "64M", or "-" for none. */
void table_add_size(struct table *table, uint64_t bytes);

/* The addresses from base to the last one: "0x0000..0x3fff"; "-" where size is 0. */
void table_add_range(struct table *table, uint64_t base, uint64_t size);

/*
 * Members of a reply, which may lack them or have them null: then "" , 0, false, NULL.
 * What they return belongs to the reply.
 */
const char *json_text(sd_json_variant *object, const char *key);
uint64_t json_number(sd_json_variant *object, const char *key);
int64_t json_signed(sd_json_variant *object, const char *key);
bool json_bool(sd_json_variant *object, const char *key);
bool json_has(sd_json_variant *object, const char *key); // there, and not null

/* The members of an array under a key. */
size_t json_length(sd_json_variant *object, const char *key);
sd_json_variant *json_item(sd_json_variant *object, const char *key, size_t index);

#endif
