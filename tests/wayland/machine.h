#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include "session.h"

/* For a session whose program is tests/mullion-machine: its keyboards and its touch screen, see
 * machine-input.c. */
#define MACHINE_PROGRAM "tests/mullion-machine"

/* Returns a socket, the caller's, or -errno. */
int machine_connect(const struct session *session);

/* Carries out a command. Returns 0, or the number that is the answer; -1 where it is refused. */
int machine_do(int hand, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
