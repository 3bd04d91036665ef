#ifndef VMM_HOOKS_QMP_LINES_H
#define VMM_HOOKS_QMP_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Cuts a stream into lines of at most max bytes. Zero-initialise, but for max. */
struct lines {
	char *buffer; // owned
	size_t size, len;
	size_t taken;    // bytes at the start that were handed out already
	size_t searched; // bytes after them known to hold no line end
	size_t max;
};

void lines_finish(struct lines *lines);

/*
 * Room for the next bytes of the stream: returns where to put them and how many fit (at
 * least 1), or NULL where the line is longer than max or there is no memory.
 */
char *lines_room(struct lines *lines, size_t *ret_size);

/* That many bytes were put there. */
void lines_added(struct lines *lines, size_t n);

/*
 * The next whole line, NUL-terminated in place of its end ("\n" or "\r\n"), valid until
 * the next lines_room(); NULL where there is none yet.
 */
char *lines_next(struct lines *lines, size_t *ret_length);

/*
 * True where a line may be given to the JSON parser: no NUL byte, and no deeper nesting
 * than depth_max outside of strings.
 */
bool json_line_sane(const char *untrusted_line, size_t length, unsigned depth_max);

#endif
