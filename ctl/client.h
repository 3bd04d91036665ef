#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>

#include <systemd/sd-json.h>

/* Says one line on standard error, "mullionctl: ...", control characters made visible. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Calls a method of io.mullion.Host or io.mullion.Desktop and waits for the answer.
 * parameters may be NULL. ret_reply (owned by the caller) and ret_fd (-1 where none came)
 * may be NULL. Returns false after one line on standard error.
 */
bool client_call(const char *interface, const char *method, sd_json_variant *parameters,
	sd_json_variant **ret_reply, int *ret_fd);

#endif
