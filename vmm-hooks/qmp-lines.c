#include "qmp-lines.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 4096

void lines_finish(struct lines *lines) {
	free(lines->buffer);
	lines->buffer = NULL;
	lines->size = lines->len = lines->taken = lines->searched = 0;
}

char *lines_room(struct lines *lines, size_t *ret_size) {
	if (lines->taken > 0) {
		memmove(lines->buffer, lines->buffer + lines->taken, lines->len - lines->taken);
		lines->len -= lines->taken;
		lines->taken = 0;
	}
	if (lines->len == lines->size) {
		if (lines->len >= lines->max) {
			return NULL;
		}
		size_t size = lines->size == 0 ? FIRST_SIZE : lines->size * 2;
		size = size < lines->max ? size : lines->max;
		char *buffer = realloc(lines->buffer, size);
		if (buffer == NULL) {
			return NULL;
		}
		lines->buffer = buffer;
		lines->size = size;
	}
	*ret_size = lines->size - lines->len;
	return lines->buffer + lines->len;
}

void lines_added(struct lines *lines, size_t n) {
	lines->len += n;
}

char *lines_next(struct lines *lines, size_t *ret_length) {
	if (lines->buffer == NULL) {
		return NULL;
	}
	char *line = lines->buffer + lines->taken;
	size_t left = lines->len - lines->taken;
	char *end = memchr(line + lines->searched, '\n', left - lines->searched);
	if (end == NULL) {
		lines->searched = left;
		return NULL;
	}
	lines->searched = 0;
	lines->taken += (size_t)(end - line) + 1;
	if (end > line && end[-1] == '\r') {
		end--;
	}
	*end = '\0';
	*ret_length = (size_t)(end - line);
	return line;
}

bool json_line_sane(const char *untrusted_line, size_t length, unsigned depth_max) {
	unsigned depth = 0;
	bool string = false;
	for (size_t i = 0; i < length; i++) {
		char c = untrusted_line[i];
		if (c == '\0') {
			return false;
		} else if (string) {
			string = c != '"';
			// A line's end is no '\\', so skipping a byte stays inside.
			i += c == '\\' && i + 1 < length && untrusted_line[i + 1] != '\0';
		} else if (c == '"') {
			string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > depth_max) {
				return false;
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}
