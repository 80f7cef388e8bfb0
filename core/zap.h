/* Who may speak through a CURVE door: the keys that `is_known` says yes to, and nobody else. One per
 * ZeroMQ context, opened before its doors. */
#ifndef CORE_ZAP_H
#define CORE_ZAP_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct zap;

/* `key` is a public key in Z85. */
typedef bool zap_key_fn(const char *key, void *userdata);

/* secret_file as the loaded configuration has it. What is wrong is said in the log, and raises
 * ALARM_SECRET of `program`, which clears it when its doors are open. Negative errno. */
int zap_open(sd_event *event, void *zmq, const char *program, const char *secret_file,
             zap_key_fn *is_known, void *userdata, struct zap **ret);
struct zap *zap_close(struct zap *zap);
int zap_secure(struct zap *zap, void *socket); /* server options of a CURVE door, before it is bound */
/* Tries a random key at a door of the same make, which must refuse it, and a known one, which it must
 * let in: -EACCES otherwise, said in the log. */
int zap_self_test(struct zap *zap);

#endif
