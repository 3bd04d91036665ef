#ifndef VMM_HOOKS_FIRMWARE_H
#define VMM_HOOKS_FIRMWARE_H

/*
 * UEFI firmware (OVMF): its code, shared, and a guest's own writable copy of its
 * variables in $XDG_STATE_HOME/mullion/NAME (default ~/.local/state), made at the first
 * start. Returns 0, the code's path (static) and the copy's (the caller frees it); or -1
 * with one line of reason (see refuse()).
 */
int firmware_prepare(const char *guest, const char **ret_code, char **ret_vars, char **ret_reason);

#endif
