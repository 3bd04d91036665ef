#ifndef PROTOCOLS_VARLINK_INTERFACES_H
#define PROTOCOLS_VARLINK_INTERFACES_H

#include <systemd/sd-varlink-idl.h>

/*
 * The control interfaces, as `varlinkctl introspect` shows them. Sockets lie in
 * program_runtime_dir(), each under its interface's name. Sizes are bytes, positions
 * and window sizes pixels of the output layout.
 */

#define HOST_INTERFACE "io.mullion.Host"
#define DESKTOP_INTERFACE "io.mullion.Desktop"

/* Errors of both. */
#define HOST_ERROR_NO_SUCH_GUEST HOST_INTERFACE ".NoSuchGuest" // name
#define HOST_ERROR_REFUSED HOST_INTERFACE ".Refused"           // reason: one line for the user
#define DESKTOP_ERROR_NO_SUCH_GUEST DESKTOP_INTERFACE ".NoSuchGuest" // name
#define DESKTOP_ERROR_REFUSED DESKTOP_INTERFACE ".Refused"           // reason

/* Served by mulliond. */
extern const sd_varlink_interface vl_interface_host;

/* Served by mullion, the compositor. */
extern const sd_varlink_interface vl_interface_desktop;

#endif
