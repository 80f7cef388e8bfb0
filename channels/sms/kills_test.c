/* SIGKILL at every step of a sending to ten thousand, before and after the step had its effect. A kill that
 * leaves a doubt costs a question about each number of the batch, so of the request and its record one
 * place is hit in every other batch, in turn; claims in every batch; all else (the look, the lists, the
 * questions, the repair, the end) once. All of that within one sending. */
#include "channels/sms/fixture.h"

enum { PEOPLE = 10000, BATCH = 250, LARGE = 5000 };

struct killer {
        json_t *done; /* the steps that were killed */
        int n, most;
        int n_batches; /* of these, when a request was, or may have been, on its way */
        int n_perhaps; /* numbers in these */
        int next;      /* a batch is left alone until so many people are texted */
        int apart;
};

static const char *stage_of(const struct step *step) {
        const char *stage = json_string_value(json_object_get(step->memo, "stage"));

        return stage ? stage : "none";
}

static size_t in_hand(const struct step *step) {
        return json_string_length(json_object_get(step->memo, "members")) / SMS_HASH;
}

/* Names the step; false: not this one, not now. */
static bool is_due(const struct killer *killer, int n, const struct step *step, bool after, char key[static 96]) {
        const char *stage = stage_of(step);
        bool claims = strcmp(stage, "claim") == 0, sends = strcmp(stage, "send") == 0;
        bool records = strcmp(stage, "record") == 0;
        int place = sends ? after : records && !after ? 2 : -1;

        (void) snprintf(key, 96, "%s %d", stage, after);
        if (strcmp(stage, "ask") == 0) /* the middle one */
                return json_integer_value(json_object_get(step->memo, "i")) == (json_int_t) in_hand(step) / 2;
        if (!claims && !sends && !records)
                return true;
        if (killer->apart)
                return n >= killer->next;
        (void) snprintf(key, 96, "%s %d %d", stage, after, n / BATCH);
        return place < 0 || place == n / BATCH % 6;
}

static bool kills_each_step_once(struct world *world, const struct step *step, bool after) {
        struct killer *killer = world->killer;
        int n = (int) json_object_size(world->phones);
        char key[96];

        if (killer->n == killer->most || !is_due(killer, n, step, after, key) || json_object_get(killer->done, key))
                return false;
        json_object_set_new(killer->done, key, json_true());
        killer->n++;
        killer->next = in_hand(step) > 0 ? n + killer->apart : killer->next;
        if (strcmp(stage_of(step), "send") == 0 || (strcmp(stage_of(step), "record") == 0 && !after)) {
                killer->n_batches++;
                killer->n_perhaps += (int) in_hand(step);
        }
        return true;
}

/* All numbers on the list that have neither got a message nor stand in a batch that is in doubt. */
static int skipped(const struct world *world) {
        json_t *named = json_object(), *note;
        struct sms_note read;
        const char *name;
        int n = 0;

        json_object_foreach(world->book, name, note)
                if (strlen(name) > 26 && sms_note_read(json_string_value(note), &read) && read.state == SMS_DOUBTFUL)
                        for (size_t i = 0; i < read.n; i++)
                                json_object_setn_new(named, read.members + i * SMS_HASH, SMS_HASH, json_true());
        for (int i = 0; i < PEOPLE; i++) {
                char number[24], hash[SMS_HASH + 1];

                (void) snprintf(number, sizeof(number), "138%08d", i);
                sms_number_hash("0123456789abcdef0123", number, hash);
                n += !json_object_get(world->phones, number) && !json_object_get(named, hash);
        }
        json_decref(named);
        return n;
}

static void begin(struct world *world, struct killer *killer, const struct driver *driver, int batch) {
        struct step verdict = { 0 };

        *world = world_of(driver);
        world->options.batch = batch;
        put_people(world, 0, PEOPLE);
        world->delivery.options = &world->options;
        world->delivery.event = world->event;
        while (!sms_account_is_whole(world->account))
                assert_true(make_account(world, &verdict));
        world->read_before = json_incref(world->account);
        world->kills = kills_each_step_once;
        world->killer = killer;
        killer->done = json_object();
}

static void end(struct world *world, struct killer *killer) {
        print_message("%d kills, %d attempts, %d requests, %d questions: %s\n", killer->n, world->n_attempts,
                      world->n_sendings, world->n_questions, world->reference);
        json_decref(killer->done);
        json_decref(world->read_before);
        world_done(world);
}

static void where_the_provider_can_be_asked_each_number_is_texted_once(void **state) {
        struct killer killer = { .most = 100000 };
        struct world world;
        bool twice;

        (void) state;
        begin(&world, &killer, &aliyun_driver, BATCH);
        deliver(&world);
        assert_int_equal(world.last, VERDICT_DONE);
        assert_string_equal(world.reference, "sent=10000,failed=0,doubt=0");
        assert_int_equal(texted(&world, &twice), PEOPLE);
        assert_false(twice);
        assert_true(killer.n > 3 * PEOPLE / BATCH);
        assert_masked(&world);
        end(&world, &killer);
}

/* Where it cannot, each kill leaves at most the batch that it met in doubt; it is named, and nobody is skipped. */
static void where_it_cannot_the_batches_in_doubt_are_named_and_nobody_is_skipped(void **state) {
        struct killer killer = { .most = 100000, .apart = 300 };
        struct world world;
        int n_named = 0;
        bool twice;

        (void) state;
        begin(&world, &killer, &mas_driver, BATCH);
        deliver(&world);
        print_message("%s\n", world.reference);
        assert_int_equal(world.last, VERDICT_DONE);
        (void) texted(&world, &twice);
        assert_false(twice);
        assert_int_equal(skipped(&world), 0);
        for (const char *at = buf_text(&world.said); (at = strstr(at, "in_doubt = skip")) != NULL; at++)
                n_named++;
        assert_int_equal(n_named, killer.n_batches);
        assert_int_equal(doubt_of(&world), killer.n_perhaps);
        /* load, list, claim, send, record, fix, finish; before and after */
        assert_int_equal(killer.n, 14);
        assert_masked(&world);
        end(&world, &killer);
}

/* One kill, at each step in turn: one batch at most. */
static void one_kill_leaves_one_batch_in_doubt_at_most(void **state) {
        struct world first;
        struct killer none = { .most = 0 };

        (void) state;
        begin(&first, &none, &mas_driver, LARGE);
        for (int after = 0; after < 2; after++)
                for (int at = 0;; at++) {
                        struct world world = world_of(&mas_driver);
                        bool twice, killed;

                        world.options.batch = LARGE;
                        world.read_before = first.account;
                        world.kill_at = at;
                        world.kill_after = after;
                        deliver(&world);
                        killed = world.killed;
                        assert_int_equal(world.last, VERDICT_DONE);
                        assert_in_range(texted(&world, &twice), PEOPLE - doubt_of(&world), PEOPLE);
                        assert_false(twice);
                        assert_true(doubt_of(&world) == 0 || doubt_of(&world) == LARGE);
                        assert_int_equal(strstr(buf_text(&world.said), "in_doubt = skip") != NULL, doubt_of(&world) > 0);
                        world_done(&world);
                        if (!killed)
                                break;
                }
        deliver(&first);
        end(&first, &none);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_the_provider_can_be_asked_each_number_is_texted_once),
                cmocka_unit_test(where_it_cannot_the_batches_in_doubt_are_named_and_nobody_is_skipped),
                cmocka_unit_test(one_kill_leaves_one_batch_in_doubt_at_most),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
