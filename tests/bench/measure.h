#ifndef TESTS_MEASURE_H
#define TESTS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Benchmarks as ratios: ours and a peer, measured alternately (A B B A) in one run, so
 * that what slows the machine down slows both. Absolute times are shown and prove nothing.
 * Results go to standard output as one JSON object a line; tests/bench/run makes the table.
 */

struct measure {
	const char *name; // "trap-read"
	const char *what; // one line for the reader
	const char *unit; // "us", "GB/s"
	const char *peer; // what the peer is
	/* The bound on the ratio ours/peer, or 0 where there is none; at_least tells which
	 * side of it is good. */
	double target;
	bool at_least;
	/* Each returns one measurement, NAN where it failed. */
	double (*measure_ours)(void *data);
	double (*measure_peer)(void *data);
	void *data;
	unsigned rounds; // of A B B A; 0: 7
};

/* Measures and prints. Returns false where a measurement failed. */
bool measure_run(const struct measure *measure);

/* Prints figures that have no peer in the same run; bound: what is aimed at, in the unit, 0
 * for none. n values, whose median and quartiles are shown. */
void measure_print(const char *name, const char *what, const char *unit, const double *values,
	size_t n, double bound, bool at_least);

/* Sorts values and returns the quantile q, 0 to 1. */
double measure_quantile(double *values, size_t n, double q);

/* Leaves with a line on standard error and status 77: this cannot be measured here. */
void measure_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
