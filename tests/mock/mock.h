#ifndef TESTS_MOCK_H
#define TESTS_MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-host.h"
#include "vmm.h"

/*
 * The fixture of every test here: a real mullion-device with one client. What holds for
 * every input, however hostile, is asserted by mock_teardown(): the device still runs and
 * serves the next client, holds no descriptor and no memory more than before, no
 * sanitizer has complained, and it ends when asked.
 */
struct mock {
	struct device_host host;
	struct vmm vmm;
	int fds;     // descriptors of the device without a client
	long memory; // KiB of the device without a client
};

/* An answer that should be immediate took too long. */
#define MOCK_PROMPT_MSEC 2000
/* The device's own deadline for the rest of a message, and room for a busy machine. */
#define MOCK_DEADLINE_MSEC 12000
#define MOCK_MEMORY_SLACK 1024 // KiB

/* For cmocka_unit_test_setup_teardown(): with a client that has negotiated. */
int mock_setup(void **state);
/* The same, of a device as options say. */
int mock_setup_device(void **state, const struct device_options *options);
/* With a client that has not said anything. */
int mock_setup_silent(void **state);
int mock_teardown(void **state);

/* Closes the client and waits until the device has let go of it. */
void mock_disconnect(struct mock *mock);
/* Replaces the client. */
void mock_reconnect(struct mock *mock);
void mock_reconnect_silent(struct mock *mock);

/* The client's connection works. */
void mock_assert_served(struct mock *mock);

/* Sends one command and returns what came of it: 0, the server's -errno, -ECONNRESET. */
int mock_answer(struct mock *mock, uint16_t command, const void *body, size_t size, const int *fds,
	size_t n);

/* The command was refused, by an error reply or by dropping the connection; then the client
 * is replaced by a fresh one. */
void mock_assert_refused(struct mock *mock, int answer, const char *what);

/* The connection was closed promptly; the client is replaced by a fresh one. */
void mock_assert_dropped(struct mock *mock, int timeout_msec, const char *what);

#define mock_test(function) cmocka_unit_test_setup_teardown(function, mock_setup, mock_teardown)
#define mock_test_silent(function)                                                                 \
	cmocka_unit_test_setup_teardown(function, mock_setup_silent, mock_teardown)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Fails where the device has taken more than MOCK_MEMORY_SLACK KiB since it had `before`;
 * not under the address sanitizer, which keeps what was freed. */
void mock_assert_memory_flat(struct mock *mock, long before);

#endif
