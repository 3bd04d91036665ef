#ifndef TESTS_RECORDED_H
#define TESTS_RECORDED_H

#include "mock.h"
#include "recorder.h"

/*
 * Ends a device that was shown by a recorder, and the recorder, and asserts what holds for every
 * input: the connection between them has lasted, the device lived until it was told to end, no
 * sanitizer has complained. The guest's driver has ended before.
 */
void recorded_end(struct mock *mock, struct recorder *recorder);

#endif
