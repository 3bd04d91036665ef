#include "machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fd.h"

int machine_connect(const struct session *session) {
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/input", session->folder);
	int hand = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (hand < 0 || bind(hand, (const struct sockaddr *)&any, sizeof(any.sun_family)) < 0 ||
		connect(hand, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		fd_close(hand);
		return error;
	}
	return hand;
}

int machine_do(int hand, const char *format, ...) {
	char text[100], answer[16];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ssize_t size = send(hand, text, (size_t)length, 0) == length
		? recv(hand, answer, sizeof(answer) - 1, 0)
		: 0;
	answer[size > 0 ? size : 0] = '\0';
	char *end;
	long number = strtol(answer, &end, 10);
	return strcmp(answer, "ok") == 0 ? 0 : end != answer ? (int)number : -1;
}
