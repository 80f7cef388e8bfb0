/* libzmq gives each of its threads the scheduling policy that it has already, and ends the process where the
 * kernel forbids even that (4.3.4, thread.cpp), as the sandbox of our services does. This takes the place of the C
 * library's function in our programs: what changes nothing succeeds without the kernel. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param) {
        (void) thread;
        return policy == SCHED_OTHER && param->sched_priority == 0 ? 0 : EPERM;
}
