/* The account: what all deliveries of the channel share in this process, made anew by one of them
 * while the others wait. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/crash.h"

bool account_join(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;

        if (attempt->step.need.version != daemon->account_version)
                return false;
        attempt->awaits_account = daemon->account_leader != NULL;
        if (!attempt->awaits_account) {
                daemon->account_leader = attempt;
                attempt->makes_account = true;
        }
        return true;
}

void account_show(struct attempt *attempt) {
        attempt->delivery.account = attempt->daemon->account;
        attempt->delivery.account_version = attempt->daemon->account_version;
}

/* Ends its waiting; account_tend() lets it go on, when nobody is in the middle of a list. */
static void resume(struct attempt *attempt) {
        attempt->awaits_account = false;
        attempt->resumes = true;
        engine_pump(attempt->daemon);
}

void account_made(struct attempt *attempt, json_t *account) {
        struct channeld *daemon = attempt->daemon;

        json_decref(daemon->account);
        daemon->account = json_incref(account);
        daemon->account_version++;
        daemon->account_leader = NULL;
        attempt->makes_account = false;
        for (struct attempt *other = daemon->attempts; other; other = other->next)
                if (other->awaits_account)
                        resume(other);
        crash_point("channeld/account-made");
}

/* The sentence is about the account, so it is everybody's. */
void account_refused(struct attempt *attempt, const struct verdict *verdict) {
        struct channeld *daemon = attempt->daemon;

        daemon->account_leader = NULL;
        attempt->makes_account = false;
        for (struct attempt *other = daemon->attempts; other; other = other->next) {
                if (!other->awaits_account)
                        continue;
                step_done(&other->step);
                other->step = (struct step) {
                        .kind = STEP_VERDICT,
                        .verdict = { .kind = verdict->kind, .code = verdict->code,
                                     .at_ms = verdict->at_ms, .ill = verdict->ill,
                                     .sentence = verdict->sentence ? strdup(verdict->sentence) : NULL },
                };
                resume(other);
        }
}

void account_left(struct channeld *daemon) {
        daemon->account_leader = NULL;
        for (struct attempt *other = daemon->attempts; other; other = other->next)
                if (other->awaits_account) {
                        resume(other); /* it leads now */
                        return;
                }
}

void account_tend(struct channeld *daemon) {
        bool found = true;

        while (found) {
                struct attempt *attempt = daemon->attempts;

                while (attempt && !attempt->resumes)
                        attempt = attempt->next;
                found = attempt != NULL;
                if (found) {
                        attempt->resumes = false;
                        attempt_go(attempt);
                }
        }
}
