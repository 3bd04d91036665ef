#include "refuse.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

int refuse(char **ret_reason, const char *format, ...) {
	if (ret_reason == NULL) {
		return -1;
	}
	va_list args;
	va_start(args, format);
	if (vasprintf(ret_reason, format, args) < 0) {
		*ret_reason = NULL;
	}
	va_end(args);
	return -1;
}
