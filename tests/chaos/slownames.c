/* A resolver that stands still for names below slow.example, and says for names below
 * inside.example that they are this machine: for tests of what asks for strangers' names.
 * LD_PRELOAD. */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static int ends(const char *name, const char *ending) {
        size_t n = strlen(name), n_ending = strlen(ending);

        return n >= n_ending && strcmp(name + n - n_ending, ending) == 0;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

        *(void **) &real = dlsym(RTLD_NEXT, "getaddrinfo");
        if (name && ends(name, "slow.example")) {
                (void) sleep(40);
                return EAI_AGAIN;
        }
        if (name && ends(name, "inside.example"))
                return real("127.0.0.1", service, hints, ret);
        return real(name, service, hints, ret);
}
