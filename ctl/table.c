#include "table.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-keys.h"

static void add_owned(struct table *table, char *cell) {
	if (table->cells_len == table->cells_capacity) {
		table->cells_capacity = table->cells_capacity * 2 + 32;
		table->cells =
			reallocarray(table->cells, table->cells_capacity, sizeof(table->cells[0]));
	}
	if (cell == NULL || table->cells == NULL) {
		errx(1, "out of memory");
	}
	for (char *c = cell; *c != '\0'; c++) {
		*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
	}
	table->cells[table->cells_len++] = cell;
}

void table_init(struct table *table, const char *headings) {
	*table = (struct table){0};
	while (headings[0] != '\0' && table->columns < TABLE_COLUMNS_MAX) {
		table->right[table->columns] = headings[0] == '>';
		headings += headings[0] == '>';
		size_t length = strcspn(headings, "|");
		add_owned(table, strndup(headings, length));
		table->columns++;
		headings += length + (headings[length] == '|');
	}
}

void table_add(struct table *table, const char *text) {
	add_owned(table, strdup(text == NULL || text[0] == '\0' ? "-" : text));
}

void table_addf(struct table *table, const char *format, ...) {
	char *text;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	add_owned(table, length < 0 ? NULL : text);
}

void table_add_size(struct table *table, uint64_t bytes) {
	char text[32] = "";
	if (bytes > 0) {
		config_format_size(bytes, text, sizeof(text));
	}
	table_add(table, text);
}

void table_add_range(struct table *table, uint64_t base, uint64_t size) {
	if (size == 0) {
		table_add(table, NULL);
	} else {
		table_addf(table, "0x%08llx..0x%08llx", (unsigned long long)base,
			(unsigned long long)(base + size - 1));
	}
}

/* Characters, not bytes. */
static int width_of(const char *text) {
	int width = 0;
	for (; *text != '\0'; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return width;
}

static void print_row(const struct table *table, size_t row, const int *widths) {
	for (size_t i = 0; i < table->columns; i++) {
		const char *cell = table->cells[row * table->columns + i];
		int space = widths[i] - width_of(cell);
		bool last = i + 1 == table->columns;
		printf("%*s%s%*s", table->right[i] ? space : 0, "", cell,
			last ? 0 : (table->right[i] ? 0 : space) + 2, "");
	}
	putchar('\n');
}

void table_print(const struct table *table) {
	int widths[TABLE_COLUMNS_MAX] = {0};
	for (size_t i = 0; i < table->cells_len; i++) {
		int width = width_of(table->cells[i]);
		if (width > widths[i % table->columns]) {
			widths[i % table->columns] = width;
		}
	}
	for (size_t row = 0; row < table->cells_len / table->columns; row++) {
		print_row(table, row, widths);
	}
}

void table_finish(struct table *table) {
	for (size_t i = 0; i < table->cells_len; i++) {
		free(table->cells[i]);
	}
	free(table->cells);
	*table = (struct table){0};
}

static sd_json_variant *member(sd_json_variant *object, const char *key) {
	return object != NULL && sd_json_variant_is_object(object)
		? sd_json_variant_by_key(object, key)
		: NULL;
}

const char *json_text(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && sd_json_variant_is_string(value) ? sd_json_variant_string(value)
								 : "";
}

uint64_t json_number(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && sd_json_variant_is_unsigned(value) ? sd_json_variant_unsigned(value)
								   : 0;
}

int64_t json_signed(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && sd_json_variant_is_integer(value) ? sd_json_variant_integer(value)
								  : 0;
}

bool json_bool(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && sd_json_variant_is_boolean(value) && sd_json_variant_boolean(value);
}

bool json_has(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && !sd_json_variant_is_null(value);
}

size_t json_length(sd_json_variant *object, const char *key) {
	sd_json_variant *value = member(object, key);
	return value != NULL && sd_json_variant_is_array(value) ? sd_json_variant_elements(value)
								: 0;
}

sd_json_variant *json_item(sd_json_variant *object, const char *key, size_t index) {
	return index < json_length(object, key)
		? sd_json_variant_by_index(member(object, key), index)
		: NULL;
}
