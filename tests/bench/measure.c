#include "measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_DEFAULT 7
#define ROUNDS_MAX 64
#define VALUES_MAX 4096

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double measure_quantile(double *values, size_t n, double q) {
	if (n == 0) {
		return NAN;
	}
	qsort(values, n, sizeof(*values), compare);
	double at = q * (double)(n - 1);
	size_t low = (size_t)at;
	size_t high = low + 1 < n ? low + 1 : low;
	return values[low] + (at - (double)low) * (values[high] - values[low]);
}

static const char *verdict(double value, double target, bool at_least) {
	if (target == 0) {
		return "-";
	}
	return (at_least ? value >= target : value <= target) ? "met" : "missed";
}

bool measure_run(const struct measure *m) {
	double ours[2 * ROUNDS_MAX], peer[2 * ROUNDS_MAX], ratio[ROUNDS_MAX];
	unsigned rounds = m->rounds != 0 ? m->rounds : ROUNDS_DEFAULT;
	if (rounds > ROUNDS_MAX) {
		rounds = ROUNDS_MAX;
	}
	// One of each that does not count: caches, page tables, the processor's clock.
	m->measure_ours(m->data);
	m->measure_peer(m->data);
	for (unsigned i = 0; i < rounds; i++) {
		ours[2 * i] = m->measure_ours(m->data);
		peer[2 * i] = m->measure_peer(m->data);
		peer[2 * i + 1] = m->measure_peer(m->data);
		ours[2 * i + 1] = m->measure_ours(m->data);
		ratio[i] = (ours[2 * i] + ours[2 * i + 1]) / (peer[2 * i] + peer[2 * i + 1]);
		if (isnan(ratio[i])) {
			fprintf(stderr, "%s: a measurement failed\n", m->name);
			return false;
		}
	}
	double median = measure_quantile(ratio, rounds, 0.5);
	printf("{\"name\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,\"peer\":%.4g,"
	       "\"peerName\":\"%s\",\"ratio\":%.4g,\"low\":%.4g,\"high\":%.4g,\"target\":%.4g,"
	       "\"atLeast\":%s,\"verdict\":\"%s\"}\n",
		m->name, m->what, m->unit, measure_quantile(ours, 2 * rounds, 0.5),
		measure_quantile(peer, 2 * rounds, 0.5), m->peer, median, ratio[0],
		ratio[rounds - 1], m->target, m->at_least ? "true" : "false",
		verdict(median, m->target, m->at_least));
	fflush(stdout);
	return true;
}

void measure_print(const char *name, const char *what, const char *unit, const double *values,
	size_t n, double bound, bool at_least) {
	static double sorted[VALUES_MAX];
	if (n == 0) {
		return;
	}
	if (n > VALUES_MAX) {
		n = VALUES_MAX;
	}
	memcpy(sorted, values, n * sizeof(*values));
	double median = measure_quantile(sorted, n, 0.5);
	printf("{\"name\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,\"low\":%.4g,"
	       "\"high\":%.4g,\"bound\":%.4g,\"atLeast\":%s,\"verdict\":\"%s\"}\n",
		name, what, unit, median, measure_quantile(sorted, n, 0.05),
		measure_quantile(sorted, n, 0.95), bound, at_least ? "true" : "false",
		verdict(median, bound, at_least));
	fflush(stdout);
}

void measure_skip(const char *format, ...) {
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(77);
}
